"""Columns and tables with names that look like parts of statements: all that is done with history works all the same."""

from __future__ import annotations

from typing import Any, Final

import pytest
from django.db import models

from audittrail import history
from audittrail.models import Revision
from tests.builders.workshop import Workshop, create

#: Names of columns that PostgreSQL allows.
NAMES: Final = (
    "k$1",
    "$1",
    "{tick}",
    "{later}",
    "{tail}",
    "{revision}",
    "{history}",
    "{",
    "}",
    "{}",
    "%s",
    "%1$s",
    "%",
    "%(name)s",
    'a"quote',
    "it's",
    "select",
    '"select"',
    "with space",
    "two\nlines",
    "$order$",
    "$function$",
    "audittrail_number",
    "captured",
    "lower",
    "old_version",
    "v",
    "version",
    "\ue000",
)

#: Those that Django can read: it has no way to write % and quotes, and refuses the dollar sign.
READABLE: Final = tuple(name for name in NAMES if not set(name) & set('%"$'))


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@pytest.mark.parametrize("table", ["order", *(name for name in NAMES if name != "select")])
def test_a_table_in_sql(shop: Workshop, table: str) -> None:
    columns = ", ".join(f"{quoted(name)} text" for name in NAMES if name != table)
    live, key = quoted(table), quoted(table)
    shop.psql(
        f"""
        CREATE TABLE {live} ({key} int PRIMARY KEY, {columns});
        SELECT audittrail.track(quote_ident($q${table}$q$)::regclass);
        """
    )
    other = quoted(next(name for name in NAMES if name != table))
    shop.psql(
        f"""
        INSERT INTO {live} ({key}, {other}) VALUES (1, 'one'), (2, 'two');
        UPDATE {live} SET {other} = 'uno' WHERE {key} = 1;
        UPDATE {live} SET {other} = upper({other});
        UPDATE {live} SET {key} = 3 WHERE {key} = 2;
        DELETE FROM {live} WHERE {key} = 1;
        INSERT INTO {live} ({key}, {other}) SELECT g, 'new' FROM generate_series(10, 12) g;
        """
    )
    ((number,),) = shop.sql(
        "SELECT id FROM audittrail.tracked_table WHERE table_name = %s", [table]
    )
    now = f"SELECT * FROM audittrail.as_of(NULL::{live}, clock_timestamp()) ORDER BY 1"
    present = f"SELECT * FROM {live} ORDER BY 1"
    assert shop.psql(now) == shop.psql(present) != ""
    shop.psql(f"SELECT audittrail.close_versions({number})")
    assert shop.psql(now) == shop.psql(present)
    assert shop.psql(f"SELECT count(*) FROM audittrail.verify({number})") == "0\n"


def test_triggers_that_write_again(shop: Workshop) -> None:
    columns = ", ".join(f"{quoted(name)} text" for name in NAMES)
    shop.psql(
        f"""
        CREATE TABLE "again$order$" ("{{tick}}$1" int PRIMARY KEY, {columns});
        SELECT audittrail.track('"again$order$"');
        CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $f$
        BEGIN
            UPDATE "again$order$" SET "k$1" = 'second', "%s" = 'second' WHERE "{{tick}}$1" = NEW."{{tick}}$1";
            RETURN NULL;
        END $f$;
        CREATE TRIGGER again AFTER INSERT OR UPDATE ON "again$order$" FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION again();
        INSERT INTO "again$order$" ("{{tick}}$1", "k$1") VALUES (1, 'first');
        UPDATE "again$order$" SET "k$1" = 'third';
        """
    )
    assert (
        shop.psql('SELECT operation, "k$1" FROM audittrail."again$order$_history" ORDER BY version')
        == "I|first\nU|second\nU|third\nU|second\n"
    )


def test_a_table_that_has_changed_when_it_is_written(shop: Workshop) -> None:
    shop.psql(
        """
        CREATE TABLE "{live}" ("k$1" int PRIMARY KEY, "$2" text);
        SELECT audittrail.track('"{live}"');
        ALTER TABLE "{live}" ADD COLUMN "$3" text, ADD COLUMN "{tick}" text;
        INSERT INTO "{live}" VALUES (1, 'a', 'b', 'c');
        ALTER TABLE "{live}" DROP COLUMN "$2";
        TRUNCATE "{live}";
        """
    )
    assert (
        shop.psql(
            'SELECT operation, "k$1", "$3", "{tick}" FROM audittrail."{live}_history" ORDER BY version'
        )
        == "I|1|b|c\nT|1|b|c\n"
    )


@pytest.fixture
def item(shop: Workshop) -> Any:
    """Give a model whose table, key and columns have such names."""
    fields = [(f"field_{number}", name) for number, name in enumerate(READABLE)]
    shop.migrate(
        create(
            "Item",
            ("key", models.BigAutoField(primary_key=True, db_column="{key}")),
            *((field, models.TextField(default="", db_column=name)) for field, name in fields),
            db_table="{live} {later}",
        )
    )
    return shop.Item


@pytest.mark.parametrize("field", [f"field_{number}" for number in range(len(READABLE))])
def test_a_column_of_a_model(shop: Workshop, item: Any, field: str) -> None:
    one = item.objects.create(**{field: "first"})
    first = Revision.objects.newest()
    item.objects.update(**{field: "second"})
    second = Revision.objects.newest()
    two = item.objects.create(**{field: "other"})
    item.objects.filter(pk=one.pk).delete()
    shop.command("maintain")
    assert list(item.history(revision=first).values_list("pk", field)) == [(one.pk, "first")]
    assert list(item.history(revision=second).values_list(field, flat=True)) == ["second"]
    assert [getattr(found, field) for found in item.history.deleted().order_by("pk")] == ["second"]
    assert [getattr(found, field) for found in second.get_changed_objects(item)] == ["second"]
    assert [
        (name, value)
        for name, value, _ in item.history.diff(
            pk=one.pk, from_revision=first, to_revision=second, fields=[field]
        )
    ] == [(field, "second")]
    assert first.compare(second).counts[item].updated == 1
    item.history(revision=first).filter(pk=one.pk).restore()
    assert getattr(item.objects.get(pk=one.pk), field) == "first"
    history.redact(item, [field], pks=[two.pk], value="", live=True, reason="asked to")
    assert getattr(item.objects.get(pk=two.pk), field) == ""
    last: Any = Revision.objects.newest()
    item.objects.all().delete()
    last.restore_all()
    assert item.objects.count() == 2
    shop.command("maintain")
    history.prune(last)
    assert set(item.history.versions.values_list(field, flat=True)) <= {"first", ""}
