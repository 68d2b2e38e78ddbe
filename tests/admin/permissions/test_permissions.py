"""Rows of models that a user may not see appear nowhere: not in lists, counts, charts, exports, filters, panels."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import models, transaction
from django.test.utils import isolate_apps

from audittrail import history
from audittrail.admin.permissions.models import _shown_with
from tests.admin.reading import REVISIONS, listed, text_of
from tests.builders.sending import newest
from tests.testapp.models import (
    Customer,
    Document,
    Membership,
    Order,
    Organization,
    Person,
    Product,
    Tag,
)

pytestmark = pytest.mark.django_db(transaction=True)

SUPPORT = "/support/audittrail/revisions/"


def exported(client: Any, url: str) -> list[Any]:
    response = client.get(url.replace("/revisions/", "/revisions/export/") + "?format=json")
    return json.loads(b"".join(response.streaming_content))


@pytest.fixture
def secret(transactional_db: None) -> dict[str, int]:
    """Change a tag alone, a customer alone, and both at once; give the numbers of the revisions."""
    made = {}
    Tag.objects.create(name="a")
    made["tag"] = newest().pk
    with history.context(reason="Not for everybody"):
        Customer.objects.create(name="Secret customer")
    made["customer"] = newest().pk
    with transaction.atomic():
        Tag.objects.create(name="b")
        Customer.objects.bulk_create(Customer(name=f"c{n}") for n in range(4711))
    made["both"] = newest().pk
    return made


def test_a_user_sees_revisions_of_their_models_alone(secret, staff, log_in) -> None:
    client = log_in(staff("ada", "testapp.view_tag"))
    page = client.get(REVISIONS)
    assert listed(page) == [secret["both"], secret["tag"]]
    text = text_of(page)
    for hidden in ("Customer", "customer", "4,711", "Not for everybody"):
        assert hidden not in text
    assert [bar.number for bar in page.context["chart"].bars if bar.number] == [2]
    records = exported(client, REVISIONS)
    assert [record["revision"] for record in records] == [secret["both"], secret["tag"]]
    assert records[0]["changes"] == {"testapp.Tag": {"insert": 1}}
    assert listed(client.get(REVISIONS, {"operation": "I"})) == listed(page)


def test_filters_do_not_tell_of_hidden_models(secret, staff, log_in) -> None:
    client = log_in(staff("ada", "testapp.view_tag"))
    for query in (
        {"model": "testapp.customer"},
        {"model": "testapp.customer", "object": "1"},
        {"model": "testapp.nothing"},
    ):
        page = client.get(REVISIONS, query)
        assert listed(page) == []
        assert "Select a valid choice." in text_of(page)
    assert listed(client.get(REVISIONS, {"reason": "Not for everybody"})) == []
    assert listed(client.get(REVISIONS, {"q": "Not for everybody"})) == []


def test_who_may_see_nothing_is_refused(secret, staff, log_in, client) -> None:
    outsider = log_in(staff("outsider"))
    assert outsider.get(REVISIONS).status_code == 403
    assert outsider.get(REVISIONS + "export/").status_code == 403
    assert "Recent changes" not in text_of(outsider.get("/admin/"))
    assert client.get(REVISIONS).status_code == 302
    customer = User.objects.create_user("customer")
    assert log_in(customer).get(REVISIONS).status_code == 302


def test_what_is_not_registered_in_a_site_is_for_superusers(staff, log_in, as_superuser) -> None:
    Product.objects.create(name="a")
    product = newest().pk
    viewer = log_in(staff("ada", "testapp.view_product", "testapp.view_customer"))
    assert product in listed(viewer.get(REVISIONS))
    assert listed(viewer.get(SUPPORT)) == []
    assert product in listed(as_superuser.get(SUPPORT))


def test_rows_of_inlines_and_many_to_many_fields_are_seen_with_their_owner(staff, log_in) -> None:
    person, organization = Person.objects.create(name="p"), Organization.objects.create(name="o")
    Membership.objects.create(person=person, organization=organization)
    membership = newest().pk
    tag, product = Tag.objects.create(name="t"), Product.objects.create(name="p")
    product.tags.add(tag)
    tagging = newest().pk
    assert membership not in listed(log_in(staff("a", "testapp.view_person")).get(REVISIONS))
    both = log_in(staff("b", "testapp.view_person", "testapp.view_membership"))
    assert membership in listed(both.get(REVISIONS))
    assert tagging in listed(log_in(staff("c", "testapp.view_product")).get(REVISIONS))
    assert tagging not in listed(log_in(staff("d", "testapp.view_tag")).get(REVISIONS))


@isolate_apps("tests.testapp")
def test_an_inline_shows_rows_by_the_foreign_key_that_it_names(rf, superuser) -> None:
    class Transfer(models.Model):  # noqa: DJ008 (it is never shown)
        giver = models.ForeignKey(Customer, models.CASCADE, related_name="+")
        taker = models.ForeignKey(Customer, models.CASCADE, related_name="+")

        class Meta:
            app_label = "testapp"

    class Received(admin.TabularInline):
        model = Transfer
        fk_name = "taker"

    class Receivers(admin.ModelAdmin):
        inlines = (Received,)

    request = rf.get("/")
    request.user = superuser
    shown = [*_shown_with(request, Receivers(Customer, admin.site))]
    assert [owner.attribute for model, owner in shown if model is Transfer] == ["taker_id"]


def test_an_object_level_hook_hides_rows(staff, log_in) -> None:
    ada, eve = staff("ada", "testapp.view_document"), staff("eve", "testapp.view_document")
    own = Document.objects.create(owner=ada, title="mine")
    created = newest().pk
    with transaction.atomic():
        Document.objects.bulk_create(Document(owner=eve, title=f"hers {n}") for n in range(3))
        Document.objects.create(owner=ada, title="also mine")
    mixed = newest().pk
    Document.objects.create(owner=eve, title="hers")
    key = own.pk
    own.delete()
    deleted = newest().pk
    client = log_in(ada)
    page = client.get(SUPPORT)
    assert listed(page) == [deleted, mixed, created]
    assert page.context["page"].rows[1].changes[0].counts == {"I": 1}
    assert page.context["chart"] is None
    assert len(exported(client, SUPPORT)) == 3
    hers = Document.objects.filter(owner=eve).first()
    assert hers is not None
    query = {"model": "testapp.document", "object": hers.pk}
    assert listed(client.get(SUPPORT, query)) == []
    assert listed(client.get(SUPPORT, {**query, "object": key})) == [deleted, created]


def test_a_queryset_that_leaves_rows_out_hides_their_history(staff, log_in) -> None:
    ada = staff("ada", "testapp.view_order")
    customer = Customer.objects.create(name="c")
    seen = Order.objects.create(customer=customer, reference="open 1")
    created = newest().pk
    hidden = Order.objects.create(customer=customer, reference="closed 1")
    hidden_created = newest().pk
    client = log_in(ada)
    assert listed(client.get(SUPPORT)) == [created]
    seen.delete()
    deleted = newest().pk
    hidden.delete()
    assert listed(client.get(SUPPORT)) == [deleted, created]
    assert hidden_created in listed(client.get(REVISIONS))


def test_a_page_is_filled_although_most_rows_are_hidden(staff, log_in, monkeypatch) -> None:
    from audittrail.admin.revisions import view as browser

    monkeypatch.setattr(browser, "PAGE_SIZE", 5)
    ada, eve = staff("ada", "testapp.view_document"), staff("eve")
    own = []
    for number in range(60):
        Document.objects.create(owner=ada if number % 10 == 0 else eve, title=f"{number}")
        if number % 10 == 0:
            own.append(newest().pk)
    client = log_in(ada)
    page = client.get(SUPPORT)
    assert listed(page) == own[:0:-1]
    assert listed(client.get(SUPPORT + page.context["page"].older)) == own[:1]


def test_the_panel_on_the_index_shows_what_the_user_may_see(secret, staff, log_in) -> None:
    client = log_in(staff("ada", "testapp.view_tag"))
    text = text_of(client.get("/admin/"))
    assert "Recent changes" in text
    assert f"/admin/audittrail/revisions/{secret['both']}/" in text
    assert f"/admin/audittrail/revisions/{secret['customer']}/" not in text
    assert "4,711" not in text
    assert "All revisions" in text


def test_links_on_a_users_page(as_superuser, superuser, staff, log_in) -> None:
    url = f"/admin/auth/user/{superuser.pk}/change/"
    assert f"/admin/audittrail/revisions/?user={superuser.pk}" in text_of(as_superuser.get(url))
    viewer = log_in(staff("ada", "auth.view_user"))
    assert "audittrail/revisions/?user" in text_of(viewer.get(url))
    tag = Tag.objects.create(name="t")
    page = as_superuser.get(f"/admin/testapp/tag/{tag.pk}/change/")
    assert "audittrail/revisions/?user" not in text_of(page)
