"""Undoing one change of an object: its fields get back what was in them before, seen first, and nothing else is touched."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.messages import get_messages
from django.db import connection

from tests.admin.histories import address
from tests.admin.previews import carry_out, form
from tests.admin.reading import text_of
from tests.builders.sending import newest
from tests.testapp.models import Customer, Order, Product, Tag

pytestmark = pytest.mark.django_db(transaction=True)


def actions(page: Any, position: int = 0) -> dict[str, str]:
    """Return the links of an entry of a timeline, by their words."""
    return {str(link.text): link.url for link in page.context["entries"][position].actions}


def undo_links(page: Any, position: int = 0) -> dict[str, str | None]:
    """Return the addresses that undo each field of an entry alone."""
    blocks = page.context["entries"][position].blocks
    return {one.label: url for block in blocks for one, url in block.told}


@pytest.fixture
def customer(transactional_db: None) -> Customer:
    """Give a customer whose name was changed, then name and address, then whether they matter."""
    customer = Customer.objects.create(name="Ada", email="ada@example.org")
    Customer.objects.update(name="Bea", email="bea@example.org")
    Customer.objects.update(vip=True)
    return customer


def test_undoing_the_newest_change_brings_back_what_was_before(as_superuser, customer) -> None:
    found = actions(as_superuser.get(address(customer)))
    url = found["Undo this change: back to \u2068No\u2069"]
    page = as_superuser.get(url)
    assert page.context["title"] == "Undo a change of Bea"
    chosen = {choice.name: choice.is_chosen for choice in page.context["choices"]}
    assert chosen == {"vip": True}
    response = as_superuser.post(url, form(page))
    assert response.status_code == 302
    customer.refresh_from_db()
    assert (customer.name, customer.email, customer.vip) == ("Bea", "bea@example.org", False)
    assert newest().context["restored"]["kind"] == "restore"
    (message,) = get_messages(response.wsgi_request)
    assert str(message).startswith("Undone in “Bea”, back to what was before")
    assert ": Vip. See " in str(message)
    entry = LogEntry.objects.get()
    assert entry.action_flag == CHANGE
    assert "Undid what revision" in entry.change_message


def test_an_older_change_is_undone_in_its_fields_alone(as_superuser, customer) -> None:
    history = as_superuser.get(address(customer))
    url = actions(history, 1)["Undo this change"]
    page = as_superuser.get(url)
    chosen = {choice.name: choice.is_chosen for choice in page.context["choices"]}
    assert chosen == {"name": True, "email": True, "vip": False}
    assert "Will be" in text_of(page)
    assert carry_out(as_superuser, url).status_code == 302
    customer.refresh_from_db()
    assert (customer.name, customer.email, customer.vip) == ("Ada", "ada@example.org", True)


def test_each_field_is_undone_by_itself(as_superuser, customer) -> None:
    history = as_superuser.get(address(customer))
    found = undo_links(history, 1)
    assert set(found) == {"Name", "Email"}
    assert carry_out(as_superuser, str(found["Email"])).status_code == 302
    customer.refresh_from_db()
    assert (customer.name, customer.email) == ("Bea", "ada@example.org")
    # Where one field has changed, the link of the entry is enough.
    assert undo_links(history) == {"Vip": None}


def test_a_filter_by_field_chooses_its_field(as_superuser, customer) -> None:
    history = as_superuser.get(address(customer), {"field": "email"})
    found = actions(history)
    undone = found["Undo this change: back to \u2068ada@example.org\u2069"]
    restored = found["Restore this state: \u2068bea@example.org\u2069"]
    assert undone.endswith("/undo/?fields=email")
    assert restored.endswith("/restore/?fields=email")
    (choice,) = [one for one in as_superuser.get(undone).context["choices"] if one.is_chosen]
    assert choice.name == "email"


def test_a_change_of_a_many_to_many_field_is_undone(as_superuser) -> None:
    product = Product.objects.create(name="Bread")
    old, new = (Tag.objects.create(name=name) for name in "ab")
    product.tags.set([old])
    product.tags.set([new])
    found = actions(as_superuser.get(address(product)))
    url = next(url for text, url in found.items() if text.startswith("Undo this change"))
    assert carry_out(as_superuser, url).status_code == 302
    assert [*product.tags.all()] == [old]


def test_a_row_that_belongs_to_the_object_has_a_link_of_its_own(as_superuser, customer) -> None:
    order = Order.objects.create(customer=customer, reference="4711")
    Order.objects.update(reference="4712")
    page = as_superuser.get(address(customer))
    (block,) = page.context["entries"][0].blocks
    assert carry_out(as_superuser, str(block.undo_url)).status_code == 302
    order.refresh_from_db()
    assert order.reference == "4711"


def test_what_made_or_deleted_an_object_is_not_undone_as_a_change(as_superuser, customer) -> None:
    page = as_superuser.get(address(customer))
    assert not [text for text in actions(page, 2) if text.startswith("Undo")]
    number = page.context["entries"][2].entry.number
    assert as_superuser.get(address(customer, number, "undo")).status_code == 404
    newest_number = newest().pk
    customer.delete()
    page = as_superuser.get(address(page.context["subject"].obj))
    texts = [
        text for entry in page.context["entries"] for text in (str(a.text) for a in entry.actions)
    ]
    assert not [text for text in texts if text.startswith("Undo")]
    response = as_superuser.get(address(page.context["subject"].obj, newest_number, "undo"))
    assert response.status_code == 302
    assert "undelete" in response.url


def test_it_is_for_who_may_change_the_object(staff, log_in, customer) -> None:
    number = newest().pk
    viewer = log_in(staff("eve", "testapp.view_customer"))
    page = viewer.get(address(customer))
    assert not [text for text in actions(page) if text.startswith("Undo")]
    url = address(customer, number, "undo")
    assert viewer.get(url).status_code == 403
    assert viewer.post(url, {"digest": "0" * 64}).status_code == 403
    with connection.cursor() as cursor:
        cursor.execute("SELECT vip FROM testapp_customer")
        assert cursor.fetchall() == [(True,)]


def test_what_was_changed_again_since_is_said(as_superuser, customer) -> None:
    url = actions(as_superuser.get(address(customer)), 1)["Undo this change"]
    Customer.objects.update(email="cea@example.org")
    text = text_of(as_superuser.get(url))
    assert f">revision {newest().pk}</a>" in text


def test_what_has_its_value_back_needs_nothing(as_superuser, customer) -> None:
    url = actions(as_superuser.get(address(customer)), 1)["Undo this change"]
    Customer.objects.update(name="Ada", email="ada@example.org")
    page = as_superuser.get(url)
    assert "Nothing would change" in text_of(page)
    assert not page.context["nothing_chosen"]
