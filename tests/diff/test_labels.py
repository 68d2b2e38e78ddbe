"""Values as people read them, and objects as they were named then."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.contrib.postgres.fields import ArrayField
from django.db import connection, models, transaction
from django.test import override_settings
from django.test.utils import CaptureQueriesContext, isolate_apps
from django.utils import timezone, translation

from audittrail.diff.changes import FieldChange
from audittrail.diff.display import display
from audittrail.diff.labels import ChangeLabels, label, labels
from audittrail.exceptions import MomentError
from tests.builders.sending import newest
from tests.testapp.models import (
    Country,
    Customer,
    Document,
    Employee,
    Membership,
    Order,
    Organization,
    Person,
    Product,
    Specimen,
    Tag,
    TaggedNote,
)

committing = pytest.mark.django_db(transaction=True)


class _Chosen(models.TextChoices):
    OPEN = "o", "Open"
    CLOSED = "c", "Closed"


@isolate_apps("tests.testapp")
def test_single_values() -> None:
    class Sample(models.Model):
        state = models.CharField(max_length=1, choices=_Chosen)
        grouped = models.IntegerField(choices=[("Small", [(1, "one")]), ("Large", [(9, "nine")])])
        states = ArrayField(models.CharField(max_length=1, choices=_Chosen))
        flag = models.BooleanField()
        at = models.DateTimeField()
        day = models.DateField()
        price = models.DecimalField(max_digits=9, decimal_places=2)
        span = models.DurationField()
        data = models.JSONField()
        blob = models.BinaryField()
        number = models.IntegerField()

        class Meta:
            app_label = "testapp"

        def __str__(self) -> str:
            return self.state

    field: Any = Sample._meta.get_field
    at = datetime(2026, 1, 5, 23, 30, tzinfo=UTC)
    with (
        timezone.override(zoneinfo.ZoneInfo("Europe/Helsinki")),
        override_settings(USE_THOUSAND_SEPARATOR=True),
    ):
        for name, value, text in (
            ("state", "o", "Open"),
            ("state", "x", "x"),
            ("state", "", ""),
            ("grouped", 9, "nine"),
            ("states", ["c", "x"], "Closed, x"),
            ("flag", True, "Yes"),
            ("flag", None, ""),
            ("at", at, "Jan. 6, 2026, 1:30 a.m."),
            ("day", date(2026, 1, 5), "Jan. 5, 2026"),
            ("price", Decimal("1234.50"), "1,234.50"),
            ("span", timedelta(days=1, seconds=5), "1 00:00:05"),
            ("data", {"ä": [1, None, True]}, '{"ä": [1, null, true]}'),
            ("data", "text", '"text"'),
            ("blob", memoryview(b"abc"), "3 bytes"),
            ("number", 1234, "1,234"),
            ("id", 1234, "1234"),
        ):
            assert display(field(name), value) == text
        assert display(None, "<b>") == "<b>"
    with translation.override("de"):
        assert display(field("flag"), True) == "Ja"
        assert display(field("price"), Decimal("1.5")) == "1,5"


@committing
def test_foreign_keys_are_named_as_of_then() -> None:
    france = Country.objects.create(code="FR", name="France")
    norway = Country.objects.create(code="NO", name="Norway")
    acme = Organization.objects.create(name="Acme", country=france)
    first = newest()
    with transaction.atomic():
        Country.objects.filter(code="FR").update(name="Frankreich")
        Organization.objects.update(country=norway)
    second = newest()
    Country.objects.update(name="renamed later")
    (change,) = acme.history.diff(first, second)
    assert (change.old, change.new) == ("FR", "NO")
    assert labels([change]) == [ChangeLabels("France", "Norway")]
    assert labels([change], second) == [ChangeLabels("Frankreich", "Norway")]
    assert labels([change], first, newest()) == [ChangeLabels("France", "renamed later")]
    field = Organization._meta.get_field("country")
    assert label(field, "FR", second) == "Frankreich"
    assert label(field, "FR", second.committed_at) == "Frankreich"
    assert label(field, None, second) == ""
    assert label(Organization._meta.get_field("name"), "Acme", second) == "Acme"


@committing
def test_many_to_many_fields_are_named_as_of_then() -> None:
    tags = [Tag.objects.create(name=name) for name in ("a", "b", "c")]
    product = Product.objects.create(name="Bread")
    product.tags.add(tags[0], tags[1])
    first = newest()
    with transaction.atomic():
        tags[0].delete()
        product.tags.add(tags[2])
        Tag.objects.filter(name="b").update(name="B")
    (change,) = product.history.diff(first)
    assert labels([change]) == [ChangeLabels(old="a, b", new="B, c", added=("c",), removed=("a",))]
    assert label(Product._meta.get_field("tags"), (tags[1].pk, tags[2].pk), first) == "b, c"


@committing
def test_what_can_not_be_named_has_its_key() -> None:
    order = Order.objects.create(customer=Customer.objects.create(name="Ada"), reference="A1")
    first = newest()
    field = Order._meta.get_field("customer")
    assert label(field, 4711, first) == "4711"
    assert label(field, order.customer_id, first) == "Ada"
    change = FieldChange("customer", None, order.customer_id, first, field)
    hidden = labels([change], may_see=lambda model: model is not Customer)
    assert hidden == [ChangeLabels("", str(order.customer_id))]
    assert labels([FieldChange("x", 1, 2, first, field, masked=True)]) == [ChangeLabels()]
    assert labels([]) == []


@committing
def test_models_that_are_not_tracked_are_named_if_they_may_be_read() -> None:
    customer = Customer.objects.create(name="Ada")
    TaggedNote.objects.create(target=customer, text="note")
    first = newest()
    field = TaggedNote._meta.get_field("content_type")
    number = ContentType.objects.get_for_model(Customer).pk
    assert label(field, number, first).endswith(" | customer")
    with override_settings(AUDITTRAIL_READ_LIVE=[]):
        assert label(field, number, first) == str(number)


@committing
def test_a_name_that_leads_to_other_objects_is_of_the_same_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Organization, "__str__", lambda self: f"{self.name} in {self.country.name}")
    norway = Country.objects.create(code="NO", name="Norway")
    acme = Organization.objects.create(name="Acme", country=norway)
    first = newest()
    Country.objects.update(name="Noreg")
    ada = Person.objects.create(name="Ada")
    Membership.objects.create(person=ada, organization=acme)
    field = Membership._meta.get_field("organization")
    assert label(field, acme.pk, first) == "Acme in Norway"
    assert label(field, acme.pk, newest()) == "Acme in Noreg"
    Organization.objects.update(country=None)
    assert label(field, acme.pk, newest()) == str(acme.pk)


@committing
def test_objects_of_several_tables_are_named_by_all_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Employee, "__str__", lambda self: f"{self.name} {self.salary}")
    employee = Employee.objects.create(name="Ada", salary=3)
    first = newest()
    Person.objects.update(name="Bea")
    field: Any = models.ForeignKey(Employee, models.CASCADE)
    field.set_attributes_from_name("employee")
    assert label(field, employee.pk, first) == "Ada 3.00"
    assert label(field, employee.pk, newest()) == "Bea 3.00"


@committing
def test_a_page_of_changes_takes_a_bounded_number_of_queries() -> None:
    customers = Customer.objects.bulk_create([Customer(name=f"{n}") for n in range(40)])
    order = Order.objects.create(customer=customers[0], reference="A1")
    first = newest()
    for customer in customers[1:]:
        with transaction.atomic():
            Order.objects.update(customer=customer)
            Customer.objects.filter(pk=customer.pk).update(name=f"at {customer.name}")
    changes = list(order.history.diff(first))
    with CaptureQueriesContext(connection) as captured:
        found = labels(changes)
    assert len(captured) == 3
    assert found[0] == ChangeLabels("0", "at 1")
    assert found[38] == ChangeLabels("at 38", "at 39")


@committing
def test_changes_of_a_comparison_need_a_moment() -> None:
    document = Document.objects.create(title="a")
    specimen = Specimen.objects.create(name="s")
    first = newest()
    Document.objects.update(title="b")
    Specimen.objects.update(flag=True)
    changes = document.history.compare(first).changes
    with pytest.raises(MomentError, match="of no revision"):
        labels(changes)
    assert labels(changes, first) == [ChangeLabels("a", "b")]
    assert labels(specimen.history.compare(first).changes, first) == [ChangeLabels("", "Yes")]
