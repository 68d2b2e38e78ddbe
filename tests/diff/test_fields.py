"""The history of one field: who gave it its value, and its changes in any object of a model."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction

from audittrail import history
from audittrail.capture import tracking
from audittrail.exceptions import MomentError, UnknownFieldError
from tests.builders.sending import newest
from tests.testapp.models import (
    Clash,
    Customer,
    Employee,
    OrderLine,
    Person,
    Product,
    Specimen,
    Tag,
)

pytestmark = pytest.mark.django_db(transaction=True)


def told(found: Any) -> list[tuple[Any, Any, Any]]:
    return [(one.pk, one.change.old, one.change.new) for one in found]


def test_the_last_change_of_each_field() -> None:
    with history.context(reason="created"):
        product = Product.objects.create(name="Bread", price=1)
    for price, reason in ((2, "dearer"), (3, "dearer still")):
        with history.context(reason=reason):
            Product.objects.update(price=price)
    middle = newest()
    with history.context(reason="tagged"):
        product.tags.add(Tag.objects.create(name="a"))
    with history.context(reason="renamed"):
        Product.objects.update(name="Rye")
    found = product.history.last_changes()
    assert {name: (change.new, change.revision.reason) for name, change in found.items()} == {
        "id": (product.pk, "created"),
        "name": ("Rye", "renamed"),
        "price": (Decimal(3), "dearer still"),
        "stock": (0, "created"),
        "tags": ((Tag.objects.get().pk,), "tagged"),
    }
    assert list(found) == ["id", "name", "price", "stock", "tags"]
    then = Product.history.last_changes(middle, pk=product.pk, fields=["name", "price", "tags"])
    assert {name: change.revision.reason for name, change in then.items()} == {
        "name": "created",
        "price": "dearer still",
    }


def test_fields_that_nobody_changed_are_missing() -> None:
    customer = Customer.objects.create(name="Ada")
    with transaction.atomic():
        from audittrail.testing import reset_history

        reset_history()
    assert customer.history.last_changes() == {}
    for number in range(120):
        Customer.objects.update(name=number)
    assert {n: c.new for n, c in customer.history.last_changes().items()} == {"name": "119"}


def test_changes_of_a_field_in_any_object() -> None:
    first, second = (Customer.objects.create(name=name) for name in ("Ada", "Bea"))
    start = newest()
    with history.context(reason="vip"):
        Customer.objects.update(vip=True)
    Customer.objects.filter(pk=first.pk).update(vip=False, name="Cyd")
    middle = newest()
    Customer.objects.filter(pk=second.pk).delete()
    Customer.objects.create(pk=second.pk, name="Dan", vip=True)
    found = list(Customer.history.field_changes("vip", start))
    assert told(found) == [
        (first.pk, False, True),
        (second.pk, False, True),
        (first.pk, True, False),
        (second.pk, True, None),
        (second.pk, None, True),
    ]
    assert [one.change.revision.reason for one in found[:3]] == ["vip", "vip", ""]
    assert found[0].change.field is Customer._meta.get_field("vip")
    assert told(Customer.history.field_changes("name", start, middle)) == [(first.pk, "Ada", "Cyd")]
    assert told(Customer.history.field_changes("vip", start, new=False)) == [
        (first.pk, True, False)
    ]
    assert told(Customer.history.field_changes("vip", start, old=None)) == [(second.pk, None, True)]
    assert told(Customer.history.field_changes("vip", start, old=False, new=True)) == [
        (first.pk, False, True), (second.pk, False, True),
    ]  # fmt: skip
    assert told(Customer.history.field_changes("vip", middle, middle)) == []


def test_values_of_other_kinds_and_keys() -> None:
    specimen = Specimen.objects.create(name="s", data={"a": 1})
    Specimen.objects.update(data={"a": 2})
    Specimen.objects.update(data=None)
    assert told(Specimen.history.field_changes("data", old={"a": 1})) == [
        (specimen.pk, {"a": 1}, {"a": 2})
    ]
    Clash.objects.create(version=1, row_version=5)
    Clash.objects.update(version=2)
    assert [(o, n) for _, o, n in told(Clash.history.field_changes("version"))] == [
        (None, 1),
        (1, 2),
    ]
    employee = Employee.objects.create(name="Ada", salary=1)
    Employee.objects.filter(pk=employee.pk).update(salary=2)
    assert told(Employee.history.field_changes("salary", new=2)) == [(employee.pk, 1, 2)]
    assert list(OrderLine.history.field_changes("quantity")) == []


def test_a_masked_field_can_not_be_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tracking._registered, Customer, tracking.Options(mask=("email",)))
    Customer.objects.create(name="Ada", email="secret@x.example")
    (one,) = Customer.history.field_changes("email")
    assert (one.change.masked, one.change.new) == (True, None)
    with pytest.raises(UnknownFieldError, match="is masked"):
        Customer.history.field_changes("email", new="secret@x.example")


def test_other_questions_are_errors() -> None:
    customer = Customer.objects.create(name="Ada")
    first = newest()
    Customer.objects.update(name="Bea")
    with pytest.raises(UnknownFieldError, match=r"Person\.history\.field_changes\('name'\)"):
        Employee.history.field_changes("name")
    with pytest.raises(UnknownFieldError, match="those of the rows of its through model"):
        Product.history.field_changes("tags")
    with pytest.raises(UnknownFieldError, match="knows id, name, email"):
        Person.history.field_changes("nmae")
    with pytest.raises(MomentError, match="Give the earlier one first"):
        Customer.history.field_changes("name", newest(), first)
    with pytest.raises(TypeError, match=r"diff\(fields=\['name'\]\)"):
        customer.history.field_changes("name")
