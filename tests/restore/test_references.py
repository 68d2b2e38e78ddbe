"""What rows refer to by several columns, by another column than the key, or without a constraint, comes back with them."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import CommandError
from django.db import connection, models, transaction
from django.db.migrations import RemoveField

from audittrail import history
from tests.builders.sending import newest
from tests.builders.workshop import Workshop, create


@pytest.fixture
def houses(shop: Workshop) -> Workshop:
    """Give a workshop with houses in streets, by a composite key, and people in houses by their own number, without a constraint."""
    street = models.ForeignObject(
        "workshop.Street",
        models.CASCADE,
        from_fields=["town", "name"],
        to_fields=["town", "name"],
        related_name="houses",
    )
    house = models.ForeignKey(
        "workshop.House",
        models.CASCADE,
        to_field="number",
        db_constraint=False,
        related_name="people",
    )
    shop.migrate(
        create(
            "Street",
            ("pk", models.CompositePrimaryKey("town", "name")),
            ("town", models.TextField()),
            ("name", models.TextField()),
            keyless=True,
        ),
        create(
            "House",
            ("town", models.TextField()),
            ("name", models.TextField()),
            ("number", models.IntegerField(unique=True)),
            ("street", street),
        ),
        create("Person", ("house", house)),
    )
    with transaction.atomic():
        shop.Street.objects.create(town="Rome, Italy", name="Via")
        shop.Street.objects.create(town="Oslo", name="Gate")
        shop.House.objects.create(town="Rome, Italy", name="Via", number=7)
        shop.Person.objects.create(house_id=7)
    return shop


def delete_all(shop: Workshop) -> None:
    with transaction.atomic():
        shop.Person.objects.all().delete()
        shop.House.objects.all().delete()
        shop.Street.objects.all().delete()


def test_what_deleted_rows_refer_to_comes_back_with_them(houses: Workshop) -> None:
    delete_all(houses)
    plan = history.of(houses.Person).deleted().undelete(with_related=True)
    assert {table.table: table.inserted for table in plan.tables} == {
        "workshop_person": 1,
        "workshop_house": 1,
        "workshop_street": 1,
    }
    assert houses.Person.objects.get().house.street.pk == ("Rome, Italy", "Via")


def test_what_restored_rows_refer_to_comes_back_with_them(houses: Workshop) -> None:
    then = newest()
    delete_all(houses)
    plan = history.of(houses.Person)(revision=then).restore(with_related=True)
    assert plan.inserted == 3


def test_what_referred_to_deleted_rows_comes_back_with_them(houses: Workshop) -> None:
    delete_all(houses)
    plan = (
        history.of(houses.Street).deleted().filter(town="Rome, Italy").undelete(with_cascade=True)
    )
    assert {table.table: table.inserted for table in plan.tables} == {
        "workshop_person": 1,
        "workshop_house": 1,
        "workshop_street": 1,
    }


def test_parts_of_a_key_may_have_commas(houses: Workshop) -> None:
    delete_all(houses)
    with pytest.raises(CommandError, match="It has 2 parts"):
        houses.command(
            "restore", "workshop.Street", "--deleted", "--pk", "Rome, Italy,Via", "--noinput"
        )
    with pytest.raises(CommandError, match="can't be understood"):
        houses.command(
            "restore", "workshop.Street", "--deleted", "--pk", '"Rome, Italy,Via', "--noinput"
        )
    houses.command(
        "restore", "workshop.Street", "--deleted", "--pk", '"Rome, Italy",Via', "--noinput"
    )
    assert houses.Street.objects.get().town == "Rome, Italy"


@pytest.mark.parametrize(
    ("rights", "following"),
    [
        ((), 1),
        (("USAGE ON SEQUENCE workshop_item_id_seq",), 8),
        (("SELECT, UPDATE ON SEQUENCE workshop_item_id_seq",), 8),
    ],
)
def test_a_role_brings_back_rows_with_what_rights_it_has_on_sequences(
    shop: Workshop, rights: tuple[str, ...], following: int
) -> None:
    shop.migrate(create("Item", ("name", models.TextField())))
    shop.Item.objects.create(pk=7, name="seven")
    shop.Item.objects.all().delete()
    shop.sql("DROP ROLE IF EXISTS returning_role")
    shop.sql("CREATE ROLE returning_role")
    try:
        for right in (
            "USAGE ON SCHEMA audittrail",
            "SELECT ON ALL TABLES IN SCHEMA audittrail",
            "TEMPORARY ON DATABASE current",
            "SELECT, INSERT, UPDATE, DELETE ON workshop_item",
            *rights,
        ):
            database = connection.ops.quote_name(connection.settings_dict["NAME"])
            shop.sql(f"GRANT {right.replace('current', database)} TO returning_role")
        shop.sql("SET ROLE returning_role")
        plan = history.of(shop.Item).deleted().undelete()
        assert plan.inserted == 1
    finally:
        shop.sql("RESET ROLE")
        shop.sql("DROP OWNED BY returning_role")
        shop.sql("DROP ROLE returning_role")
    assert shop.Item.objects.create(name="next").pk == following


def test_a_redaction_shows_rows_with_columns_of_any_name(shop: Workshop) -> None:
    names = ("v", "s", "h", "shown", "p")
    shop.migrate(create("Item", *((name, models.TextField(default=name)) for name in names)))
    key = shop.Item.objects.create().pk
    planned = history.redact(shop.Item, list(names), pks=[key], reason="x", dry_run=True, live=True)
    assert planned.tables[0].samples[0].values == {name: name for name in names}


def test_a_dropped_column_is_told_beside_columns_of_any_name(shop: Workshop) -> None:
    names = ("v", "p", "h", "a", "b")
    shop.migrate(
        create(
            "Item",
            ("gone", models.TextField()),
            *((name, models.TextField(default=name)) for name in names),
        )
    )
    item = shop.Item.objects.create(gone="then")
    shop.migrate(RemoveField("Item", "gone"))
    item = shop.Item.objects.get()
    steps = list(history.of(item).steps())
    told: dict[str, Any] = {
        change.attribute: change.new for step in steps for change in step.changes
    }
    assert told.items() >= {name: name for name in names}.items()
