"""Tables that are renamed, dropped and made again, relations and keys that change."""

from __future__ import annotations

import uuid

import pytest
from django.contrib.postgres.functions import RandomUUID
from django.core.management import CommandError
from django.db import models
from django.db.migrations import (
    AddField,
    AlterField,
    AlterModelTable,
    DeleteModel,
    RemoveField,
    RenameModel,
    RunSQL,
)

from audittrail.capture.sync import sync
from tests.builders.workshop import Workshop, create

NAME = ("name", models.TextField())


def test_a_model_is_renamed(shop: Workshop, item: int) -> None:
    shop.migrate(RenameModel("Item", "Article"))
    shop.Article.objects.update(name="after")
    assert shop.history("article", "name") == [("I", "before"), ("U", "after")]
    assert shop.sql("SELECT to_regclass('audittrail.workshop_item_history')") == [(None,)]
    versions = shop.Article.history.versions.in_order().values_list("operation", "name")
    assert list(versions) == [("I", "before"), ("U", "after")]


def test_a_table_is_renamed_and_written_before_tracking_follows(shop: Workshop, item: int) -> None:
    shop.migrate(AlterModelTable("Item", "workshop_goods"), synced=False)
    shop.Item.objects.update(name="after")
    shop.sync()
    assert shop.history("goods", "name") == [("I", "before"), ("U", "after")]


def test_two_tables_swap_their_names(shop: Workshop) -> None:
    shop.migrate(create("A", NAME), create("B", NAME))
    shop.A.objects.create(name="was a")
    shop.B.objects.create(name="was b")
    shop.migrate(RenameModel("A", "C"), RenameModel("B", "A"), RenameModel("C", "B"))
    shop.A.objects.update(name="now a")
    shop.B.objects.update(name="now b")
    assert shop.history("a", "name") == [("I", "was b"), ("U", "now a")]
    assert shop.history("b", "name") == [("I", "was a"), ("U", "now b")]


def test_a_table_takes_the_name_of_a_dropped_one(shop: Workshop) -> None:
    shop.migrate(create("Old", NAME), create("New", NAME))
    shop.Old.objects.create(name="old")
    shop.New.objects.create(name="new")
    shop.migrate(DeleteModel("Old"), RenameModel("New", "Old"))
    shop.Old.objects.update(name="after")
    assert shop.history("old", "name") == [("I", "new"), ("U", "after")]
    assert "old" in values_somewhere(shop, "name")


def test_the_history_of_a_dropped_table_stays(shop: Workshop, item: int) -> None:
    shop.migrate(DeleteModel("Item"))
    assert shop.history("item", "name") == [("I", "before")]
    assert "ended" in shop.command("status")
    assert shop.sql(
        "SELECT count(*) FROM pg_proc WHERE proname LIKE 'workshop_item_history%%'"
    ) == [(0,)]


def test_a_table_is_dropped_and_made_again(shop: Workshop, item: int) -> None:
    shop.migrate(DeleteModel("Item"))
    shop.migrate(create("Item", NAME, ("size", models.IntegerField(default=1))))
    shop.Item.objects.create(name="after")
    shop.Item.objects.update(size=2)
    assert shop.history("item", "name", "size") == [
        ("I", "before", None),
        ("I", "after", 1),
        ("U", "after", 2),
    ]


def test_a_table_is_dropped_and_made_again_in_one_migration(shop: Workshop, item: int) -> None:
    shop.migrate(DeleteModel("Item"), create("Item", ("name", models.IntegerField())))
    shop.Item.objects.create(name=5)
    assert shop.history("item", "name", "name_until_1") == [("I", None, "before"), ("I", 5, None)]


def test_a_table_is_dropped_and_made_again_with_another_key(shop: Workshop, item: int) -> None:
    shop.migrate(
        DeleteModel("Item"),
        create("Item", ("id", models.UUIDField(primary_key=True, default=uuid.uuid4)), NAME),
    )
    made = shop.Item.objects.create(name="after")
    shop.Item.objects.update(name="changed")
    assert shop.history("item", "id", "id_until_1", "name") == [
        ("I", None, item, "before"),
        ("I", made.pk, None, "after"),
        ("U", made.pk, None, "changed"),
    ]


def test_the_key_becomes_a_uuid(shop: Workshop, item: int) -> None:
    # Rows of one statement share a version, and Django gives all of them the same default at first.
    other, third = (
        row.pk
        for row in shop.Item.objects.bulk_create([shop.Item(name="other"), shop.Item(name="third")])
    )
    shop.migrate(
        AddField("Item", "uuid", models.UUIDField(default=uuid.uuid4, null=True)),
        RunSQL("UPDATE workshop_item SET uuid = gen_random_uuid()"),
    )
    keys = dict(shop.Item.objects.values_list("id", "uuid"))
    shop.migrate(
        RemoveField("Item", "id"),
        AlterField("Item", "uuid", models.UUIDField(default=uuid.uuid4, primary_key=True)),
    )
    shop.Item.objects.filter(pk=keys[item]).update(name="after")
    shop.Item.objects.filter(pk=keys[other]).delete()
    new = shop.Item.objects.create(name="new").pk
    assert shop.history("item", "name", where=f"uuid = '{keys[item]}'")[-1] == ("U", "after")
    assert shop.history("item", "name", where=f"uuid = '{keys[other]}'")[-1] == ("D", "other")
    assert shop.history("item", "name", where=f"uuid = '{new}'") == [("I", "new")]
    assert shop.history("item", "name", where=f"id = {item}")[0] == ("I", "before")
    assert shop.history("item", "name", where=f"uuid = '{keys[third]}'")[-1] == ("B", "third")


def test_the_key_becomes_a_uuid_under_the_same_name(shop: Workshop, item: int) -> None:
    shop.migrate(
        RemoveField("Item", "id"),
        AddField("Item", "id", models.UUIDField(primary_key=True, db_default=RandomUUID())),
    )
    key = shop.Item.objects.get().pk
    shop.Item.objects.update(name="after")
    shop.Item.objects.all().delete()
    assert shop.history("item", "id", "id_until_1", "name") == [
        ("I", None, item, "before"),
        ("B", key, None, "before"),
        ("U", key, None, "after"),
        ("D", key, None, "after"),
    ]


def test_a_data_migration_changes_rows_while_there_is_no_key(shop: Workshop, item: int) -> None:
    shop.Item.objects.create(name="gone")
    shop.migrate(
        RunSQL(
            "ALTER TABLE workshop_item DROP COLUMN id;"
            "UPDATE workshop_item SET name = name || ' changed';"
            "DELETE FROM workshop_item WHERE name = 'gone changed';"
            "INSERT INTO workshop_item (name) VALUES ('new');"
            "ALTER TABLE workshop_item ADD id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY"
        )
    )
    names = [(operation, name) for operation, name in shop.history("item", "name")]
    assert names == [
        ("I", "before"),
        ("I", "gone"),
        ("U", "before changed"),
        ("U", "gone changed"),
        ("D", "gone changed"),
        ("I", "new"),
        ("B", "before changed"),
        ("B", "new"),
    ]


def test_a_table_stays_without_a_key(shop: Workshop, item: int) -> None:
    shop.sql("ALTER TABLE workshop_item DROP CONSTRAINT workshop_item_pkey")
    sync()
    shop.sql("UPDATE workshop_item SET name = 'between'")
    shop.sql("ALTER TABLE workshop_item DROP COLUMN id")
    sync()
    shop.sql("UPDATE workshop_item SET name = 'after'")
    assert shop.history("item", "name") == [("I", "before"), ("U", "between"), ("U", "after")]
    # Recorded it is; but nothing tells its rows apart any more.
    assert "no primary key" in shop.command("status")
    with pytest.raises(CommandError):
        shop.command("verify")
    assert "workshop_item: no primary key" in shop.output
    shop.sql("ALTER TABLE workshop_item ADD id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY")
    shop.sync()


def test_the_key_changes_its_type(shop: Workshop) -> None:
    shop.migrate(create("Item", ("id", models.AutoField(primary_key=True)), NAME))
    shop.Item.objects.create(name="before")
    shop.migrate(AlterField("Item", "id", models.BigAutoField(primary_key=True)))
    shop.Item.objects.update(name="after")
    shop.migrate(AlterField("Item", "id", models.CharField(max_length=20, primary_key=True)))
    shop.Item.objects.update(name="last")
    assert shop.history("item", "id", "name") == [
        ("I", "1", "before"),
        ("U", "1", "after"),
        ("U", "1", "last"),
    ]


def test_the_key_is_renamed(shop: Workshop, item: int) -> None:
    shop.sql("ALTER TABLE workshop_item RENAME id TO number")
    shop.sql("UPDATE workshop_item SET name = 'between'")
    shop.sql("ALTER TABLE workshop_item RENAME number TO id")
    shop.sql("UPDATE workshop_item SET name = 'after'")
    shop.sync()
    assert shop.history("item", "id", "name") == [
        ("I", item, "before"),
        ("U", item, "between"),
        ("U", item, "after"),
    ]


def test_the_key_becomes_a_composite_one(shop: Workshop) -> None:
    shop.migrate(create("Line", ("number", models.IntegerField()), NAME))
    shop.Line.objects.create(number=1, name="before")
    shop.sql(
        "ALTER TABLE workshop_line DROP CONSTRAINT workshop_line_pkey, ADD PRIMARY KEY (id, number)"
    )
    shop.sql("UPDATE workshop_line SET name = 'between'")
    shop.sync()
    shop.sql("UPDATE workshop_line SET number = 2")
    assert shop.history("line", "number", "name") == [
        ("I", 1, "before"),
        ("B", 1, "before"),  # what the new key stands for
        ("U", 1, "between"),
        ("D", 1, "between"),
        ("I", 2, "between"),
    ]


def test_the_key_is_dropped_and_comes_back(shop: Workshop, item: int) -> None:
    shop.sql("ALTER TABLE workshop_item DROP CONSTRAINT workshop_item_pkey")
    shop.sql("UPDATE workshop_item SET name = 'between'")
    shop.sql("ALTER TABLE workshop_item ADD PRIMARY KEY (id)")
    shop.sql("UPDATE workshop_item SET name = 'after'")
    shop.sync()
    assert shop.history("item", "name") == [("I", "before"), ("U", "between"), ("U", "after")]


@pytest.mark.parametrize("action", ["CASCADE", "SET NULL", "SET DEFAULT", "NO ACTION"])
def test_a_foreign_key_gets_an_action_and_loses_it(shop: Workshop, action: str) -> None:
    shop.migrate(
        create("Parent", NAME),
        create(
            "Child",
            (
                "parent",
                models.ForeignKey(
                    "workshop.Parent", models.CASCADE, null=True, db_constraint=False
                ),
            ),
        ),
    )
    for number in (1, 2):
        shop.Child.objects.create(id=number, parent=shop.Parent.objects.create(id=number, name="p"))
    constraint = f"REFERENCES workshop_parent ON DELETE {action} ON UPDATE CASCADE"
    shop.migrate(
        RunSQL(f"ALTER TABLE workshop_child ADD CONSTRAINT fk FOREIGN KEY (parent_id) {constraint}")
    )
    if action == "NO ACTION":
        shop.sql("DELETE FROM workshop_child WHERE id = 1")
    shop.sql("DELETE FROM workshop_parent WHERE id = 1")
    shop.sql("UPDATE workshop_parent SET id = 20 WHERE id = 2")
    shop.migrate(RunSQL("ALTER TABLE workshop_child DROP CONSTRAINT fk"))
    shop.sql("DELETE FROM workshop_parent")
    expected = (
        [("I", 1), ("D", 1)] if action in ("CASCADE", "NO ACTION") else [("I", 1), ("U", None)]
    )
    assert shop.history("child", "parent_id", where="id = 1") == expected
    assert shop.history("child", "parent_id", where="id = 2") == [("I", 2), ("U", 20)]


def test_a_many_to_many_relation_with_a_model_of_its_own(shop: Workshop) -> None:
    shop.migrate(create("Tag", NAME), create("Item", NAME))
    item, tag = shop.Item.objects.create(name="item"), shop.Tag.objects.create(name="tag")
    shop.migrate(AddField("Item", "tags", models.ManyToManyField("workshop.Tag")))
    shop.Item.objects.get(pk=item.pk).tags.add(tag.pk)
    shop.migrate(
        RemoveField("Item", "tags"),
        create(
            "Tagging",
            ("item", models.ForeignKey("workshop.Item", models.CASCADE)),
            ("tag", models.ForeignKey("workshop.Tag", models.CASCADE)),
            ("weight", models.IntegerField(default=1)),
        ),
        AddField(
            "Item", "tags", models.ManyToManyField("workshop.Tag", through="workshop.Tagging")
        ),
    )
    shop.Item.objects.get(pk=item.pk).tags.add(tag.pk)
    shop.Tag.objects.all().delete()
    assert shop.history("item_tags", "item_id", "tag_id") == [("I", item.pk, tag.pk)]
    assert shop.history("tagging", "item_id", "tag_id", "weight") == [
        ("I", item.pk, tag.pk, 1),
        ("D", item.pk, tag.pk, 1),
    ]


def test_a_table_moves_to_another_schema(shop: Workshop, item: int) -> None:
    shop.sql("CREATE SCHEMA store; ALTER TABLE workshop_item SET SCHEMA store")
    shop.sql("UPDATE store.workshop_item SET name = 'between'")
    shop.sql("ALTER TABLE store.workshop_item SET SCHEMA public")
    shop.sql("UPDATE workshop_item SET name = 'after'")
    shop.sync()
    assert shop.history("item", "name") == [("I", "before"), ("U", "between"), ("U", "after")]


def test_a_child_model_is_added(shop: Workshop, item: int) -> None:
    shop.migrate(
        create(
            "Special",
            (
                "item_ptr",
                models.OneToOneField(
                    "workshop.Item",
                    models.CASCADE,
                    parent_link=True,
                    primary_key=True,
                    auto_created=True,
                ),
            ),
            ("extra", models.TextField()),
            bases=("workshop.Item",),
        )
    )
    shop.Special.objects.create(name="both", extra="x")
    shop.Special.objects.update(name="changed", extra="y")
    assert shop.history("item", "name")[1:] == [("I", "both"), ("U", "changed")]
    assert shop.history("special", "extra") == [("I", "x"), ("U", "y")]


def values_somewhere(shop: Workshop, column: str) -> set[object]:
    """Return the values of a column in all history tables."""
    tables = shop.sql(
        "SELECT c.relname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
        " WHERE c.relnamespace = 'audittrail'::regnamespace AND a.attname = %s"
        " AND c.relkind = 'r'",
        [column],
    )
    return {
        value
        for (table,) in tables
        for (value,) in shop.sql(f'SELECT "{column}" FROM audittrail."{table}"')
    }
