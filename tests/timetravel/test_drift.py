"""The past reads under present names and types, whatever the schema was then."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, models, transaction
from django.test.utils import isolate_apps

from audittrail import history
from audittrail.timetravel import registry
from tests.builders.sending import newest, sql

pytestmark = pytest.mark.django_db(transaction=True)

TABLE = "testapp_thing"


def change(*statements: str) -> None:
    with transaction.atomic():
        for statement in statements:
            sql(statement)
        sql(
            "SELECT audittrail.track(c.oid) FROM pg_class c WHERE relname IN ('testapp_thing', 'testapp_item') AND relkind = 'r'"
        )


@pytest.fixture
def first(transactional_db: None) -> Iterator[Any]:
    """Make a tracked table with two rows, and give the revision in which it had them."""
    change(f"CREATE TABLE {TABLE} (id bigint PRIMARY KEY, name text, size text)")
    change(f"INSERT INTO {TABLE} VALUES (1, 'one', '10'), (2, 'two', '20')")
    yield newest()
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS testapp_thing, testapp_item")
        cursor.execute(
            "SELECT audittrail.untrack(id) FROM audittrail.tracked_table WHERE table_name IN ('testapp_thing', 'testapp_item') AND until_version IS NULL"
        )


def rows(
    revision: Any, statement: str = f"SELECT * FROM {TABLE} ORDER BY id"
) -> list[tuple[Any, ...]]:
    return sql(statement, using=f"default@{revision.committed}")


def test_an_added_column_reads_as_null_or_as_its_constant_default(first: Any) -> None:
    change(f"ALTER TABLE {TABLE} ADD COLUMN plain int, ADD COLUMN filled int DEFAULT 7")
    change(f"UPDATE {TABLE} SET plain = 1, filled = 8 WHERE id = 1")
    assert rows(first) == [(1, "one", "10", None, 7), (2, "two", "20", None, 7)]
    assert rows(newest()) == [(1, "one", "10", 1, 8), (2, "two", "20", None, 7)]


def test_a_dropped_column_is_absent(first: Any) -> None:
    change(f"ALTER TABLE {TABLE} DROP COLUMN size")
    change(f"UPDATE {TABLE} SET name = 'x'")
    assert rows(first) == [(1, "one"), (2, "two")]


def test_a_column_of_a_name_used_before_is_another_one(first: Any) -> None:
    change(f"ALTER TABLE {TABLE} DROP COLUMN size", f"ALTER TABLE {TABLE} ADD COLUMN size int")
    change(f"UPDATE {TABLE} SET size = 5")
    assert rows(first) == [(1, "one", None), (2, "two", None)]


def test_a_renamed_column_reads_under_its_present_name(first: Any) -> None:
    change(f"ALTER TABLE {TABLE} RENAME COLUMN name TO title")
    change(f"UPDATE {TABLE} SET title = upper(title)")
    assert rows(first, f"SELECT title FROM {TABLE} ORDER BY title") == [("one",), ("two",)]
    assert rows(newest(), f"SELECT title FROM {TABLE} ORDER BY title") == [("ONE",), ("TWO",)]


def test_swapped_columns_keep_their_values(first: Any) -> None:
    change(
        f"ALTER TABLE {TABLE} RENAME COLUMN name TO other",
        f"ALTER TABLE {TABLE} RENAME COLUMN size TO name",
        f"ALTER TABLE {TABLE} RENAME COLUMN other TO size",
    )
    assert rows(first, f"SELECT id, size, name FROM {TABLE} ORDER BY id") == [
        (1, "one", "10"),
        (2, "two", "20"),
    ]


def test_a_retyped_column_reads_with_its_present_type(first: Any) -> None:
    change(f"ALTER TABLE {TABLE} ALTER COLUMN size TYPE int USING size::int")
    change(f"UPDATE {TABLE} SET size = size + 1")
    assert rows(first, f"SELECT size + 0 FROM {TABLE} ORDER BY id") == [(10,), (20,)]
    assert rows(newest(), f"SELECT size FROM {TABLE} ORDER BY id") == [(11,), (21,)]


def test_a_renamed_table_reads_under_its_present_name(first: Any) -> None:
    change(f"ALTER TABLE {TABLE} RENAME TO testapp_item")
    change("DELETE FROM testapp_item WHERE id = 1")
    assert [row[:2] for row in rows(first, "SELECT * FROM testapp_item ORDER BY id")] == [
        (1, "one"),
        (2, "two"),
    ]
    assert len(rows(newest(), "SELECT * FROM testapp_item")) == 1


@isolate_apps("tests.testapp")
def test_models_follow(first: Any) -> None:
    change(f"ALTER TABLE {TABLE} ADD COLUMN added int DEFAULT 3")
    change(
        f"ALTER TABLE {TABLE} RENAME COLUMN name TO title",
        f"ALTER TABLE {TABLE} ALTER COLUMN size TYPE int USING size::int",
    )

    class Thing(models.Model):
        id = models.BigIntegerField(primary_key=True)
        title = models.TextField()
        size = models.IntegerField()
        added = models.IntegerField(db_default=3)

        class Meta:
            app_label = "testapp"

        def __str__(self) -> str:
            return self.title

    history.register(Thing)
    change(f"UPDATE {TABLE} SET title = 'new', size = 0, added = 0")
    things = history.of(Thing)(revision=first)
    assert [(t.title, t.size, t.added) for t in things.order_by("-size")] == [
        ("two", 20, 3),
        ("one", 10, 3),
    ]
    registry.forget()
    assert things.filter(size__gt=15, added=3).get().title == "two"
