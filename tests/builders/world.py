"""A small world in the tables of the test project, and how all of it changes."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from django.contrib.auth.models import Group, Permission, User
from django.contrib.postgres.search import SearchVector
from django.db import transaction
from django.db.backends.postgresql.psycopg_any import NumericRange
from django.db.models import F, Value
from django.db.models.functions import Concat

from tests.testapp import models as m

DAY = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)


@transaction.atomic
def create() -> None:
    """Fill the tables in one revision."""
    countries = [
        m.Country.objects.create(code=code, name=name)
        for code, name in (("FR", "France"), ("IT", "Italy"), ("NO", "Norway"))
    ]
    root = m.Organization.objects.create(name="Root", country=countries[0])
    branches = [
        m.Organization.objects.create(name=f"Branch {i}", parent=root, country=countries[i % 3])
        for i in range(3)
    ]
    m.Organization.objects.create(name="Leaf", parent=branches[0])
    people = [
        m.Person.objects.create(name=name, email=f"{name.lower()}@example.org" if i % 2 else "")
        for i, name in enumerate(("Ada", "Bea", "Cyd", "Dan", "Eve"))
    ]
    for i, person in enumerate(people):
        for branch in branches[: i % 4]:
            m.Membership.objects.create(
                person=person, organization=branch, role="chief" if i == 3 else "member"
            )
    people[0].friends.add(people[1], people[2])
    for i in range(2):
        m.Employee.objects.create(name=f"Worker {i}", salary=Decimal(1000 + i))
    m.Place.objects.create(name="Square", address="1 Main Street")
    m.Restaurant.objects.create(name="Soup", address="2 Main Street", serves_soup=True)
    m.Pizzeria.objects.create(name="Napoli", address="3 Main Street", oven_degrees=480)
    _create_shop(countries)
    _create_odd_tables()


def _create_shop(countries: list[m.Country]) -> None:
    tags = [m.Tag.objects.create(name=name) for name in ("cheap", "new", "red")]
    products = [
        m.Product.objects.create(
            id=uuid.UUID(int=i + 1), name=f"Product {i}", price=Decimal(i * 10), stock=i * 3
        )
        for i in range(5)
    ]
    for i, product in enumerate(products):
        product.tags.set(tags[: i % 4])
    customers = [
        m.Customer.objects.create(name=name, email=f"{name}@shop.example", vip=i % 2 == 0)
        for i, name in enumerate(("Zoe", "Yan", "Xia", "Wim"))
    ]
    for i, customer in enumerate(customers[:3]):
        m.CustomerProfile.objects.create(customer=customer, bio=f"Bio {i}")
        customer.favourites.set(products[i : i + 2])
        for j in range(i + 1):
            order = m.Order.objects.create(
                customer=customer,
                reference=f"R{i}{j}",
                placed_at=DAY + timedelta(days=40 * i, hours=j),
                details={"gift": j == 1, "codes": [i, j], "note": {"to": f"Someone {i}"}},
            )
            for k in range(j + 1):
                m.OrderLine.objects.create(
                    order=order, number=k + 1, product=products[(i + k) % 5], quantity=k + 1
                )
    for i, target in enumerate([*countries, products[0], customers[0], customers[1]]):
        m.TaggedNote.objects.create(target=target, text=f"Note {i}")
    groups = [Group.objects.create(name=name) for name in ("editors", "readers")]
    groups[0].permissions.add(*Permission.objects.order_by("pk")[:2])
    for i, name in enumerate(("una", "vic", "wes")):
        user = User.objects.create(username=name, password="secret", is_staff=i == 0)
        user.groups.set(groups[: i % 3])
        m.Document.objects.create(owner=user, title=f"Paper {i}", body="A long body about history")
    m.Document.objects.create(title="Orphan")
    m.Review.objects.create(product=products[0], stars=4)
    m.Review.objects.create(product=products[1], stars=2)


def _create_odd_tables() -> None:
    for i in range(3):
        m.Specimen.objects.create(
            name=f"specimen {i} of stone",
            small=i,
            big=10**i,
            real=i / 2,
            exact=Decimal(i) / 3,
            flag=None if i == 2 else bool(i),
            day=date(2026, 1, 1 + i),
            moment=DAY + timedelta(hours=7 * i),
            clock=(DAY + timedelta(hours=i)).time(),
            span=timedelta(hours=i),
            address=f"10.0.0.{i}",
            token=uuid.UUID(int=i),
            data=[None, {"a": 1, "b": [1, 2]}, [1, "two"]][i],
            blob=bytes([i, 255]),
            numbers=[i, i + 1],
            matrix=[["a", "b"], ["c", str(i)]],
            int_range=NumericRange(i, i + 5),
        )
    m.Specimen.objects.update(search=SearchVector("name"))
    m.Clash.objects.create(version=7, revision_id=8, operation="op", row_version=9)
    m.Seat.objects.create(label="A1", position=1)
    m.Spaced.objects.create(name="wide", customer=m.Customer.objects.first()).tags.add(
        m.Tag.objects.get(name="new")
    )
    m.Quoted.objects.create(name="it's")
    m.LongName.objects.create(name="long", other="name")
    m.Capital.objects.create(name="Upper", lower="lower")
    m.Keyword.objects.create(order=1, table="t", user="u", new="n", old="o")
    m.Drawing.objects.create(width=3, height=4)
    m.Invoice.objects.create(total=Decimal("9.50"))
    m.Legacy.objects.create(code="L1", label="old")
    for sensor, day in ((1, date(2024, 5, 1)), (2, date(2025, 5, 1)), (3, date(2030, 1, 1))):
        m.Measurement.objects.create(sensor=sensor, taken_on=day, value=sensor * 1.5)


def change() -> None:
    """Change everything, in several revisions: keys stay, or go to others."""
    with transaction.atomic():
        m.Country.objects.filter(code="NO").update(name="Noreg")
        m.Organization.objects.update(name=Concat("name", Value(" (renamed)")), country=None)
        m.Person.objects.update(name=Concat("name", Value(" II")), email="changed@example.org")
        m.Membership.objects.filter(role="member").delete()
        m.Person.objects.get(name="Ada II").friends.clear()
        m.Employee.objects.update(salary=F("salary") * 2)
        m.Pizzeria.objects.all().delete()
        m.Restaurant.objects.update(serves_soup=False)
    m.Country.objects.create(code="SE", name="Sweden")
    m.Customer.objects.filter(name="Zoe").delete()
    m.Customer.objects.update(name=Concat("name", Value("!")), vip=True)
    m.CustomerProfile.objects.update(bio="rewritten")
    with transaction.atomic():
        for product in m.Product.objects.all():
            product.tags.set(m.Tag.objects.filter(name="red"))
        m.Product.objects.update(price=F("price") + 1, stock=0)
        m.Order.objects.update(details={"gone": True}, placed_at=None)
        m.OrderLine.objects.filter(number=1).update(quantity=99)
        m.TaggedNote.objects.filter(text__endswith="0").delete()
        m.TaggedNote.objects.update(text="other", object_id="IT")
    User.objects.filter(username="una").delete()
    Group.objects.filter(name="editors").delete()
    m.Document.objects.update(title="untitled", owner=None)
    m.Review.objects.all().delete()
    m.Specimen.objects.update(
        name="changed", data=None, numbers=[], small=None, search=None, exact=0, moment=None
    )
    for model in (m.Clash, m.Seat, m.Spaced, m.Quoted, m.Keyword, m.Drawing, m.Legacy):
        model.objects.all().delete()
    m.LongName.objects.update(name="short")
    m.Capital.objects.update(name="changed", lower="too")
    m.Invoice.objects.update(total=0)
    m.Measurement.objects.filter(sensor=1).delete()
    m.Measurement.objects.update(value=0)
