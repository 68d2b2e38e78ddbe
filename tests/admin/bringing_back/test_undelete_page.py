"""Undeleting what was chosen from the list, with or without what was deleted along with it."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import ADDITION, LogEntry
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from audittrail.models import Revision
from tests.admin.previews import carry_out, form
from tests.admin.reading import text_of
from tests.builders.sending import newest
from tests.testapp.models import (
    Customer,
    CustomerProfile,
    Document,
    Order,
    OrderLine,
    Pizzeria,
    Product,
    Tag,
)

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/admin/testapp/{}/audittrail/deleted/undelete/"
TAGS = URL.format("tag")


@pytest.fixture
def shop(transactional_db: None) -> dict[str, Any]:
    """Delete a customer with all that belongs to them, of every kind of relation, and give the keys."""
    with transaction.atomic():
        bread = Product.objects.create(name="Bread")
        ada = Customer.objects.create(name="Ada")
        CustomerProfile.objects.create(customer=ada, bio="Bakes")
        order = Order.objects.create(customer=ada, reference="A1")
        OrderLine.objects.create(order=order, number=1, product=bread)
        ada.favourites.add(bread)
    keys = {"ada": ada.pk, "order": order.pk, "bread": bread.pk}
    ada.delete()
    return keys


def test_an_object_comes_back_with_what_was_deleted_along(as_superuser, superuser, shop) -> None:
    url = f"{URL.format('customer')}?pk={shop['ada']}&cascade=1"
    page = as_superuser.get(url)
    text = text_of(page)
    assert "Undelete Ada" in text
    assert [(table.label, table.badges[0].count) for table in page.context["preview"].tables] == [
        ("Customers", 1),
        ("Customer profiles", 1),
        ("Orders", 1),
        ("Customers: favourites", 1),
        ("Order lines", 1),
    ]
    response = as_superuser.post(URL.format("customer"), {**form(page), "reason": "By mistake"})
    assert response.status_code == 302
    assert response.url == f"/admin/testapp/customer/{shop['ada']}/history/"
    ada = Customer.objects.get()
    assert ada.profile.bio == "Bakes"
    assert ada.orders.get().lines.get().product == ada.favourites.get()
    assert (newest().reason, newest().committed_by) == ("By mistake", superuser)
    entry = LogEntry.objects.get()
    assert (entry.action_flag, entry.object_id) == (ADDITION, str(shop["ada"]))


def test_an_object_comes_back_alone(as_superuser, shop) -> None:
    response = carry_out(as_superuser, f"{URL.format('customer')}?pk={shop['ada']}")
    assert response.status_code == 302
    assert Customer.objects.count() == 1
    assert not Order.objects.exists() and not CustomerProfile.objects.exists()


def test_several_come_back_at_once(as_superuser) -> None:
    tags = [Tag.objects.create(name=name) for name in "abc"]
    keys = [tag.pk for tag in tags]
    for tag in tags:
        tag.delete()
    before = Revision.objects.count()
    response = carry_out(as_superuser, f"{TAGS}?pk={keys[0]}&pk={keys[2]}")
    assert response.url == "/admin/testapp/tag/audittrail/deleted/"
    assert sorted(Tag.objects.values_list("name", flat=True)) == ["a", "c"]
    assert Revision.objects.count() == before + 1
    page = as_superuser.get(response.url)
    assert "2 tags were undeleted." in text_of(page)
    assert LogEntry.objects.filter(action_flag=ADDITION).count() == 2


def test_keys_of_every_kind_come_back(as_superuser) -> None:
    pizzeria = Pizzeria.objects.create(name="Napoli", oven_degrees=480)
    product = Product.objects.create(name="Bread")
    keys = {"pizzeria": pizzeria.pk, "product": product.pk}
    pizzeria.delete()
    product.delete()
    for name, key in keys.items():
        assert carry_out(as_superuser, f"{URL.format(name)}?pk={key}").status_code == 302
    assert Pizzeria.objects.get().name == "Napoli"
    assert Product.objects.get().pk == keys["product"]


def test_a_preview_writes_nothing(as_superuser, shop) -> None:
    before = newest()
    with CaptureQueriesContext(connection) as queries:
        page = as_superuser.get(f"{URL.format('customer')}?pk={shop['ada']}&cascade=1")
    assert page.status_code == 200
    assert not [q["sql"] for q in queries if " FOR UPDATE" in q["sql"] or "LOCK TABLE" in q["sql"]]
    assert newest() == before
    assert not Customer.objects.exists()


def test_what_is_chosen_may_have_come_back_meanwhile(as_superuser, shop) -> None:
    url = f"{URL.format('customer')}?pk={shop['ada']}"
    page = as_superuser.get(url)
    Customer.objects.create(pk=shop["ada"], name="Another")
    response = as_superuser.post(URL.format("customer"), form(page))
    assert response.status_code == 409
    assert "1 chosen object is not deleted any more" in text_of(response)
    assert Customer.objects.get().name == "Another"


@pytest.mark.parametrize("query", ["", "?pk=", "?pk=x", "?pk=999999", "?pk=1&pk=zz"])
def test_nothing_that_can_be_undeleted(as_superuser, query) -> None:
    page = as_superuser.get(TAGS + query)
    assert page.status_code == 200
    assert not page.context["can_be_carried_out"]
    assert as_superuser.post(TAGS, {"digest": "x"}).status_code == 409


def test_conflicts_refuse_all_or_are_left_out(as_superuser) -> None:
    tags = [Tag.objects.create(name=name) for name in "ab"]
    query = "&".join(f"pk={tag.pk}" for tag in tags)
    for tag in tags:
        tag.delete()
    Tag.objects.create(name="a")
    page = as_superuser.get(f"{TAGS}?{query}")
    assert "Another row has the same value by now, and it must be unique: name." in text_of(page)
    assert as_superuser.post(TAGS, form(page)).status_code == 409
    assert Tag.objects.count() == 1
    page = as_superuser.get(f"{TAGS}?{query}&skip=1")
    assert "Left out because of conflicts" in text_of(page)
    assert as_superuser.post(TAGS, form(page)).status_code == 302
    assert sorted(Tag.objects.values_list("name", flat=True)) == ["a", "b"]


def test_what_an_object_refers_to_comes_back_if_wanted(as_superuser, shop) -> None:
    url = f"{URL.format('order')}?pk={shop['order']}"
    assert "which is not there any more" in text_of(as_superuser.get(url))
    assert carry_out(as_superuser, f"{url}&related=1").status_code == 302
    assert Order.objects.get().customer.name == "Ada"


def test_the_permission_to_add_is_asked_on_the_server(as_superuser, staff, log_in) -> None:
    tag = Tag.objects.create(name="sale")
    url = f"{TAGS}?pk={tag.pk}"
    tag.delete()
    posted = form(as_superuser.get(url))
    for number, permissions in enumerate(
        [(), ("testapp.view_tag", "testapp.change_tag"), ("testapp.add_tag",)]
    ):
        client = log_in(staff(f"user{number}", *permissions))
        assert client.get(url).status_code == 403
        assert client.post(TAGS, posted).status_code == 403
    assert not Tag.objects.exists()
    client = log_in(staff("adder", "testapp.view_tag", "testapp.add_tag"))
    assert carry_out(client, url).status_code == 302


def test_what_comes_along_needs_its_own_permissions(as_superuser, staff, log_in, shop) -> None:
    url = f"{URL.format('customer')}?pk={shop['ada']}"
    posted = form(as_superuser.get(f"{url}&cascade=1"))
    client = log_in(staff("adder", "testapp.view_customer", "testapp.add_customer"))
    page = client.get(f"{url}&cascade=1")
    labels = [table.label for table in page.context["preview"].tables]
    # Favourites are a field of the page that adds a customer.
    assert labels == ["Customers", "Customers: favourites"]
    # Rows of models that they don't see are not told of, neither that they are left out nor that something is.
    assert (page.context["preview"].left_out, page.context["preview"].others) == ((), 0)
    assert client.post(URL.format("customer"), posted).status_code == 409
    assert not Customer.objects.exists()
    assert carry_out(client, f"{url}&cascade=1").status_code == 302
    assert Customer.objects.count() == 1
    assert not Order.objects.exists() and not CustomerProfile.objects.exists()


def test_what_is_left_out_brings_nothing_along(as_superuser, staff, log_in, shop) -> None:
    """What came along with a row that is left out stays away with it."""
    url = f"{URL.format('customer')}?pk={shop['ada']}&cascade=1"
    rights = [
        f"testapp.{action}_{model}"
        for action, model in (("view", "customer"), ("add", "customer"), ("view", "order"))
    ]
    lines = [f"testapp.{action}_orderline" for action in ("view", "add", "change")]
    client = log_in(staff("adder", *rights, *lines, "testapp.change_order"))
    page = client.get(url)
    labels = {table.label for table in page.context["preview"].tables}
    assert "Customers" in labels and not labels & {"Orders", "Order lines"}
    left = [(t.label, [r.reason for r in t.rows]) for t in page.context["preview"].left_out]
    why = ["You may not write it."]
    assert left == [("Orders", why), ("Order lines", why)]
    assert "Left out, since you may not write it" in text_of(page)
    assert client.post(URL.format("customer"), form(page)).status_code == 302
    assert not Order.objects.exists() and not OrderLine.objects.exists()


def test_of_what_the_user_may_not_view_nothing_is_told(superuser, staff, log_in, shop) -> None:
    order_url = f"{URL.format('order')}?pk={shop['order']}&related=1"
    client = log_in(superuser)
    assert "Ada" in text_of(client.get(order_url))
    clerk = staff("clerk", "testapp.view_order", "testapp.add_order")
    page = log_in(clerk).get(order_url)
    # The customer stays away, so the order has nobody to refer to: who that was is not told.
    assert not page.context["can_be_carried_out"]
    assert "refers to another row …, which is not there any more." in text_of(page)
    assert "Ada" not in text_of(page) and "Customers" not in text_of(page)
    assert log_in(clerk).post(order_url, form(page)).status_code == 409


def test_objects_that_a_hook_hides_can_not_be_chosen(staff, log_in) -> None:
    permissions = ("testapp.view_document", "testapp.add_document")
    owner, other = staff("owner", *permissions), staff("other", *permissions)
    document = Document.objects.create(title="Secret", owner=owner)
    url = f"/support/testapp/document/audittrail/deleted/undelete/?pk={document.pk}"
    document.delete()
    page = log_in(other).get(url)
    assert "Secret" not in text_of(page)
    posted = {**form(page), "pk": [url.rpartition("=")[2]]}
    assert log_in(other).post(url, posted).status_code == 200
    assert not Document.objects.exists()
    assert carry_out(log_in(owner), url).status_code == 302


def test_hostile_values_are_text(as_superuser) -> None:
    hostile = "<script>alert(1)</script>"
    customer = Customer.objects.create(name=hostile)
    url = f"{URL.format('customer')}?pk={customer.pk}"
    customer.delete()
    assert "<script>alert" not in as_superuser.get(url).content.decode()
    response = as_superuser.post(
        url, {**form(as_superuser.get(url)), "reason": hostile}, follow=True
    )
    assert response.status_code == 200
    assert "<script>alert" not in response.content.decode()
