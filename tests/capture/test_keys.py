"""A primary key that changes is one row deleted and one inserted; keys that are equal to PostgreSQL are one row."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection, transaction

from audittrail import history
from tests.capture.truth import Witness
from tests.capture.ways import sql
from tests.testapp.models import Country, Customer, Measurement, Order, OrderLine, Product

Made = Callable[[str], Witness]


def test_keys_swapped_by_one_statement(made: Made) -> None:
    witness = made("""
        CREATE TABLE item (id int PRIMARY KEY DEFERRABLE, name text);
        INSERT INTO item VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'same'), (5, 'same');
    """)
    with witness.watching() as watch:
        sql(
            "UPDATE item SET id = CASE id WHEN 1 THEN 2 WHEN 2 THEN 1 WHEN 4 THEN 5 ELSE 4 END WHERE id <> 3"
        )
    assert watch.recorded.values("item", "name", 1) == [("U", "b")]
    assert watch.recorded.values("item", "name", 2) == [("U", "a")]
    assert len(watch.recorded.versions) == 2  # the other two hold the same values after the swap


def test_keys_moved_up_by_one_statement(made: Made) -> None:
    witness = made("""
        CREATE TABLE item (id int PRIMARY KEY DEFERRABLE, name text);
        INSERT INTO item SELECT n, 'item ' || n FROM generate_series(1, 20) n;
    """)
    with witness.watching() as watch:
        sql("UPDATE item SET id = id + 1")
    assert watch.recorded.operations == {"item": "D" + "I" + "U" * 19}


def test_keys_swapped_by_three_statements(made: Made) -> None:
    witness = made("""
        CREATE TABLE item (id int PRIMARY KEY, name text);
        INSERT INTO item VALUES (1, 'a'), (2, 'b');
    """)
    with witness.watching() as watch, transaction.atomic():
        for old, new in ((1, 0), (2, 1), (0, 2)):
            with watch.statement():
                sql(f"UPDATE item SET id = {new} WHERE id = {old}")
    assert watch.recorded.values("item", "name", 1) == [("D", "a"), ("I", "b")]
    assert watch.recorded.values("item", "name", 2) == [("D", "b"), ("I", "a")]
    assert watch.recorded.values("item", "name", 0) == [("I", "a"), ("D", "a")]


def test_a_part_of_a_composite_key_changes(witness: Witness) -> None:
    tea = Product.objects.create(name="Tea")
    order = Order.objects.create(customer=Customer.objects.create(name="c"), reference="r")
    OrderLine.objects.create(order=order, number=1, product=tea, quantity=2)
    with witness.watching() as watch:
        OrderLine.objects.filter(pk=(order.pk, 1)).update(number=2)
    assert watch.recorded.values("testapp_orderline", "quantity", order.pk, 1) == [("D", "2")]
    assert watch.recorded.values("testapp_orderline", "quantity", order.pk, 2) == [("I", "2")]


def test_the_orm_changes_a_key(witness: Witness) -> None:
    Country.objects.create(code="aa", name="Aland")
    with witness.watching() as watch:
        Country.objects.filter(code="aa").update(code="bb")
    assert watch.recorded.operations == {"testapp_country": "DI"}


def test_a_key_change_that_moves_a_row_to_another_partition(witness: Witness) -> None:
    Measurement.objects.create(sensor=1, taken_on="2024-01-01", value=1)
    with witness.watching() as watch:
        Measurement.objects.update(taken_on="2025-01-01")
    assert watch.recorded.operations == {"measurement": "DI"}


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        ("numeric", "1", "1.00"),
        ("float8", "0", "-0"),
        ("interval", "1 mon", "30 days"),
    ],
)
def test_a_key_that_changes_into_an_equal_one_is_updated(
    made: Made, kind: str, old: str, new: str
) -> None:
    made(
        f"CREATE TABLE item (id {kind} PRIMARY KEY, name text); INSERT INTO item VALUES ('{old}', 'a')"
    )
    sql(f"UPDATE item SET id = '{new}'")
    sql(f"UPDATE item SET id = '{new}'")
    assert _versions("item") == [("B", old), ("U", new)]


def test_a_key_under_a_collation_that_ignores_case(made: Made) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) > 1 FROM pg_collation WHERE collprovider = 'i'")
        if not cursor.fetchone()[0]:
            pytest.skip("This PostgreSQL is built without ICU, so it has no such collation.")
    made("""
        CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
        CREATE TABLE item (id text COLLATE blind PRIMARY KEY, name text COLLATE blind);
        INSERT INTO item VALUES ('a', 'x'), ('b', 'y');
    """)
    sql("UPDATE item SET id = 'A' WHERE id = 'a'")
    sql("UPDATE item SET name = 'Y' WHERE id = 'B'")
    assert _versions("item") == [("B", "a"), ("B", "b"), ("U", "A"), ("U", "b")]
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM audittrail.item_history WHERE id = 'B' ORDER BY version")
        assert [name for (name,) in cursor.fetchall()] == ["y", "Y"]


def _versions(table: str) -> list[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT operation::text, id::text FROM audittrail.{table}_history ORDER BY version, id"
        )
        return cursor.fetchall()


def test_an_object_deleted_and_created_again_under_its_key(witness: Witness) -> None:
    Country.objects.create(code="aa", name="first")
    with (
        history.context(reason="again"),
        witness.watching(reason="again") as watch,
        transaction.atomic(),
    ):
        with watch.statement():
            Country.objects.all().delete()
        with watch.statement():
            Country.objects.create(code="aa", name="second")
    assert watch.recorded.values("testapp_country", "name", "aa") == [
        ("D", "first"),
        ("I", "second"),
    ]
