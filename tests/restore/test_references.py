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
            ("town", models.TextField(null=True)),
            ("name", models.TextField(null=True)),
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


def numbers(model: Any) -> set[int]:
    return set(model.objects.values_list("number", flat=True))


@pytest.fixture
def crossing(houses: Workshop) -> Workshop:
    """Give streets and houses that share the one or the other part of their key, and a house that is in none; all are gone."""
    with transaction.atomic():
        houses.Street.objects.create(town="Rome, Italy", name="Corso")
        houses.Street.objects.create(town="Oslo", name="Via")
        for town, name, number in (
            ("Rome, Italy", "Corso", 8),
            ("Oslo", "Via", 9),
            ("Rome, Italy", None, 10),
            (None, "Via", 11),
        ):
            houses.House.objects.create(town=town, name=name, number=number)
            houses.Person.objects.create(house_id=number)
    delete_all(houses)
    return houses


def test_only_what_refers_by_every_column_comes_back_with_a_row(crossing: Workshop) -> None:
    via = history.of(crossing.Street).deleted().filter(town="Rome, Italy", name="Via")
    via.undelete(with_cascade=True)
    assert numbers(crossing.House) == {7}
    assert [person.house_id for person in crossing.Person.objects.all()] == [7]


def test_only_what_is_referred_to_by_every_column_comes_back_with_a_row(crossing: Workshop) -> None:
    past = history.of(crossing.House).deleted()
    past.filter(number__in=[9, 10, 11]).undelete(with_related=True)
    assert numbers(crossing.House) == {9, 10, 11}
    assert [street.pk for street in crossing.Street.objects.all()] == [("Oslo", "Via")]
    assert not crossing.Person.objects.exists()


def test_related_and_along_at_once(crossing: Workshop) -> None:
    past = history.of(crossing.House).deleted().filter(number=8)
    plan = past.undelete(with_related=True, with_cascade=True)
    assert {table.table: table.inserted for table in plan.tables} == {
        "workshop_person": 1,
        "workshop_house": 1,
        "workshop_street": 1,
    }


@pytest.mark.parametrize("fields", [["town", "name"], ["street"], None])
def test_a_row_that_refers_elsewhere_now_gets_back_what_it_referred_to(
    houses: Workshop, fields: list[str] | None
) -> None:
    then = newest()
    with transaction.atomic():
        houses.House.objects.update(town="Oslo", name="Gate")
        houses.Street.objects.filter(name="Via").delete()
    plan = history.of(houses.House)(then).restore(fields=fields, with_related=True)
    assert plan.counts == {"inserted": 1, "updated": 1, "deleted": 0}
    assert houses.House.objects.get().street.pk == ("Rome, Italy", "Via")


@pytest.fixture
def rooms(shop: Workshop) -> Workshop:
    """Give rooms by a composite key, part of which refers to a building by its code, in columns of other names."""
    house = models.ForeignKey(
        "workshop.Building",
        models.CASCADE,
        to_field="code",
        db_column="of",
        related_name="rooms",
    )
    room = models.ForeignObject(
        "workshop.Room",
        models.CASCADE,
        from_fields=["house", "number"],
        to_fields=["house", "number"],
        related_name="beds",
    )
    shop.migrate(
        create("Building", ("code", models.TextField(unique=True, db_column="its code"))),
        create(
            "Room",
            ("pk", models.CompositePrimaryKey("house", "number")),
            ("house", house),
            ("number", models.IntegerField()),
            keyless=True,
        ),
        create(
            "Bed",
            ("pk", models.CompositePrimaryKey("house", "number", "place")),
            ("house", models.ForeignKey("workshop.Building", models.CASCADE, to_field="code")),
            ("number", models.IntegerField()),
            ("place", models.IntegerField()),
            ("room", room),
            keyless=True,
        ),
    )
    with transaction.atomic():
        for code in ("a", "b"):
            building = shop.Building.objects.create(code=code)
            for number in (1, 2):
                shop.Room.objects.create(house=building, number=number)
                shop.Bed.objects.create(house=building, number=number, place=1)
    with transaction.atomic():
        shop.Bed.objects.all().delete()
        shop.Room.objects.all().delete()
        shop.Building.objects.all().delete()
    return shop


def keys(model: Any) -> set[Any]:
    return set(model.objects.values_list("pk", flat=True))


def test_a_composite_key_made_of_references(rooms: Workshop) -> None:
    past = history.of(rooms.Bed).deleted().filter(house_id="a", number=2)
    past.undelete(with_related=True)
    assert keys(rooms.Bed) == {("a", 2, 1)}
    assert keys(rooms.Room) == {("a", 2)}
    assert [building.code for building in rooms.Building.objects.all()] == ["a"]


def test_what_referred_to_a_composite_key_made_of_references(rooms: Workshop) -> None:
    history.of(rooms.Building).deleted().filter(code="b").undelete(with_cascade=True)
    assert [building.code for building in rooms.Building.objects.all()] == ["b"]
    assert keys(rooms.Room) == {("b", 1), ("b", 2)}
    assert keys(rooms.Bed) == {("b", 1, 1), ("b", 2, 1)}


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
