"""What a revision changed, and what is deleted, as querysets of the ordinary models."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection, transaction
from django.db.models import Count
from django.test.utils import CaptureQueriesContext

from audittrail import history
from audittrail.exceptions import MomentError, PastIsReadOnlyError
from audittrail.models import Revision
from tests.builders import world
from tests.builders.sending import newest
from tests.testapp.models import (
    Capital,
    Customer,
    CustomerProfile,
    Employee,
    Keyword,
    LongName,
    Order,
    OrderLine,
    Organization,
    Person,
    Pizzeria,
    Place,
    Product,
    Quoted,
    Restaurant,
    Spaced,
    VipCustomer,
)  # fmt: skip

pytestmark = pytest.mark.django_db(transaction=True)


def operations(queryset: Any, name: str = "name") -> list[tuple[str, str]]:
    return sorted(queryset.values_list(name, "history_operation"))


def test_changed_objects_are_as_the_revision_left_them(created: Revision) -> None:
    with transaction.atomic():
        Customer.objects.filter(name="Zoe").update(name="Zoë")
        Customer.objects.filter(name="Zoë").update(email="zoe@new.example")
        Customer.objects.filter(name="Yan").delete()
        Customer.objects.create(name="Vera")
        Customer.objects.filter(name="Vera").update(vip=True)
        Customer.objects.create(name="gone").delete()
        again = Customer.objects.get(name="Wim")
        key = again.pk
        again.delete()
        Customer.objects.create(pk=key, name="Wim again")
    revision = newest()
    Customer.objects.update(name="later")
    changed = revision.get_changed_objects(clss=Customer)
    assert operations(changed) == [
        ("Vera", "I"),
        ("Wim again", "U"),
        ("Yan", "D"),
        ("Zoë", "U"),
        ("gone", "D"),
    ]
    assert [c.email for c in changed.filter(name="Zoë")] == ["zoe@new.example"]
    assert changed.filter(history_operation="D").count() == 2
    assert changed.exclude(history_operation="D").order_by("name").first().history_operation == "I"
    assert changed.distinct().count() == changed[:9].count() == len(changed) == 5
    assert changed.aggregate(n=Count("pk"))["n"] == 5
    assert changed.filter(name="Zoë").exists()
    assert [row["history_operation"] for row in changed.values().filter(name="Vera")] == ["I"]
    assert changed.in_bulk().keys() == {c.pk for c in changed}
    assert len(list(changed.iterator(chunk_size=2))) == 5
    assert changed.values("history_operation").annotate(n=Count("pk")).order_by(
        "history_operation"
    ).first() == {"history_operation": "D", "n": 2}
    assert operations(pickle.loads(pickle.dumps(changed.all()))) == operations(changed)
    assert {c.name for c in pickle.loads(pickle.dumps(changed))} == {c.name for c in changed}
    assert operations(revision.get_changed_objects(VipCustomer)) == operations(changed)
    assert [c.name for c in newest().get_changed_objects(Product)] == []
    # What belongs to them is as of the revision.
    assert [o.reference for o in changed.get(name="Zoë").orders.all()] == ["R00"]
    assert {c.name for c in changed.filter(orders__reference="R00")} == {"Zoë"}
    assert {c.name for c in changed.prefetch_related("favourites") if c.favourites.count()} == {
        "Zoë"
    }
    with pytest.raises(PastIsReadOnlyError):
        changed.update(name="x")


def test_joins_within_one_table_see_all_rows(created: Revision) -> None:
    Organization.objects.filter(name="Branch 1").update(country=None)
    changed = newest().get_changed_objects(Organization)
    assert [o.parent.name for o in changed.select_related("parent")] == ["Root"]
    assert [o.name for o in changed.filter(parent__children__name="Branch 2")] == ["Branch 1"]


def test_objects_of_several_tables_are_whole(created: Revision) -> None:
    with transaction.atomic():
        Pizzeria.objects.all().delete()
        Employee.objects.filter(name="Worker 0").update(salary=5)
        Employee.objects.get(name="Worker 1").delete()
    revision = newest()
    assert [
        (p.name, p.address, p.oven_degrees, p.history_operation)
        for p in revision.get_changed_objects(Pizzeria)
    ] == [("Napoli", "3 Main Street", 480, "D")]
    assert operations(revision.get_changed_objects(Employee)) == [
        ("Worker 0", "U"),
        ("Worker 1", "D"),
    ]
    assert operations(revision.get_changed_objects(Employee).filter(name="Worker 1")) == [
        ("Worker 1", "D")
    ]
    for model in (Restaurant, Place):
        assert operations(revision.get_changed_objects(model)) == [("Napoli", "D")]
    assert operations(Pizzeria.history.deleted()) == [("Napoli", "D")]
    assert [e.salary for e in Employee.history.deleted()] == [1001]
    assert operations(Person.history.deleted()) == [("Worker 1", "D")]


def test_all_changed_objects_of_all_models(created: Revision) -> None:
    world.change()
    with transaction.atomic():
        Customer.objects.create(name="Vera").favourites.add(Product.objects.all()[0])
        Customer.objects.filter(name="Yan!").delete()
        User.objects.filter(username="vic").delete()
    revision = newest()
    with CaptureQueriesContext(connection) as captured:
        found = revision.get_all_changed_objects()
        assert found
    assert len(captured) == 1
    assert {model._meta.object_name for model in found.models} == {
        "Customer", "Customer_favourites", "CustomerProfile", "Order", "OrderLine", "User",
    }  # fmt: skip
    one_by_one = [(type(o)._meta.object_name, o.pk, o.history_operation) for o in found]
    assert one_by_one == [
        (model._meta.object_name, o.pk, o.history_operation)
        for model, objects in found.items()
        for o in objects.order_by("pk")
    ]
    assert ("User", found[User].get().pk, "D") in one_by_one
    assert list(found[Group]) == []
    assert operations(found[Customer]) == [("Vera", "I"), ("Yan!", "D")]
    assert operations(found[User], "username") == [("vic", "D")]
    assert sorted(line.quantity for line in found[OrderLine]) == [2, 99, 99]
    assert [profile.bio for profile in found[CustomerProfile]] == ["rewritten"]
    every = created.get_all_changed_objects()
    assert {
        o
        for _model, queryset in every.items()
        for (o,) in queryset.values_list("history_operation").distinct()
    } == {"I"}
    for model in (Spaced, Quoted, LongName, Capital, Keyword, Group, Order, Organization):
        assert set(every[model]) == set(model.history(revision=created))


def test_all_changed_objects_of_an_open_revision() -> None:
    with transaction.atomic():
        Customer.objects.create(name="Vera")
        revision = Revision.objects.get(committed_at=None)
        with pytest.raises(MomentError, match="is still open"):
            revision.get_all_changed_objects()


def test_a_revision_without_a_change_left_to_read() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT audittrail.next_version()")
    nothing = newest().get_all_changed_objects()
    assert not nothing and list(nothing) == [] and nothing.models == ()


def test_deleted_objects_are_as_they_last_were(created: Revision) -> None:
    assert list(Customer.history.deleted()) == []
    Customer.objects.filter(name="Zoe").update(email="last@example.org")
    with transaction.atomic():
        Customer.objects.filter(name="Zoe").delete()
    first = newest()
    Customer.objects.filter(name="Yan").delete()
    second = newest()
    Customer.objects.create(pk=Customer.history.deleted().get(name="Zoe").pk, name="Zoe is back")
    third = newest()
    deleted = [
        (c.name, c.email, c.history_revision)
        for c in Customer.history.deleted(second).order_by("name")
    ]
    assert deleted == [
        ("Yan", "Yan@shop.example", second.pk),
        ("Zoe", "last@example.org", first.pk),
    ]
    assert operations(Customer.history.deleted(first)) == [("Zoe", "D")]
    assert (
        operations(Customer.history.deleted())
        == operations(Customer.history.deleted(third))
        == [("Yan", "D")]
    )
    assert operations(Customer.history.deleted(first.committed_at)) == [("Zoe", "D")]
    with history.at_rev(first):
        assert operations(Customer.history.deleted()) == [("Zoe", "D")]
    gone = Customer.history(revision=created).get(name="Yan")
    assert [c.history_revision for c in gone.history.deleted()] == [second.pk]
    assert Customer.history.deleted(second).filter(history_revision=first.pk).count() == 1
    # They can be asked about together with what was there.
    assert (
        Order.history(created)
        .filter(customer__in=[c.pk for c in Customer.history.deleted(second)])
        .count()
        == 3
    )
    Keyword.objects.all().delete()
    assert [k.table for k in Keyword.history.deleted()] == ["t"]
