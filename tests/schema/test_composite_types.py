"""Columns of composite types: what ALTER TYPE does to the type takes nothing from history."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.postgres.fields import ArrayField
from django.db import models

from tests.builders.sending import newest
from tests.builders.workshop import Workshop, create

NAME = ("name", models.TextField())


@pytest.fixture
def places(shop: Workshop) -> Workshop:
    """Make a table with columns of a composite type and of types that are made of it, and write two rows."""
    shop.sql(
        "CREATE TYPE spot AS (street text, number int, seen timestamptz);"
        " CREATE DOMAIN home AS spot; CREATE TYPE pair AS (one spot, other spot);"
        " CREATE TYPE stretch AS RANGE (subtype = spot)"
    )
    shop.migrate(create("Item", NAME))
    shop.sql(
        "ALTER TABLE workshop_item ADD spot spot, ADD spots spot[], ADD home home, ADD pair pair, ADD stretch stretch"
    )
    shop.sync()
    shop.sql(
        """INSERT INTO workshop_item (name, spot, spots, home, pair, stretch) VALUES
           ('a', ROW('Mill "Lane", 1', 2, '2025-01-02 03:04:05+00'), ARRAY[ROW('x\\y', 1, NULL), NULL, ROW('', NULL, NULL)]::spot[],
            ROW('Home (old)', 3, NULL), ROW(ROW('in,ner', 4, NULL), NULL), stretch(ROW('a', 1, NULL), ROW('b b', 2, NULL), '[)')),
           ('b', NULL, NULL, NULL, NULL, NULL), ('c', ROW(NULL, NULL, NULL), '{}', NULL, ROW(NULL, NULL), 'empty')"""
    )
    return shop


COLUMNS = ("spot", "spots", "home", "pair", "stretch")


def texts(shop: Workshop, table: str = "workshop_item", where: str = "true") -> list[Any]:
    """Return the columns as their types write them."""
    columns = ", ".join(f"{column}::text" for column in COLUMNS)
    return shop.sql(f"SELECT name, {columns} FROM {table} WHERE {where} ORDER BY name")


def past(shop: Workshop) -> list[Any]:
    """Return the same as of the newest revision, through psql's function."""
    return texts(shop, "audittrail.as_of(NULL::workshop_item, clock_timestamp())")


def versions(shop: Workshop, *columns: str) -> list[Any]:
    """Return columns of the first version of row "a"."""
    return list(shop.history("item", *columns, where="name = 'a' AND operation = 'I'")[0][1:])


SPOT = '("Mill ""Lane"", 1",2,"2025-01-02 03:04:05+00")'
SPOTS = r"""{"(\"x\\\\y\",1,)",NULL,"(\"\",,)"}"""


def test_values_are_those_of_the_table(places: Workshop) -> None:
    assert past(places) == texts(places)
    assert versions(places, "spot", "spots") == [SPOT, SPOTS]
    places.sql("UPDATE workshop_item SET spot.number = 5 WHERE name = 'a'")
    places.sql("UPDATE workshop_item SET spot = spot")
    places.assert_in_step()
    assert [operation for operation, _ in places.history("item", "spot", where="name = 'a'")] == [
        "I",
        "U",
    ]
    assert past(places) == texts(places)


def test_what_a_session_sets_makes_no_difference(places: Workshop) -> None:
    places.psql(
        "SET timezone = 'Asia/Tokyo'; SET datestyle = 'German'; SET extra_float_digits = 0;"
        " UPDATE workshop_item SET name = name; UPDATE workshop_item SET name = 'a ' WHERE name = 'a'"
    )
    assert places.history("item", "spot", where="operation = 'U'") == [("U", SPOT)]
    places.psql(
        "SET timezone = 'Asia/Tokyo'; SELECT audittrail.verify(id) FROM audittrail.tracked_table"
    )
    places.assert_in_step()


@pytest.mark.parametrize("noticed", ["by the next write", "by sync", "not yet"])
def test_a_dropped_attribute_stays_in_history(places: Workshop, noticed: str) -> None:
    before = newest()
    places.sql("ALTER TYPE spot DROP ATTRIBUTE number")
    expected = texts(places)
    if noticed == "by the next write":
        places.sql("UPDATE workshop_item SET name = 'c ' WHERE name = 'c'")
        places.assert_in_step()
    elif noticed == "by sync":
        places.sync()
        assert [operation for operation, _ in places.history("item", "name")] == ["I"] * 3
    held = "" if noticed == "not yet" else "_until_1"
    assert versions(places, f"spot{held}", f"spots{held}") == [SPOT, SPOTS]
    assert past(places)[:2] == expected[:2]
    at = before.committed_at.isoformat()
    then = texts(places, f"audittrail.as_of(NULL::workshop_item, '{at}')")
    assert then[:2] == expected[:2]
    places.sql("UPDATE workshop_item SET spot.street = 'new' WHERE name = 'a'")
    assert past(places) == texts(places)
    assert versions(places, "spot") == ['("Mill ""Lane"", 1","2025-01-02 03:04:05+00")']
    places.sync()


def test_one_dropped_and_another_added_of_its_name(places: Workshop) -> None:
    places.sql("ALTER TYPE spot DROP ATTRIBUTE number; ALTER TYPE spot ADD ATTRIBUTE number int")
    expected = texts(places)
    assert past(places) == expected
    places.sql("UPDATE workshop_item SET spot.number = 7 WHERE name = 'a'")
    assert versions(places, "spot_until_1", "spot") == [
        SPOT,
        '("Mill ""Lane"", 1","2025-01-02 03:04:05+00",)',
    ]
    assert past(places) == texts(places)
    places.sync()


def test_an_attribute_that_is_added_or_renamed(places: Workshop) -> None:
    places.sql("ALTER TYPE spot ADD ATTRIBUTE floor int")
    assert past(places) == texts(places)
    places.sql("ALTER TYPE spot RENAME ATTRIBUTE street TO road")
    places.sql("UPDATE workshop_item SET spot.floor = 3, spot.road = 'r' WHERE name = 'a'")
    assert past(places) == texts(places)
    places.sync()
    assert [operation for operation, _ in places.history("item", "name")] == ["I", "I", "I", "U"]
    places.sql("ALTER TYPE spot RENAME ATTRIBUTE road TO street")
    places.sync()
    assert "spot_until_2" not in places.columns("item")


def test_a_session_that_has_been_writing_notices(places: Workshop) -> None:
    with places.session().cursor() as other:
        for number in range(6):
            other.execute("UPDATE workshop_item SET spot.number = %s WHERE name = 'a'", [number])
        places.sql("ALTER TYPE spot DROP ATTRIBUTE number")
        places.sql("ALTER TYPE spot ADD ATTRIBUTE floor int")
        other.execute("UPDATE workshop_item SET spot.floor = 1 WHERE name = 'a'")
    places.assert_in_step()
    assert places.history("item", "spot", where="name = 'a'")[-1] == (
        "U",
        '("Mill ""Lane"", 1","2025-01-02 03:04:05+00",1)',
    )


def test_the_row_type_of_a_table(shop: Workshop) -> None:
    shop.sql("CREATE TABLE workshop_kind (id int, label text)")
    shop.migrate(create("Item", NAME))
    shop.sql("ALTER TABLE workshop_item ADD kind workshop_kind")
    shop.sql("INSERT INTO workshop_item (name, kind) VALUES ('a', ROW(1, 'one'))")
    shop.sql("ALTER TABLE workshop_kind DROP label")
    shop.sql("UPDATE workshop_item SET name = 'b'")
    shop.sync()
    assert shop.history("item", "kind_until_1", "kind") == [
        ("I", "(1,one)", "(1)"),
        ("U", None, "(1)"),
    ]


def test_arrays_of_several_dimensions(shop: Workshop) -> None:
    shop.sql("CREATE TYPE spot AS (street text, number int)")
    shop.migrate(create("Item", NAME))
    shop.sql("ALTER TABLE workshop_item ADD spots spot[]")
    values = [
        '{{"(a,1)",NULL},{"(\\"b c\\",2)","(,)"}}',
        '[0:1][2:3]={{"(a,1)","(b,2)"},{"(c,3)","(d,4)"}}',
        '[3:4]={"(a,1)",NULL}',
        '{{{"(a,1)"},{"(b,2)"}},{{"(c,3)"},{"(NULL,4)"}}}',
    ]
    for value in values:
        shop.sql("INSERT INTO workshop_item (name, spots) VALUES (%s, %s::spot[])", [value, value])
    shop.sql("ALTER TYPE spot DROP ATTRIBUTE number")
    live = shop.sql("SELECT spots::text FROM workshop_item ORDER BY id")
    shop.sync()
    assert shop.sql("SELECT spots FROM audittrail.workshop_item_history ORDER BY id") == live
    assert (
        shop.sql(
            "SELECT spots::text FROM audittrail.as_of(NULL::workshop_item, clock_timestamp()) ORDER BY id"
        )
        == live
    )


def test_a_type_of_the_same_attributes_takes_its_place(places: Workshop) -> None:
    places.sql(
        "CREATE TYPE point_of_sale AS (street text, number int, seen timestamptz, open boolean)"
    )
    places.sql(
        "ALTER TABLE workshop_item ALTER spot TYPE point_of_sale"
        " USING ROW((spot).street, (spot).number, (spot).seen, true)::point_of_sale"
    )
    places.sync()
    assert places.history("item", "spot_until_1", "spot", where="name = 'a'") == [
        ("I", SPOT, None),
        ("B", None, SPOT[:-1] + ",t)"),
    ]
    assert past(places) == texts(places)


def test_text_becomes_a_composite_type_and_that_text_again(shop: Workshop) -> None:
    shop.sql("CREATE TYPE spot AS (street text, number int)")
    shop.migrate(create("Item", NAME))
    shop.Item.objects.create(name="(a,1)")
    shop.sql("ALTER TABLE workshop_item ALTER name TYPE spot USING name::spot")
    shop.sync()
    shop.sql("UPDATE workshop_item SET name.number = 2")
    shop.sql("ALTER TABLE workshop_item ALTER name TYPE text")
    shop.sql("UPDATE workshop_item SET name = 'free'")
    shop.sync()
    assert shop.history("item", "name") == [("I", "(a,1)"), ("U", "(a,2)"), ("U", "free")]


def test_a_history_with_typed_columns_is_converted(places: Workshop) -> None:
    """As an earlier release has made it."""
    places.sql(
        "CREATE TYPE stay AS (since date, share float8, at timestamptz, mark bytea);"
        " ALTER TABLE workshop_item ADD stay stay"
    )
    places.sync()
    stay = '(2025-01-02,0.1,"2025-01-02 03:04:05+00","\\\\x00ff")'
    places.sql("UPDATE workshop_item SET stay = %s WHERE name = 'a'", [stay])
    places.sql(
        "SET session_replication_role = replica; ALTER TABLE audittrail.workshop_item_history"
        " ALTER spot TYPE spot USING spot::spot, ALTER spots TYPE spot[] USING spots::spot[], ALTER home TYPE spot USING home::spot,"
        " ALTER pair TYPE pair USING pair::pair, ALTER stretch TYPE stretch USING stretch::stretch, ALTER stay TYPE stay USING stay::stay;"
        " RESET session_replication_role;"
        " UPDATE audittrail.tracked_table SET columns = (SELECT jsonb_agg(CASE WHEN c ? 'composite' THEN"
        " c - 'composite' || jsonb_build_object('type', c #>> '{composite,type}') ELSE c END) FROM jsonb_array_elements(columns) c),"
        " fingerprint = 'of an earlier release' WHERE table_name = 'workshop_item'"
    )
    columns = places.columns("item")
    places.sync()
    assert places.columns("item") == columns
    assert places.history("item", "stay", where="operation = 'U'") == [("U", stay)]
    places.sql("ALTER TYPE spot DROP ATTRIBUTE number")
    places.sync()
    assert versions(places, "spot_until_1", "spots_until_1") == [SPOT, SPOTS]
    assert past(places) == texts(places)


def test_part_of_the_primary_key(shop: Workshop) -> None:
    shop.sql("CREATE TYPE code AS (letter text, number int)")
    shop.sql("CREATE TABLE workshop_item (code code PRIMARY KEY, name text)")
    shop.sql("SELECT audittrail.track('workshop_item')")
    shop.sql("INSERT INTO workshop_item VALUES (ROW('a', 1), 'one')")
    shop.sql("UPDATE workshop_item SET name = 'two'")
    shop.assert_in_step()
    assert shop.history("item", "code", "name") == [("I", "(a,1)", "one"), ("U", "(a,1)", "two")]


class SpotField(models.Field):  # type: ignore[type-arg]
    """A field of the composite type `spot`, as packages for such types define them."""

    def db_type(self, connection: Any) -> str:
        """Return the name of the type."""
        return "spot"

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        """Return the attributes as a tuple: drivers give the text of a type that nobody has told them of."""
        return None if value is None else tuple(str(value)[1:-1].split(","))

    def get_prep_value(self, value: Any) -> Any:
        """Return the text."""
        return None if value is None else f"({','.join(map(str, value))})"


@pytest.fixture
def fields(shop: Workshop) -> Workshop:
    """Make a model with fields of composite types."""
    shop.sql("CREATE TYPE spot AS (street text, number int)")
    shop.migrate(
        create(
            "Item",
            NAME,
            ("spot", SpotField(null=True)),
            ("spots", ArrayField(SpotField(), null=True)),
        )
    )
    return shop


def test_a_field_of_a_composite_type(fields: Workshop) -> None:
    item = fields.Item.objects.create(name="a", spot=("Lane", 1), spots=[("x", 1)])
    first = newest()
    fields.Item.objects.update(spot=("Road", 2))
    second = newest()
    assert [version.spot for version in item.history.versions.in_order()] == [
        ("Lane", "1"),
        ("Road", "2"),
    ]
    assert fields.Item.history(revision=first).get().spot == ("Lane", "1")
    (step,) = fields.Item.history.diff(pk=item.pk, from_revision=first, to_revision=second)
    assert (step.attribute, step.old, step.new) == ("spot", ("Lane", "1"), ("Road", "2"))
    plan = fields.Item.history(revision=first).all().restore()
    assert (plan.updated, plan.conflicts) == (1, ())
    assert fields.Item.objects.get().spot == ("Lane", "1")
    assert fields.Item.history(revision=first).all().restore(dry_run=True).updated == 0
    newest().undo()
    assert fields.Item.objects.get().spot == ("Road", "2")
    fields.Item.objects.all().delete()
    fields.Item.history.deleted().undelete()
    assert fields.Item.objects.get().spot == ("Road", "2")
    fields.assert_in_step()


def test_nothing_but_nulls_is_a_value_that_is_brought_back(fields: Workshop) -> None:
    """PostgreSQL says IS NULL of it, and yet it fills a column that can't be empty."""
    fields.sql(
        "ALTER TABLE workshop_item ALTER spot SET DEFAULT '(Default,0)', ALTER spot SET NOT NULL"
    )
    fields.sql(
        "INSERT INTO workshop_item (name, spot) VALUES ('a', ROW(NULL, NULL)), ('b', '(Lane,1)')"
    )
    fields.sql("DELETE FROM workshop_item")
    plan = fields.Item.history.deleted().undelete()
    assert (plan.inserted, plan.notes) == (2, ())
    spots = fields.sql("SELECT name, spot::text FROM workshop_item ORDER BY name")
    assert spots == [("a", "(,)"), ("b", "(Lane,1)")]
    fields.assert_in_step()


@pytest.mark.parametrize("spot", ["(Lane,1)", "(Lane,)", "(,)"])
def test_a_new_column_that_was_filled_where_no_trigger_saw_it(shop: Workshop, spot: str) -> None:
    shop.migrate(create("Item", NAME))
    shop.Item.objects.create(name="a")
    shop.sql("CREATE TYPE spot AS (street text, number int)")
    shop.sql("ALTER TABLE workshop_item ADD COLUMN spot spot, DISABLE TRIGGER USER")
    shop.sql(f"UPDATE workshop_item SET spot = '{spot}'")
    shop.sql("ALTER TABLE workshop_item ENABLE TRIGGER USER")
    shop.sync()
    assert shop.history("item", "spot")[-1][1:] == (spot,)
    shop.assert_in_step()


def test_before_the_baseline_is_complete(fields: Workshop) -> None:
    fields.Item.objects.create(name="a", spot=("Lane", 1))
    fields.sql(
        "SELECT audittrail.untrack(id) FROM audittrail.tracked_table WHERE table_name = 'workshop_item'"
    )
    fields.sql("SELECT audittrail.track('workshop_item', baseline_limit => 0)")
    first = newest()
    assert fields.Item.history(revision=first).get().spot == ("Lane", "1")
    (key,) = fields.Item.objects.values_list("pk", flat=True)
    assert list(fields.Item.history.diff(pk=key, from_revision=first, to_revision=first)) == []
    fields.Item.objects.update(spot=("Road", 2))
    (step,) = fields.Item.history.diff(pk=key, from_revision=first, to_revision=newest())
    assert (step.old, step.new) == (("Lane", "1"), ("Road", "2"))
    fields.command("backfill")
    fields.assert_in_step()


def test_it_is_redacted(fields: Workshop) -> None:
    fields.Item.objects.create(name="a", spot=("Lane", 1))
    fields.sql("ALTER TYPE spot ADD ATTRIBUTE floor int")
    fields.Item.objects.update(spot=("Road", 2, 3))
    fields.Item.objects.update(spot=("x", 0, 0))
    fields.sync()
    fields.sql(
        "SELECT audittrail.redact_versions(id, '{spot}', '{\"(x, 0,0)\"}', NULL) FROM audittrail.tracked_table"
        " WHERE table_name = 'workshop_item'"
    )
    assert {row[1:] for row in fields.history("item", "spot", "spot_until_1")} == {
        ("(x,0,0)", None)
    }


def test_a_cast_of_the_user_is_never_run(places: Workshop) -> None:
    """It would run with the rights of history's owner."""
    places.sql(
        "CREATE FUNCTION read_it(spot) RETURNS text LANGUAGE plpgsql AS"
        " $$BEGIN RAISE EXCEPTION 'run by %', current_user; END$$;"
        " CREATE CAST (spot AS text) WITH FUNCTION read_it(spot) AS IMPLICIT"
    )
    places.sql("UPDATE workshop_item SET spot.number = 9 WHERE name = 'a'")
    places.sync()
    assert places.history("item", "spot", where="operation = 'U'") == [
        ("U", SPOT.replace("2,", "9,", 1))
    ]
