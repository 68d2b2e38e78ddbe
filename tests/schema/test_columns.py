"""Columns that are added, renamed, dropped and exchanged: history follows, and loses nothing."""

from __future__ import annotations

from uuid import UUID

import pytest
from django.contrib.postgres.functions import RandomUUID
from django.db import models
from django.db.migrations import AddField, AlterField, RemoveField, RenameField, RunSQL
from django.db.models import F, Value
from django.db.models.functions import Now, Upper

from tests.builders.workshop import Workshop, create

NAME = ("name", models.TextField())


def test_a_nullable_column_is_added(shop: Workshop, item: int) -> None:
    shop.migrate(AddField("Item", "note", models.TextField(null=True)))
    shop.Item.objects.filter(pk=item).update(note="between")
    shop.Item.objects.create(name="after", note="new")
    assert shop.history("item", "name", "note") == [
        ("I", "before", None),
        ("U", "before", "between"),
        ("I", "after", "new"),
    ]


def test_a_column_is_added_with_a_constant_for_the_rows_that_are_there(
    shop: Workshop, item: int
) -> None:
    # Django gives the column a default and takes it away again at once.
    shop.migrate(AddField("Item", "stock", models.IntegerField(default=7)))
    shop.Item.objects.filter(pk=item).update(stock=8)
    shop.Item.objects.create(name="after")
    assert shop.history("item", "name", "stock") == [
        ("I", "before", 7),
        ("U", "before", 8),
        ("I", "after", 7),
    ]


@pytest.mark.parametrize("default", [dict, list])
def test_a_column_is_added_with_a_callable_default(shop: Workshop, item: int, default) -> None:
    shop.migrate(AddField("Item", "data", models.JSONField(default=default)))
    shop.Item.objects.filter(pk=item).delete()
    empty = repr(default())
    assert shop.history("item", "name", "data") == [("I", "before", empty), ("D", "before", empty)]


def test_a_column_is_added_with_a_default_of_the_database(shop: Workshop, item: int) -> None:
    shop.migrate(AddField("Item", "state", models.TextField(db_default=Value("new"))))
    shop.sql("INSERT INTO workshop_item (name) VALUES ('after')")
    assert shop.history("item", "name", "state") == [("I", "before", "new"), ("I", "after", "new")]


def test_a_column_is_added_whose_values_the_database_makes_up(shop: Workshop, item: int) -> None:
    shop.migrate(AddField("Item", "token", models.UUIDField(db_default=RandomUUID())))
    token = shop.Item.objects.get(pk=item).token
    assert isinstance(token, UUID)
    shop.Item.objects.filter(pk=item).update(name="after")
    # The row has got a value that no statement wrote: a version says so.
    assert shop.history("item", "name", "token") == [
        ("I", "before", None),
        ("B", "before", token),
        ("U", "after", token),
    ]


def test_a_moment_that_is_the_same_for_all_rows_is_added(shop: Workshop, item: int) -> None:
    shop.migrate(AddField("Item", "seen", models.DateTimeField(db_default=Now())))
    seen = shop.Item.objects.get(pk=item).seen
    shop.Item.objects.filter(pk=item).update(name="after")
    assert shop.history("item", "name", "seen")[-1] == ("U", "after", seen)
    assert shop.history("item", "seen", where="name = 'before'")[-1][1] == seen


def test_a_generated_column_is_added(shop: Workshop, item: int) -> None:
    shop.migrate(
        AddField(
            "Item",
            "loud",
            models.GeneratedField(
                expression=Upper("name"), output_field=models.TextField(), db_persist=True
            ),
        )
    )
    shop.Item.objects.filter(pk=item).update(name="after")
    assert shop.history("item", "name", "loud") == [
        ("I", "before", None),
        ("B", "before", "BEFORE"),
        ("U", "after", "AFTER"),
    ]


def test_an_identity_column_is_added(shop: Workshop, item: int) -> None:
    shop.migrate(
        RunSQL(
            "ALTER TABLE workshop_item ADD number integer GENERATED ALWAYS AS IDENTITY",
            state_operations=[AddField("Item", "number", models.IntegerField(default=0))],
        )
    )
    shop.Item.objects.filter(pk=item).update(name="after")
    assert shop.history("item", "name", "number") == [
        ("I", "before", None),
        ("B", "before", 1),
        ("U", "after", 1),
    ]


def test_a_column_is_renamed(shop: Workshop, item: int) -> None:
    shop.migrate(RenameField("Item", "name", "title"))
    shop.Item.objects.filter(pk=item).update(title="after")
    assert shop.history("item", "title") == [("I", "before"), ("U", "after")]
    assert shop.columns("item") == ["id", "title"]


def test_two_columns_swap_their_names(shop: Workshop) -> None:
    shop.migrate(create("Pair", ("a", models.TextField()), ("b", models.TextField())))
    shop.Pair.objects.create(a="was a", b="was b")
    shop.migrate(
        RenameField("Pair", "a", "c"), RenameField("Pair", "b", "a"), RenameField("Pair", "c", "b")
    )
    shop.Pair.objects.update(a="now a")
    assert shop.history("pair", "a", "b") == [("I", "was b", "was a"), ("U", "now a", "was a")]
    assert shop.columns("pair") == ["id", "b", "a"]


def test_two_columns_of_different_types_swap_their_names(shop: Workshop) -> None:
    shop.migrate(create("Pair", ("a", models.TextField()), ("b", models.IntegerField())))
    shop.Pair.objects.create(a="text", b=1)
    shop.migrate(
        RenameField("Pair", "a", "c"), RenameField("Pair", "b", "a"), RenameField("Pair", "c", "b")
    )
    shop.Pair.objects.update(a=2)
    assert shop.history("pair", "a", "b") == [("I", 1, "text"), ("U", 2, "text")]


def test_three_columns_turn_round_their_names(shop: Workshop) -> None:
    shop.migrate(create("Trio", *((name, models.TextField()) for name in "abc")))
    shop.Trio.objects.create(a="1", b="2", c="3")
    shop.migrate(
        *(RenameField("Trio", *names) for names in ("ax", "ba", "cb", "xc")),
    )
    shop.Trio.objects.update(b="changed")
    assert shop.history("trio", "a", "b", "c") == [
        ("I", "2", "3", "1"),
        ("U", "2", "changed", "1"),
    ]


def test_the_history_of_a_dropped_column_stays_readable(shop: Workshop, item: int) -> None:
    shop.migrate(AddField("Item", "note", models.TextField(default="kept")))
    shop.Item.objects.filter(pk=item).update(note="changed")
    shop.migrate(RemoveField("Item", "note"))
    shop.Item.objects.filter(pk=item).update(name="after")
    assert shop.history("item", "name", "note") == [
        ("I", "before", "kept"),
        ("U", "before", "changed"),
        ("U", "after", None),
    ]


def test_a_column_that_is_dropped_and_added_again_is_another_one(shop: Workshop, item: int) -> None:
    shop.migrate(RemoveField("Item", "name"))
    shop.Item.objects.create()
    shop.migrate(AddField("Item", "name", models.IntegerField(null=True)))
    shop.Item.objects.filter(pk=item).update(name=2)
    assert shop.history("item", "name", "name_until_1", where=f"id = {item}") == [
        ("I", None, "before"),
        ("U", 2, None),
    ]


def test_a_column_that_is_dropped_and_added_again_at_once_is_another_one(
    shop: Workshop, item: int
) -> None:
    for number in (1, 2):
        shop.migrate(
            RemoveField("Item", "name"), AddField("Item", "name", models.TextField(default="x"))
        )
        shop.Item.objects.filter(pk=item).update(name=f"after {number}")
    shop.Item.objects.filter(pk=item).update(name="last")
    # PostgreSQL says what the rows held when the column was added: "x", and so does history.
    assert shop.history("item", "name", "name_until_1", "name_until_2") == [
        ("I", "x", "before", "x"),
        ("U", "x", None, "after 1"),
        ("U", "after 2", None, None),
        ("U", "last", None, None),
    ]


def test_columns_are_named_like_those_of_history(shop: Workshop, item: int) -> None:
    shop.migrate(
        RenameField("Item", "name", "version"),
        AddField("Item", "operation", models.TextField(default="cut")),
    )
    shop.Item.objects.filter(pk=item).update(version="2.0")
    shop.migrate(RenameField("Item", "version", "row_version"))
    shop.Item.objects.filter(pk=item).update(row_version="3.0")
    assert shop.history("item", "row_row_version", "row_operation") == [
        ("I", "before", "cut"),
        ("U", "2.0", "cut"),
        ("U", "3.0", "cut"),
    ]


def test_a_column_takes_the_name_of_a_dropped_one(shop: Workshop) -> None:
    shop.migrate(create("Pair", ("a", models.TextField()), ("b", models.TextField())))
    shop.Pair.objects.create(a="old a", b="old b")
    shop.migrate(RemoveField("Pair", "a"), RenameField("Pair", "b", "a"))
    shop.Pair.objects.update(a="new a")
    assert shop.history("pair", "a", "a_until_1") == [
        ("I", "old b", "old a"),
        ("U", "new a", None),
    ]


def test_names_of_63_bytes_are_retired_and_told_apart(shop: Workshop) -> None:
    # 63 bytes, multi-byte letters in them, equal but for the last letters.
    one, two = "ä" * 30 + "one", "ä" * 30 + "two"
    shop.migrate(
        create(
            "Pair",
            ("a", models.TextField(db_column=one)),
            ("b", models.TextField(db_column=two)),
        )
    )
    shop.Pair.objects.create(a="1", b="2")
    shop.migrate(RemoveField("Pair", "a"), RemoveField("Pair", "b"))
    shop.migrate(
        AddField("Pair", "a", models.TextField(db_column=one, null=True)),
        AddField("Pair", "b", models.TextField(db_column=two, null=True)),
    )
    shop.Pair.objects.update(a="3", b="4")
    columns = shop.columns("pair")
    assert len(columns) == 5
    assert shop.history("pair", *columns[1:]) == [
        ("I", "1", "2", None, None),
        ("U", None, None, "3", "4"),
    ]


def test_a_generated_column_changes_its_expression(shop: Workshop, item: int) -> None:
    def shouted(expression) -> models.GeneratedField:
        return models.GeneratedField(
            expression=expression, output_field=models.TextField(), db_persist=True
        )

    shop.migrate(AddField("Item", "shown", shouted(Upper("name"))))
    shop.Item.objects.create(name="between")
    shop.migrate(RemoveField("Item", "shown"), AddField("Item", "shown", shouted(F("name"))))
    shop.Item.objects.filter(pk=item).update(name="after")
    assert shop.history("item", "name", "shown", where=f"id = {item}")[-2:] == [
        ("B", "before", "before"),
        ("U", "after", "after"),
    ]


def test_nothing_is_recorded_where_only_constraints_and_defaults_change(
    shop: Workshop, item: int
) -> None:
    shop.migrate(
        AlterField("Item", "name", models.TextField(unique=True, db_default=Value("x"))),
        RunSQL("COMMENT ON COLUMN workshop_item.name IS 'what it is called'"),
        RunSQL("CREATE INDEX ON workshop_item (lower(name))"),
    )
    assert shop.history("item", "name") == [("I", "before")]
