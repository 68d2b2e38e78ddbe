"""All pages of an object find it by the same rules."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.db import models

from tests.admin.histories import address
from tests.builders.sending import newest
from tests.testapp.models import Customer, Order, Tag

pytestmark = pytest.mark.django_db(transaction=True)


class OpenOrders(models.Manager[Order]):
    def get_queryset(self) -> Any:
        return super().get_queryset().filter(reference__startswith="open")


@pytest.fixture
def closed(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> tuple[Order, int]:
    """Give an order that the model's default manager leaves out, and the revision that inserted it."""
    customer = Customer.objects.create(name="Ada")
    order = Order.objects.create(customer=customer, reference="closed 1")
    number = newest().pk
    Order.objects.update(reference="closed 2")
    manager: Any = OpenOrders()
    manager.model, manager.name = Order, "open_orders"
    monkeypatch.setitem(vars(Order._meta), "default_manager", manager)
    assert not admin.site.get_model_admin(Order).model._default_manager.exists()
    return order, number


def pages(order: Order, number: int, site: str = "admin") -> list[str]:
    base = address(order, site=site)
    return [base, f"{base}{number}/", f"{base}compare/", f"{base}{number}/restore/"]


def test_an_object_that_the_default_manager_leaves_out_has_all_its_pages(
    as_superuser, closed
) -> None:
    assert {as_superuser.get(page).status_code for page in pages(*closed)} == {200}
    shown = as_superuser.get(pages(*closed)[1])
    assert "closed 1" in shown.content.decode()


def test_what_the_queryset_of_a_model_admin_leaves_out_has_none_of_them(
    as_superuser, closed, monkeypatch
) -> None:
    def get_queryset(self: Any, request: Any) -> Any:
        return Order._base_manager.filter(reference__startswith="closed 3")

    monkeypatch.setattr(type(admin.site.get_model_admin(Order)), "get_queryset", get_queryset)
    statuses = [as_superuser.get(page).status_code for page in pages(*closed)]
    assert statuses == [404, 404, 404, 404]


@pytest.mark.parametrize("key", ["nothing", "0", str(10**30), "1_00", "-1", "1.5"])
def test_what_can_be_no_key_is_not_found(as_superuser, key) -> None:
    Tag.objects.create(name="a")
    base = f"/admin/testapp/tag/{key}/audittrail/"
    found = [base, f"{base}1/", f"{base}compare/", f"{base}1/restore/"]
    assert {as_superuser.get(page).status_code for page in found} == {404}
