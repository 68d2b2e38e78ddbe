"""Columns that change their type: history holds what the rows held, in the new type where that can hold it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import models
from django.db.migrations import AlterField, RunSQL

from tests.builders.workshop import Workshop, create


def test_a_wider_type_takes_the_history_along(shop: Workshop) -> None:
    shop.migrate(create("Item", ("size", models.IntegerField())))
    shop.Item.objects.create(size=1)
    shop.migrate(AlterField("Item", "size", models.BigIntegerField()))
    shop.Item.objects.update(size=2**40)
    assert shop.history("item", "size") == [("I", 1), ("U", 2**40)]
    assert shop.columns("item") == ["id", "size"]


def test_a_longer_and_a_shorter_varchar(shop: Workshop) -> None:
    shop.migrate(create("Item", ("name", models.CharField(max_length=10))))
    row = shop.Item.objects.create(name="x" * 10)
    row.name = "short"
    row.save()
    shop.migrate(AlterField("Item", "name", models.CharField(max_length=20)))
    shop.Item.objects.update(name="y" * 20)
    shop.Item.objects.update(name="z")
    # The rows fit into the shorter type; the history does not, and is not cut.
    shop.migrate(AlterField("Item", "name", models.CharField(max_length=5)))
    shop.Item.objects.update(name="end")
    names = [value[1] or value[2] for value in shop.history("item", "name_until_1", "name")]
    assert names == ["x" * 10, "short", "y" * 20, "z", "end"]


def test_a_cast_without_loss(shop: Workshop) -> None:
    shop.migrate(create("Item", ("size", models.IntegerField())))
    shop.Item.objects.create(size=1)
    shop.migrate(AlterField("Item", "size", models.TextField()))
    shop.Item.objects.update(size="one")
    assert shop.history("item", "size") == [("I", "1"), ("U", "one")]
    assert shop.columns("item") == ["id", "size"]


def test_a_cast_that_loses_keeps_the_old_column(shop: Workshop) -> None:
    shop.migrate(create("Item", ("price", models.DecimalField(max_digits=10, decimal_places=2))))
    shop.Item.objects.create(price=Decimal("1.25"))
    shop.Item.objects.create(price=Decimal("2.00"))
    shop.migrate(AlterField("Item", "price", models.IntegerField()))
    shop.Item.objects.update(price=3)
    assert shop.history("item", "price", "price_until_1", where="id = 1") == [
        ("I", 1, Decimal("1.25")),
        ("U", 3, None),
    ]
    assert shop.history("item", "price", "price_until_1", where="id = 2") == [
        ("I", 2, Decimal("2.00")),
        ("U", 3, None),
    ]


def test_a_conversion_that_no_cast_makes(shop: Workshop) -> None:
    shop.migrate(create("Item", ("flag", models.TextField())))
    shop.Item.objects.create(flag="ja")
    shop.Item.objects.create(flag="nein")
    shop.migrate(
        RunSQL(
            "ALTER TABLE workshop_item ALTER flag TYPE boolean USING flag = 'ja'",
            state_operations=[AlterField("Item", "flag", models.BooleanField())],
        )
    )
    shop.Item.objects.filter(pk=1).update(flag=False)
    assert shop.history("item", "flag", "flag_until_1", where="id = 1") == [
        ("I", None, "ja"),
        ("B", True, None),
        ("U", False, None),
    ]
    assert shop.history("item", "flag", "flag_until_1", where="id = 2") == [
        ("I", None, "nein"),
        ("B", False, None),
    ]


def test_a_conversion_that_says_something_else_than_the_cast(shop: Workshop) -> None:
    # 90 as text is '90', which is no loss; but the migration made 'ninety' of it.
    shop.migrate(create("Item", ("size", models.IntegerField())))
    shop.Item.objects.create(size=90)
    shop.migrate(
        RunSQL(
            "ALTER TABLE workshop_item ALTER size TYPE text USING 'ninety'",
            state_operations=[AlterField("Item", "size", models.TextField())],
        )
    )
    assert shop.history("item", "size") == [("I", "90"), ("B", "ninety")]


@pytest.mark.parametrize(
    ("old", "values", "new"),
    [
        ("text", ["{1,2}", "{3}"], "integer[]"),
        ("text", ['{"a": 1}', "[]"], "jsonb"),
        ("json", ['{"a":1, "a":2}'], "jsonb"),
        ("jsonb", ['{"a": 1}'], "json"),
        ("timestamptz", ["2025-01-02 03:04:05.678+00"], "date"),
        ("date", ["2025-01-02"], "timestamptz"),
        ("timestamp", ["2025-01-02 03:04:05"], "timestamptz"),
        ("double precision", ["0.1", "1e300"], "real"),
        ("real", ["0.1"], "double precision"),
        ("double precision", ["0.1"], "numeric(5,2)"),
        ("text", ["192.168.0.1"], "inet"),
        ("uuid", ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"], "text"),
        ("text", ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "no uuid"], "uuid"),
        ("char(8)", ["padded"], "text"),
        ("interval", ["1 mon", "30 days"], "text"),
        ("text", ["1", "2"], "bit varying(8)"),
        ("bytea", ["\\x0001"], "text"),
        ("point", ["(1,2)"], "text"),
        ("int4range", ["[1,3)"], "text"),
    ],
)
def test_whatever_the_types_the_old_values_stay_readable(shop: Workshop, old, values, new) -> None:
    shop.migrate(create("Item"))
    shop.sql(f"ALTER TABLE workshop_item ADD value {old}")
    for value in values:
        shop.sql("INSERT INTO workshop_item (value) VALUES (%s)", [value])
    as_text = shop.sql("SELECT value::text FROM workshop_item ORDER BY id")
    shop.sync()
    # Whatever the new type can't take is made NULL, as a migration would have to decide.
    shop.sql(
        "CREATE FUNCTION converted(value text) RETURNS " + new + " LANGUAGE plpgsql AS $$"
        f"BEGIN RETURN value::{new}; EXCEPTION WHEN others THEN RETURN NULL; END $$"
    )
    shop.sql(f"ALTER TABLE workshop_item ALTER value TYPE {new} USING converted(value::text)")
    shop.sql("INSERT INTO workshop_item (value) SELECT value FROM workshop_item WHERE id = 1")
    shop.sync()
    column = "value_until_1" if "value_until_1" in shop.columns("item") else "value"
    kept = shop.sql(
        f"SELECT {column}::{old}::text FROM audittrail.workshop_item_history"
        " WHERE operation = 'I' AND id <= %s ORDER BY id",
        [len(values)],
    )
    assert kept == as_text


def test_a_collation_changes(shop: Workshop) -> None:
    shop.migrate(create("Item", ("name", models.TextField())))
    shop.Item.objects.create(name="a")
    shop.migrate(AlterField("Item", "name", models.TextField(db_collation="C")))
    shop.Item.objects.update(name="b")
    assert shop.history("item", "name") == [("I", "a"), ("U", "b")]


def test_an_enum_and_a_domain_change(shop: Workshop) -> None:
    shop.sql(
        "CREATE TYPE mood AS ENUM ('glad', 'sad'); CREATE DOMAIN small AS integer CHECK (VALUE < 10)"
    )
    shop.migrate(create("Item"))
    shop.sql("ALTER TABLE workshop_item ADD mood mood, ADD size small")
    shop.sync()
    shop.sql("INSERT INTO workshop_item (mood, size) VALUES ('glad', 1)")
    shop.sql("ALTER TYPE mood ADD VALUE 'so-so'")
    shop.sql("ALTER TYPE mood RENAME VALUE 'glad' TO 'happy'")
    shop.sql("ALTER TABLE workshop_item ALTER size TYPE integer")
    shop.sql("UPDATE workshop_item SET mood = 'so-so', size = 100")
    shop.sync()
    assert shop.history("item", "mood", "size") == [("I", "happy", 1), ("U", "so-so", 100)]


def test_a_type_is_renamed_or_moved(shop: Workshop) -> None:
    shop.sql("CREATE TYPE mood AS ENUM ('glad', 'sad'); CREATE SCHEMA elsewhere")
    shop.migrate(create("Item"))
    shop.sql("ALTER TABLE workshop_item ADD mood mood")
    shop.sync()
    shop.sql("INSERT INTO workshop_item (mood) VALUES ('glad')")
    for number, change in enumerate(("RENAME TO temper", "SET SCHEMA elsewhere")):
        shop.sql(f"ALTER TYPE {('mood', 'temper')[number]} {change}")
        shop.connection.close()  # a new session has no plan yet, and looks for the types by their names
        shop.sql(f"UPDATE workshop_item SET mood = '{('sad', 'glad')[number]}'")
    shop.sql("DELETE FROM workshop_item")
    shop.sync()
    assert shop.history("item", "mood") == [
        ("I", "glad"), ("U", "sad"), ("U", "glad"), ("D", "glad")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("type_", "using", "value"),
    [
        ("jsonpath", "'$.a'::jsonpath", "$.b"),
        ("tsquery", "'fat & rat'::tsquery", "cat"),
        ("regclass", "'pg_class'::regclass", "pg_proc"),
        ("int4range", "'[1,2)'::int4range", "[5,7)"),
        ("xid8", "'1'::xid8", "2"),
        ("circle", "'((0,0),1)'::circle", "<(1,1),2>"),
    ],
)
def test_text_becomes_a_type_that_cannot_read_it(
    shop: Workshop, type_: str, using: str, value: str
) -> None:
    shop.migrate(create("Item", ("name", models.TextField())))
    shop.Item.objects.create(name="not ' & | of ( that type")
    shop.sql(f"ALTER TABLE workshop_item ALTER name TYPE {type_} USING {using}")
    shop.sql(f"UPDATE workshop_item SET name = '{value}'")
    assert shop.sql(
        "SELECT name_until_1, name::text FROM audittrail.workshop_item_history ORDER BY version"
    )[-1] == (None, shop.sql("SELECT name::text FROM workshop_item")[0][0])
    shop.sync()
    assert shop.history("item", "name_until_1")[0] == ("I", "not ' & | of ( that type")
