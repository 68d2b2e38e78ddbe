"""Version: the whole object as a revision left it, as its ModelAdmin lays it out."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.urls import path
from django.utils.html import format_html

from audittrail import history
from audittrail.capture import tracking
from audittrail.models import Revision
from tests.admin.histories import address, inlines, shown
from tests.admin.reading import text_of
from tests.builders.sending import newest
from tests.testapp.models import (
    Country,
    Customer,
    CustomerProfile,
    Document,
    Employee,
    Order,
    OrderLine,
    Person,
    Product,
    Tag,
    TaggedNote,
    VipCustomer,
)

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_fieldsets_of_the_model_admin_with_the_values_of_then(as_superuser) -> None:
    product = Product.objects.create(name="Bread", price=3)
    red = Tag.objects.create(name="red")
    product.tags.add(red)
    with history.context(reason="As it should be"):
        Product.objects.update(stock=2)
    then = newest()
    Product.objects.update(name="Loaf", price=4)
    Tag.objects.update(name="crimson")
    product.tags.clear()
    page = as_superuser.get(address(product, then.pk))
    assert [
        (fieldset.name, fieldset.is_folded, [len(line) for line in fieldset.lines])
        for fieldset in page.context["fieldsets"]
    ] == [("", False, [1, 2]), ("Filing", True, [1, 1])]
    assert shown(page) == {
        "Name": "Bread",
        "Price": "3.00",
        "Stock": "2",
        "Tags": "red",
        "Id": str(product.pk),
    }
    assert page.context["subtitle"] == "Bread"
    assert "As it should be" in text_of(page)


def test_inlines_as_of_then(as_superuser) -> None:
    customer = Customer.objects.create(name="Ada")
    CustomerProfile.objects.create(customer=customer, bio="old")
    order = Order.objects.create(customer=customer, reference="A1")
    then = newest()
    CustomerProfile.objects.update(bio="new")
    order.delete()
    found = inlines(as_superuser.get(address(customer, then.pk)))
    assert found["Customer profiles"] == [{"Bio": "old"}]
    assert [row["Reference"] for row in found["Orders"]] == ["A1"]
    assert inlines(as_superuser.get(address(customer, newest().pk)))["Orders"] == []


def test_inlines_of_every_kind(as_superuser) -> None:
    order = Order.objects.create(customer=Customer.objects.create(name="Ada"), reference="A1")
    OrderLine.objects.create(order=order, number=1, product=Product.objects.create(name="Bread"))
    country = Country.objects.create(code="NO", name="Norway")
    TaggedNote.objects.create(target=country, text="cold")
    then = newest()
    Product.objects.update(name="Loaf")
    assert inlines(as_superuser.get(address(order, then.pk)))["Order lines"] == [
        {"Number": "1", "Product": "Bread", "Quantity": "1"}
    ]
    assert inlines(as_superuser.get(address(country, then.pk)))["Tagged notes"] == [
        {"Text": "cold"}
    ]


def test_what_the_fieldsets_leave_out_is_shown_folded(as_superuser, monkeypatch) -> None:
    monkeypatch.setattr(type(admin.site.get_model_admin(Tag)), "fields", ("name",), raising=False)
    monkeypatch.setattr(
        type(admin.site.get_model_admin(Customer)), "fields", ("name", ("vip",)), raising=False
    )
    customer = Customer.objects.create(name="Ada", email="a@x.example")
    page = as_superuser.get(address(customer, newest().pk))
    assert [fieldset.name for fieldset in page.context["fieldsets"]] == ["", "Further fields"]
    assert shown(page)["Email"] == "a@x.example"


@pytest.fixture
def documents_of(settings: Any) -> Any:
    """Give a function that shows documents at /own/ by a ModelAdmin of its own."""

    def show(model_admin: type[admin.ModelAdmin[Any]]) -> str:
        site = admin.AdminSite(name="own")
        site.register(Document, model_admin)
        site.register(User)
        urls: Any = ModuleType("urls_of_a_test")
        urls.urlpatterns = [path("own/", site.urls)]
        settings.ROOT_URLCONF = urls
        return "own"

    return show


class WithMore(admin.ModelAdmin):
    """Show what code of the project says of an object."""

    readonly_fields = ("shout", "owner_name", "failing", "asking", "is_long", "link")
    fields = ("title", *readonly_fields, "only_in_the_form")

    def get_fieldsets(self, request: Any, obj: Any = None) -> Any:
        return [(None, {"fields": self.fields, "description": "<em>All of it</em>"})]

    def shout(self, obj: Document) -> str:
        return obj.title.upper()

    @admin.display(description="owner’s name")  # noqa: RUF001
    def owner_name(self, obj: Document) -> str:
        return obj.owner.username if obj.owner else ""

    def failing(self, obj: Document) -> str:
        raise RuntimeError(obj)

    def asking(self, obj: Document) -> int:
        return Document.objects.count()

    @admin.display(boolean=True)
    def is_long(self, obj: Document) -> bool:
        return len(obj.title) > 3

    def link(self, obj: Document) -> str:
        return format_html('<a href="/x/">{}</a>', obj.title)


def test_code_of_the_project_sees_the_object_of_then(as_superuser, documents_of) -> None:
    site = documents_of(WithMore)
    una = User.objects.create(username="una")
    document = Document.objects.create(owner=una, title="<b>old</b>")
    then = newest()
    User.objects.filter(pk=una.pk).update(username="vic")
    Document.objects.update(title="new")
    Document.objects.create(title="another")
    page = as_superuser.get(address(document, then.pk, site=site))
    found = shown(page)
    assert found | {"Body": ""} == {
        "Title": "<b>old</b>",
        "Shout": "<B>OLD</B>",
        "Owner’s name": "una",  # noqa: RUF001
        "Failing": "not known for the past",
        "Asking": "1",
        "Is long": "Yes",
        "Link": "<b>old</b>",
        "Owner": "una",
        "Body": "",
    }
    assert '<a href="/x/">&lt;b&gt;old&lt;/b&gt;</a>' in text_of(page)
    assert "<em>All of it</em>" in text_of(page)


def test_masked_and_hidden_fields_say_nothing_to_code_of_the_project(
    as_superuser, monkeypatch, documents_of
) -> None:
    site = documents_of(WithMore)
    monkeypatch.setitem(tracking._registered, Document, tracking.Options(mask=("title",)))
    monkeypatch.setattr(WithMore, "audittrail_hidden_fields", ["body"], raising=False)
    document = Document.objects.create(title="secret title", body="secret body")
    then = newest()
    Document.objects.update(title="x", body="y")
    for page in (
        as_superuser.get(address(document, then.pk, site=site)),
        as_superuser.get(address(document, site=site)),
        as_superuser.get(address(document, "compare", site=site)),
    ):
        assert "secret" not in text_of(page).lower()
        assert "Body" not in text_of(page)
    assert shown(as_superuser.get(address(document, then.pk, site=site)))["Title"] == "•••"


def test_the_password_is_nowhere(as_superuser, superuser) -> None:
    User.objects.filter(pk=superuser.pk).update(email="new@x.example")
    page = as_superuser.get(address(superuser, newest().pk))
    assert "Password" not in shown(page)
    assert shown(page)["Email address"] == "new@x.example"
    assert shown(page)["Username"] == "root"


def test_a_revision_that_deleted_it_shows_how_it_last_was(as_superuser) -> None:
    customer = Customer.objects.create(name="Ada")
    url = address(customer)
    Customer.objects.update(name="Bea")
    customer.delete()
    page = as_superuser.get(f"{url}{newest().pk}/")
    assert shown(page)["Name"] == "Bea"
    assert "This revision deleted it" in text_of(page)
    assert page.context["later_url"] is None


def test_before_it_was_there(as_superuser) -> None:
    Tag.objects.create(name="a")
    first = newest()
    Tag.objects.create(name="b")
    second = newest()
    customer = Customer.objects.create(name="Ada")
    for revision in (first, second):
        page = as_superuser.get(address(customer, revision.pk))
        assert shown(page) == {}
        assert "It was not there then" in text_of(page)
        assert "This is how it was then" not in text_of(page)


def test_before_it_was_there_in_the_first_revision_of_all(as_superuser) -> None:
    customer = Customer.objects.create(name="Ada")
    first = Revision.objects.earliest("committed")
    page = as_superuser.get(address(customer, first.pk))
    assert shown(page) == {}
    assert "It was not there then" in text_of(page)
    assert "This is how it was then" not in text_of(page)


def test_numbers_that_are_no_revision(as_superuser) -> None:
    tag = Tag.objects.create(name="a")
    for number in (0, 4711, 10**30):
        assert as_superuser.get(address(tag, number)).status_code == 404


def test_a_version_is_known_by_its_own_number_too(as_superuser) -> None:
    from django.db import transaction

    with transaction.atomic():
        Tag.objects.create(name="b")
        customer = Customer.objects.create(name="Ada")
    version = customer.history.versions.get()
    assert version.version != version.revision_id
    assert shown(as_superuser.get(address(customer, version.version)))["Name"] == "Ada"


def test_earlier_and_later_versions(as_superuser) -> None:
    employee = Employee.objects.create(name="Ada")
    first = newest().pk
    Person.objects.update(name="Bea")
    second = newest().pk
    Employee.objects.update(salary=2)
    third = newest().pk
    page = as_superuser.get(address(employee, second))
    assert page.context["earlier_url"] == address(employee, first)
    assert page.context["later_url"] == address(employee, third)
    assert shown(page) == {
        "Name": "Bea",
        "Email": "empty",
        "Friends": "none",
        "Organizations": "none",
        "Salary": "0.00",
    }


def test_a_proxy(as_superuser) -> None:
    customer = VipCustomer.objects.create(name="Ada")
    then = newest().pk
    Customer.objects.update(name="Bea")
    assert shown(as_superuser.get(address(customer, then)))["Name"] == "Ada"
