"""Data migrations between schema operations: none fails, none loses a value."""

from __future__ import annotations

import pytest
from django.db import models
from django.db.migrations import (
    AddField,
    AlterField,
    CreateModel,
    RemoveField,
    RenameField,
    RunPython,
    RunSQL,
)

from tests.builders.workshop import Workshop, create

NAME = ("name", models.TextField())


@pytest.fixture
def person(shop: Workshop) -> int:
    """Make the table `workshop_person` with two rows, and return the key of the first."""
    shop.migrate(create("Person", ("first", models.TextField()), ("last", models.TextField())))
    key: int = shop.Person.objects.create(first="Ada", last="Lovelace").pk
    shop.Person.objects.create(first="Alan", last="Turing")
    return key


def join_names(apps, schema_editor) -> None:
    for person in apps.get_model("workshop", "Person").objects.order_by("pk"):
        person.full = f"{person.first} {person.last}"
        person.save()


def split_names(apps, schema_editor) -> None:
    for person in apps.get_model("workshop", "Person").objects.order_by("pk"):
        person.first, person.last = person.full.split()
        person.save()


#: Add a column, fill it, make it mandatory, and drop what it was made of: the usual way.
ADD = AddField("Person", "full", models.TextField(null=True))
FILL = RunPython(join_names, split_names)
REQUIRE = AlterField("Person", "full", models.TextField())
DROP = (RemoveField("Person", "first"), RemoveField("Person", "last"))


def names(shop: Workshop, person: int) -> list[tuple]:
    return shop.history("person", "first", "last", "full", where=f"id = {person}")


FILLED = [
    ("I", "Ada", "Lovelace", None),
    ("U", "Ada", "Lovelace", "Ada Lovelace"),
]


def test_in_one_migration(shop: Workshop, person: int) -> None:
    shop.migrate(ADD, FILL, REQUIRE, *DROP)
    shop.Person.objects.filter(pk=person).update(full="Ada King")
    assert names(shop, person) == [*FILLED, ("U", None, None, "Ada King")]


def test_in_migrations_of_their_own(shop: Workshop, person: int) -> None:
    # `migrate` brings tracking in step when the last of them has been applied.
    shop.migrate(ADD, synced=False)
    shop.migrate(FILL, synced=False)
    shop.migrate(REQUIRE, synced=False)
    shop.migrate(*DROP)
    shop.Person.objects.filter(pk=person).update(full="Ada King")
    assert names(shop, person) == [*FILLED, ("U", None, None, "Ada King")]


@pytest.mark.parametrize("synced", [True, False])
def test_without_a_transaction(shop: Workshop, person: int, synced: bool) -> None:
    shop.migrate(ADD, FILL, REQUIRE, *DROP, atomic=False, synced=synced)
    shop.Person.objects.filter(pk=person).update(full="Ada King")
    assert names(shop, person) == [*FILLED, ("U", None, None, "Ada King")]
    shop.sync()


def test_a_new_column_is_filled_by_sql(shop: Workshop, person: int) -> None:
    shop.migrate(ADD, RunSQL("UPDATE workshop_person SET \"full\" = first || ' ' || last"), REQUIRE)
    assert names(shop, person) == FILLED


def test_a_renamed_column_is_rewritten(shop: Workshop, person: int) -> None:
    shop.migrate(
        RenameField("Person", "first", "given"),
        RunSQL("UPDATE workshop_person SET given = upper(given)"),
        RenameField("Person", "given", "called"),
        RunSQL("UPDATE workshop_person SET called = lower(called)"),
    )
    assert shop.history("person", "called", where=f"id = {person}") == [
        ("I", "Ada"),
        ("U", "ADA"),
        ("U", "ada"),
    ]


def test_a_column_is_emptied_then_retyped(shop: Workshop, person: int) -> None:
    shop.migrate(
        RunSQL("UPDATE workshop_person SET first = '7'"),
        RunSQL(
            "ALTER TABLE workshop_person ALTER first TYPE integer USING first::integer",
            state_operations=[AlterField("Person", "first", models.IntegerField())],
        ),
        RunSQL("UPDATE workshop_person SET first = first + 1"),
    )
    assert shop.history("person", "first", "first_until_1", where=f"id = {person}") == [
        ("I", None, "Ada"),
        ("U", None, "7"),
        ("U", 8, None),
    ]


def test_rows_move_to_a_new_table_and_the_old_column_goes(shop: Workshop, person: int) -> None:
    shop.migrate(
        create("Surname", ("text", models.TextField())),
        AddField(
            "Person", "surname", models.ForeignKey("workshop.Surname", models.CASCADE, null=True)
        ),
        RunSQL("INSERT INTO workshop_surname (text) SELECT last FROM workshop_person ORDER BY id"),
        RunSQL(
            "UPDATE workshop_person p SET surname_id = s.id FROM workshop_surname s WHERE s.text = p.last"
        ),
        RemoveField("Person", "last"),
    )
    surname = shop.Surname.objects.get(text="Lovelace").pk
    # The table was made, and filled, before tracking knew of it: its rows are the baseline.
    assert shop.history("surname", "text") == [("B", "Lovelace"), ("B", "Turing")]
    assert shop.history("person", "last", "surname_id", where=f"id = {person}") == [
        ("I", "Lovelace", None),
        ("U", "Lovelace", surname),
    ]


def test_rows_are_inserted_and_deleted_between_changes(shop: Workshop, person: int) -> None:
    shop.migrate(
        RunSQL("DELETE FROM workshop_person WHERE first = 'Alan'"),
        AddField("Person", "born", models.IntegerField(default=1815)),
        RunSQL("INSERT INTO workshop_person (first, last, born) VALUES ('Grace', 'Hopper', 1906)"),
        RemoveField("Person", "last"),
        RunSQL("DELETE FROM workshop_person WHERE first = 'Grace'"),
    )
    assert shop.history("person", "first", "last", "born") == [
        ("I", "Ada", "Lovelace", 1815),
        ("I", "Alan", "Turing", 1815),
        ("D", "Alan", "Turing", 1815),
        ("I", "Grace", "Hopper", 1906),
        ("D", "Grace", None, 1906),
    ]


def test_no_trigger_events_are_pending_when_the_table_is_altered(
    shop: Workshop, person: int
) -> None:
    # A deferred trigger on the table itself would make ALTER TABLE fail after a write.
    with shop.connection.schema_editor(atomic=True) as editor:
        for column in ("a", "b"):
            editor.execute("UPDATE workshop_person SET last = last || '!'")
            editor.execute(f"ALTER TABLE workshop_person ADD {column} integer")
            editor.execute("DELETE FROM workshop_person WHERE first = 'Alan'")
            editor.execute(f"ALTER TABLE workshop_person DROP {column}")
            editor.execute("TRUNCATE workshop_person")
            editor.execute("ALTER TABLE workshop_person ALTER first TYPE varchar(100)")
            editor.execute("INSERT INTO workshop_person (id, first, last) VALUES (9, 'Ada', 'L')")
            editor.execute("ALTER TABLE workshop_person ALTER first TYPE text")
    shop.sync()
    assert [operation for operation, *_ in names_without_full(shop)] == list("IIUUDTIUTI")


def names_without_full(shop: Workshop) -> list[tuple]:
    return shop.history("person", "first", "last")


def test_all_of_a_migration_is_one_revision_that_names_the_command(
    shop: Workshop, person: int
) -> None:
    shop.migrate(ADD, FILL, REQUIRE, RunSQL("DELETE FROM workshop_person WHERE first = 'Alan'"))
    revisions = shop.sql(
        "SELECT count(DISTINCT revision_id) FROM audittrail.workshop_person_history"
        " WHERE operation IN ('U', 'D')"
    )
    assert revisions == [(1,)]


def test_a_failed_migration_leaves_history_as_it_was(shop: Workshop, person: int) -> None:
    before = shop.history("person", "first", "last")

    def fail(apps, schema_editor) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        shop.migrate(ADD, FILL, REQUIRE, *DROP, RunPython(fail))
    shop.sync()
    shop.Person.objects.filter(pk=person).update(last="King")
    assert shop.history("person", "first", "last") == [*before, ("U", "Ada", "King")]
    assert shop.columns("person") == ["id", "first", "last"]


def test_rolled_back_to_a_savepoint(shop: Workshop, person: int) -> None:
    with shop.session(autocommit=False) as session, session.cursor() as cursor:
        for statement in (
            "SAVEPOINT a",
            "ALTER TABLE workshop_person ADD age integer",
            "UPDATE workshop_person SET age = 36",
            "ROLLBACK TO a",
            "UPDATE workshop_person SET last = 'King'",
            "ALTER TABLE workshop_person ADD age text",
            "UPDATE workshop_person SET age = 'old'",
        ):
            cursor.execute(statement)
    assert shop.history("person", "last", "age", where=f"id = {person}") == [
        ("I", "Lovelace", None),
        ("U", "King", None),
        ("U", "King", "old"),
    ]


def test_a_many_to_many_relation_gets_its_rows_from_a_foreign_key(shop: Workshop) -> None:
    shop.migrate(
        create("Tag", NAME),
        create("Item", NAME, ("tag", models.ForeignKey("workshop.Tag", models.CASCADE))),
    )
    tag = shop.Tag.objects.create(name="tag")
    item = shop.Item.objects.create(name="item", tag=tag)

    def copy(apps, schema_editor) -> None:
        for row in apps.get_model("workshop", "Item").objects.all():
            row.tags.add(row.tag)

    shop.migrate(
        AddField("Item", "tags", models.ManyToManyField("workshop.Tag", related_name="+")),
        RunPython(copy),
        RemoveField("Item", "tag"),
    )
    assert shop.history("item_tags", "item_id", "tag_id") == [("B", item.pk, tag.pk)]
    assert shop.history("item", "tag_id") == [("I", tag.pk)]


def test_reversed_step_by_step(shop: Workshop, person: int) -> None:
    shop.migrate(
        ADD,
        AlterField("Person", "first", models.TextField(null=True)),
        AlterField("Person", "last", models.TextField(null=True)),
    )
    shop.migrate(FILL)
    shop.migrate(*DROP)
    shop.Person.objects.filter(pk=person).update(full="Ada King")
    for _ in range(3):
        shop.reverse()
    shop.Person.objects.filter(pk=person).update(last="Byron")
    assert shop.columns("person") == [
        "id",
        "first_until_1",
        "last_until_1",
        "full",
        "last",
        "first",
    ]
    assert shop.history(
        "person", "first_until_1", "last_until_1", "full", "first", "last", where=f"id = {person}"
    ) == [
        ("I", "Ada", "Lovelace", None, None, None),
        ("U", "Ada", "Lovelace", "Ada Lovelace", None, None),
        ("U", None, None, "Ada King", None, None),
        ("U", None, None, "Ada King", "Ada", "King"),
        ("U", None, None, None, "Ada", "Byron"),
    ]


def test_reversed_in_one_go(shop: Workshop, person: int) -> None:
    shop.migrate(ADD, FILL, REQUIRE)
    shop.reverse()
    shop.Person.objects.filter(pk=person).update(last="King")
    assert names(shop, person) == [
        ("I", "Ada", "Lovelace", None),
        ("U", "Ada", "Lovelace", "Ada Lovelace"),
        ("U", "Ada", "King", None),
    ]


def test_the_table_itself_is_reversed_and_made_again(shop: Workshop) -> None:
    shop.migrate(create("Item", NAME))
    shop.Item.objects.create(name="first life")
    operation = shop.applied[-1].operations[0]
    shop.reverse()
    assert isinstance(operation, CreateModel)
    shop.migrate(operation)
    shop.Item.objects.create(name="second life")
    assert shop.history("item", "name") == [("I", "first life"), ("I", "second life")]
