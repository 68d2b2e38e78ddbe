"""Django's own pages pass the harness, so what it finds on pages of history is ours."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.accessibility import faults, tab_to
from tests.browser.roles import PASSWORD, make_user
from tests.testapp.models import Customer, Product

pytestmark = pytest.mark.django_db(transaction=True)


def test_logging_in_by_keyboard(open_page) -> None:
    make_user("superuser")
    page = open_page()
    page.goto("/admin/")
    page.keyboard.type("superuser")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page).to_have_title("Site administration | Django site admin")
    tab_to(page, page.get_by_role("link", name="Customers", exact=True))
    page.keyboard.press("Enter")
    expect(page).to_have_title("Select customer to change | Django site admin")


def test_pages_of_the_admin(open_page) -> None:
    customer = Customer.objects.create(name="Corner Bakery", email="info@bakery.example")
    Product.objects.create(name="Bread")
    paths = [
        "",
        "testapp/customer/",
        f"testapp/customer/{customer.pk}/change/",
        "testapp/order/add/",
    ]
    page = open_page("superuser")
    for path in paths:
        page.goto(f"/admin/{path}")
        assert (path, faults(page)) == (path, [])


@pytest.mark.parametrize(
    ("role", "offered", "refused"),
    [
        ("viewer", "View customer", ("add/",)),
        ("editor", "Change customer", ()),
        ("outsider", "", ("", "add/", "1/change/")),
    ],
)
def test_roles_may_what_they_may(open_page, visits, role, offered, refused) -> None:
    Customer.objects.create(pk=1, name="Corner Bakery")
    page = open_page(role)
    if offered:
        page.goto("/admin/testapp/customer/1/change/")
        expect(page).to_have_title(re.compile(offered))
    for path in refused:
        with visits.expecting("status of 403"):
            page.goto(f"/admin/testapp/customer/{path}")
