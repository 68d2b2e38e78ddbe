"""The history of a deleted object leads to undeleting it, for who may."""

from __future__ import annotations

import pytest

from tests.admin.histories import address
from tests.admin.previews import carry_out
from tests.testapp.models import Customer, Order

pytestmark = pytest.mark.django_db(transaction=True)


def undelete_url(page) -> str | None:
    """Return where the button of a history leads that undeletes its object, None if there is none."""
    assert page.status_code == 200
    return {str(link.text): link.url for link in page.context["tools"]}.get("Undelete")


def test_it_comes_back_with_what_was_deleted_along(as_superuser) -> None:
    customer = Customer.objects.create(name="Ada")
    Order.objects.create(customer=customer, reference="4711")
    key, url = customer.pk, address(customer)
    assert undelete_url(as_superuser.get(url)) is None
    customer.delete()
    found = undelete_url(as_superuser.get(url))
    assert carry_out(as_superuser, str(found)).status_code == 302
    assert Order.objects.get().customer == Customer.objects.get(pk=key)


def test_who_may_not_add_it_has_no_button(staff, log_in) -> None:
    customer = Customer.objects.create(name="Ada")
    url = address(customer)
    customer.delete()
    viewer = log_in(staff("eve", "testapp.view_customer", "testapp.change_customer"))
    assert undelete_url(viewer.get(url)) is None
