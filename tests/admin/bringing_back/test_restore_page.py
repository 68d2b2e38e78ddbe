"""Restoring an object to one of its versions: seen first, then done as it was seen, by who may change it."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.contrib.messages import get_messages
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audittrail import history
from audittrail.capture import tracking
from audittrail.diff.json_null import JSON_NULL
from audittrail.models import Revision
from tests.admin.histories import plain
from tests.admin.previews import carry_out, form
from tests.admin.reading import text_of
from tests.builders.sending import newest
from tests.testapp.models import (
    Customer,
    Document,
    Order,
    Organization,
    Person,
    Pizzeria,
    Place,
    Product,
    Specimen,
    Tag,
)

pytestmark = pytest.mark.django_db(transaction=True)


def url_of(obj: Any, version: int, site: str = "admin") -> str:
    meta = obj._meta
    return f"/{site}/{meta.app_label}/{meta.model_name}/{obj.pk}/audittrail/{version}/restore/"


@pytest.fixture
def bakery(transactional_db: None) -> Customer:
    return Customer.objects.create(name="Corner Bakery", email="corner@example.org")


def first_version(obj: Any) -> int:
    return int(obj.history.versions.in_order()[0].version)


def test_null_in_json_and_sql_null_are_shown_and_restored(as_superuser) -> None:
    specimen = Specimen.objects.create(name="s", data=JSON_NULL)
    url = url_of(specimen, first_version(specimen))
    Specimen.objects.update(data=None)
    text = text_of(as_superuser.get(url))
    assert '<span class="audittrail-nothing">none</span>' in text
    assert '<span class="audittrail-nothing">null</span>' in text
    assert carry_out(as_superuser, url).status_code == 302
    with connection.cursor() as cursor:
        cursor.execute("SELECT data::text FROM testapp_specimen")
        assert cursor.fetchall() == [("null",)]


def test_an_object_is_restored_as_it_was_shown(as_superuser, superuser, bakery) -> None:
    Customer.objects.update(name="Bakery & Sons", vip=True)
    url = url_of(bakery, first_version(bakery))
    page = as_superuser.get(url)
    text = text_of(page)
    assert "Restore Bakery &amp; Sons" in text
    assert "It was called <strong><bdi>Corner Bakery</bdi></strong> then." in text
    assert '<del><bdi class="audittrail-value">Bakery &amp; Sons</bdi></del>' in text
    assert '<ins><bdi class="audittrail-value">Corner Bakery</bdi></ins>' in text
    assert "Customers: 1 row was changed since:" in text
    assert f">revision {newest().pk}</a>" in text
    response = as_superuser.post(url, {**form(page), "reason": "It was better"})
    assert response.status_code == 302
    assert response.url == f"/admin/testapp/customer/{bakery.pk}/history/"
    bakery.refresh_from_db()
    assert (bakery.name, bakery.vip) == ("Corner Bakery", False)
    made = newest()
    assert (made.committed_by, made.reason) == (superuser, "It was better")
    assert made.context["restored"]["kind"] == "restore"
    (message,) = get_messages(response.wsgi_request)
    assert "Restored in “Bakery &amp; Sons” as of" in str(message)
    assert ": Name, Vip. See " in str(message)
    assert f"revision {made.pk}" in str(message)
    entry = LogEntry.objects.get()
    assert (entry.action_flag, entry.object_id, entry.user) == (CHANGE, str(bakery.pk), superuser)


def test_a_preview_writes_nothing(as_superuser, bakery) -> None:
    Customer.objects.update(name="Bakery & Sons")
    url = url_of(bakery, first_version(bakery))
    before = newest(), Revision.objects.count()
    with CaptureQueriesContext(connection) as queries:
        assert as_superuser.get(url).status_code == 200
        assert as_superuser.head(url).status_code == 200
    assert not [q["sql"] for q in queries if " FOR UPDATE" in q["sql"] or "LOCK TABLE" in q["sql"]]
    page = as_superuser.get(url)
    assert as_superuser.post(url, {**form(page), "_preview": "1"}).status_code == 200
    bakery.refresh_from_db()
    assert bakery.name == "Bakery & Sons"
    assert (newest(), Revision.objects.count()) == before
    assert not LogEntry.objects.exists()


def test_chosen_fields_alone_are_restored(as_superuser, bakery) -> None:
    Customer.objects.update(name="Bakery & Sons", email="sons@example.org", vip=True)
    url = url_of(bakery, first_version(bakery))
    page = as_superuser.get(f"{url}?fields=email&fields=vip")
    chosen = {choice.name: choice.is_chosen for choice in page.context["choices"]}
    assert chosen == {"name": False, "email": True, "vip": True}
    assert form(page)["fields"] == ["email", "vip"]
    assert as_superuser.post(url, form(page)).status_code == 302
    bakery.refresh_from_db()
    assert (bakery.name, bakery.email, bakery.vip) == (
        "Bakery & Sons",
        "corner@example.org",
        False,
    )


def test_another_choice_than_was_previewed_is_shown_first(as_superuser, bakery) -> None:
    Customer.objects.update(name="Bakery & Sons", vip=True)
    url = url_of(bakery, first_version(bakery))
    page = as_superuser.get(url)
    response = as_superuser.post(url, {**form(page), "fields": ["vip"]})
    assert response.status_code == 200
    assert "this is the preview of what you have chosen now" in text_of(response)
    bakery.refresh_from_db()
    assert (bakery.name, bakery.vip) == ("Bakery & Sons", True)
    assert as_superuser.post(url, form(response)).status_code == 302
    bakery.refresh_from_db()
    assert (bakery.name, bakery.vip) == ("Bakery & Sons", False)
    nothing = as_superuser.post(url, {"choosing": "1", "_preview": "1"})
    assert "Choose at least one field." in text_of(nothing)


def test_many_to_many_fields_are_restored(as_superuser) -> None:
    product = Product.objects.create(name="Bread")
    tags = [Tag.objects.create(name=name) for name in "abc"]
    product.tags.set(tags[:2])
    number = newest().pk
    product.tags.set(tags[2:])
    url = url_of(product, number)
    page = as_superuser.get(url)
    (choice,) = page.context["choices"]
    assert (choice.name, [badge.count for badge in choice.badges]) == ("tags", [2, 1])
    text = text_of(page)
    assert "Products: tags" in text
    assert f"Bread ({product.pk}) – a ({tags[0].pk})" in plain(text)  # noqa: RUF001 (an en dash)
    assert as_superuser.post(url, form(page)).status_code == 302
    assert sorted(product.tags.values_list("name", flat=True)) == ["a", "b"]


def test_a_stale_preview_is_shown_again_and_nothing_is_done(as_superuser, bakery) -> None:
    Customer.objects.update(name="Bakery & Sons")
    url = url_of(bakery, first_version(bakery))
    page = as_superuser.get(url)
    Customer.objects.update(name="Somebody else's")
    before = newest()
    response = as_superuser.post(url, {**form(page), "reason": "Mine"})
    assert response.status_code == 409
    text = text_of(response)
    assert "something has changed since the preview" in text
    assert "Somebody else&#x27;s" in text
    assert 'value="Mine"' in text
    assert newest() == before
    assert as_superuser.post(url, form(response)).status_code == 302
    bakery.refresh_from_db()
    assert bakery.name == "Corner Bakery"


@pytest.mark.parametrize(("digest", "status"), [(None, 400), ("", 400), ("0" * 32, 409)])
def test_without_the_digest_of_a_preview_nothing_is_done(
    as_superuser, bakery, digest, status
) -> None:
    Customer.objects.update(name="Bakery & Sons")
    url = url_of(bakery, first_version(bakery))
    posted = form(as_superuser.get(url)) | ({} if digest is None else {"digest": digest})
    if digest is None:
        del posted["digest"]
    response = as_superuser.post(url, posted)
    assert response.status_code == status
    assert "Nothing was done" in text_of(response)
    bakery.refresh_from_db()
    assert bakery.name == "Bakery & Sons"


def test_other_methods_and_other_sites_forms_are_refused(as_superuser, superuser, bakery) -> None:
    Customer.objects.update(name="Bakery & Sons")
    url = url_of(bakery, first_version(bakery))
    assert as_superuser.put(url).status_code == 405
    assert as_superuser.delete(url).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(superuser)
    assert strict.post(url, form(as_superuser.get(url))).status_code == 403
    bakery.refresh_from_db()
    assert bakery.name == "Bakery & Sons"


def test_conflicts_are_named_and_refused(as_superuser) -> None:
    tag = Tag.objects.create(name="sale")
    url = url_of(tag, first_version(tag))
    Tag.objects.update(name="offer")
    Tag.objects.create(name="sale")
    page = as_superuser.get(url)
    text = text_of(page)
    assert "be done like this</h2>" in text
    assert "Another row has the same value by now, and it must be unique: name." in text
    assert not page.context["can_be_carried_out"]
    response = as_superuser.post(url, form(page))
    assert response.status_code == 409
    assert "something stands in the way" in text_of(response)
    tag.refresh_from_db()
    assert tag.name == "offer"


def test_missing_references_are_named_and_brought_back_if_wanted(as_superuser) -> None:
    customer = Customer.objects.create(name="Corner Bakery")
    other = Customer.objects.create(name="Another")
    order = Order.objects.create(customer=customer, reference="A1")
    url = url_of(order, first_version(order))
    Order.objects.update(customer=other)
    key = customer.pk
    customer.delete()
    page = as_superuser.get(url)
    named = f"Customer refers to Corner Bakery ({key}), which is not there any more."
    assert named in text_of(page)
    assert as_superuser.post(url, form(page)).status_code == 409
    # The button beside the conflict shows what would happen with it.
    assert page.context["may_bring_related"]
    with_it = as_superuser.post(url, {**form(page), "related": "1"})
    assert with_it.status_code == 200
    assert with_it.context["can_be_carried_out"]
    assert not with_it.context["may_bring_related"]
    assert not Customer.objects.filter(pk=key).exists()
    page = as_superuser.get(f"{url}?related=1")
    assert page.context["can_be_carried_out"]
    assert f"Corner Bakery ({key})" in text_of(page)
    assert as_superuser.post(url, form(page)).status_code == 302
    assert Order.objects.get().customer == Customer.objects.get(pk=key)


def test_a_deletion_leads_to_undeleting(as_superuser, bakery) -> None:
    key = bakery.pk
    bakery.delete()
    bakery.pk = key
    version = Customer.history.versions.get(id=key, operation="D").version
    response = as_superuser.get(url_of(bakery, version))
    assert response.status_code == 302
    assert response.url == f"/admin/testapp/customer/audittrail/deleted/undelete/?pk={key}"


def test_a_deleted_object_comes_back_as_of_an_earlier_version(as_superuser, bakery) -> None:
    key, number = bakery.pk, first_version(bakery)
    Customer.objects.update(name="Bakery & Sons")
    bakery.delete()
    bakery.pk = key
    page = as_superuser.get(url_of(bakery, number))
    assert "It is deleted, and would come back whole." in text_of(page)
    assert as_superuser.post(url_of(bakery, number), form(page)).status_code == 302
    assert Customer.objects.get(pk=key).name == "Corner Bakery"
    assert LogEntry.objects.get().action_flag == ADDITION


def test_the_deletion_of_what_is_there_again_means_the_state_before_it(as_superuser) -> None:
    customer = Customer.objects.create(name="Corner Bakery")
    key = customer.pk
    Customer.objects.update(name="Bakery & Sons")
    customer.delete()
    version = Customer.history.versions.get(id=key, operation="D").version
    customer = Customer.objects.create(pk=key, name="Another")
    page = as_superuser.get(url_of(customer, version))
    assert "what is restored is the state before it" in text_of(page)
    as_superuser.post(url_of(customer, version), form(page))
    customer.refresh_from_db()
    assert customer.name == "Bakery & Sons"


def test_versions_of_what_an_object_inherits_from_count_too(as_superuser) -> None:
    pizzeria = Pizzeria.objects.create(name="Napoli", oven_degrees=450)
    Pizzeria.objects.update(name="Roma", oven_degrees=300)
    place = Place.objects.get(pk=pizzeria.pk)
    number = first_version(place)
    page = as_superuser.get(url_of(pizzeria, number))
    assert {choice.name for choice in page.context["choices"]} == {"name", "oven_degrees"}
    as_superuser.post(url_of(pizzeria, number), form(page))
    pizzeria.refresh_from_db()
    assert (pizzeria.name, pizzeria.oven_degrees) == ("Napoli", 450)


def test_what_is_no_version_is_not_found(as_superuser, bakery) -> None:
    assert as_superuser.get(url_of(bakery, 10**12)).status_code == 404
    assert as_superuser.get(url_of(bakery, 10**30)).status_code == 404
    other = Customer.objects.create(name="Another")
    # It was not there yet.
    assert as_superuser.get(url_of(other, first_version(bakery))).status_code == 404
    url = "/admin/testapp/customer/nothing/audittrail/1/restore/"
    assert as_superuser.get(url).status_code == 404
    url = "/admin/testapp/product/nothing/audittrail/1/restore/"
    assert as_superuser.get(url).status_code == 404


def test_the_permission_to_change_is_asked_on_the_server(
    as_superuser, staff, log_in, bakery
) -> None:
    Customer.objects.update(name="Bakery & Sons")
    url = url_of(bakery, first_version(bakery))
    posted = form(as_superuser.get(url))
    for permissions in (
        (),
        ("testapp.view_customer",),
        ("testapp.view_customer", "testapp.add_customer"),
    ):
        client = log_in(staff(f"user{len(permissions)}", *permissions))
        assert client.get(url).status_code == 403
        assert client.post(url, posted).status_code == 403
    bakery.refresh_from_db()
    assert bakery.name == "Bakery & Sons"
    client = log_in(staff("editor", "testapp.change_customer"))
    assert carry_out(client, url).status_code == 302
    bakery.refresh_from_db()
    assert bakery.name == "Corner Bakery"


def test_a_deleted_object_needs_the_permission_to_add(as_superuser, staff, log_in, bakery) -> None:
    key, number = bakery.pk, first_version(bakery)
    Customer.objects.update(name="Bakery & Sons")
    bakery.delete()
    bakery.pk = key
    url = url_of(bakery, number)
    posted = form(as_superuser.get(url))
    client = log_in(staff("editor", "testapp.change_customer"))
    assert client.get(url).status_code == 403
    assert client.post(url, posted).status_code == 403
    assert not Customer.objects.exists()
    client = log_in(staff("adder", "testapp.view_customer", "testapp.add_customer"))
    assert carry_out(client, url).status_code == 302


def test_hooks_for_single_objects_are_asked(superuser, staff, log_in) -> None:
    owner = staff("owner", "testapp.view_document", "testapp.change_document")
    other = staff("other", "testapp.view_document", "testapp.change_document")
    document = Document.objects.create(title="Draft", owner=owner)
    number = first_version(document)
    Document.objects.update(title="Final")
    url = url_of(document, number, "support")
    assert log_in(other).get(url).status_code == 404
    assert log_in(other).post(url, {"digest": "x"}).status_code == 404
    assert carry_out(log_in(owner), url).status_code == 302
    document.refresh_from_db()
    assert document.title == "Draft"


def test_what_a_model_admin_leaves_out_can_not_be_restored(as_superuser) -> None:
    customer = Customer.objects.create(name="Corner Bakery")
    order = Order.objects.create(customer=customer, reference="closed 1")
    number = first_version(order)
    Order.objects.update(reference="closed 2")
    assert as_superuser.get(url_of(order, number, "support")).status_code == 404
    assert as_superuser.post(url_of(order, number, "support"), {"digest": "x"}).status_code == 404
    assert as_superuser.get(url_of(order, number)).status_code == 200


def test_rows_of_other_models_need_their_permissions(as_superuser, staff, log_in) -> None:
    organization = Organization.objects.create(name="Root")
    with transaction.atomic():
        person = Person.objects.create(name="Ada")
        person.organizations.add(organization)
    number = newest().pk
    Person.objects.update(name="Bea")
    person.organizations.clear()
    url = url_of(person, number)
    posted = form(as_superuser.get(url))
    assert posted["fields"] == ["name", "organizations"]
    client = log_in(staff("editor", "testapp.view_person", "testapp.change_person"))
    page = client.get(url)
    # Memberships are an inline, for which the editor has no permission: they are not even told of.
    assert [(c.name, c.is_refused) for c in page.context["choices"]] == [("name", False)]
    assert form(page)["fields"] == ["name"]
    assert client.post(url, {**posted, "digest": "x"}).status_code in (200, 409)
    assert not person.organizations.exists()
    assert client.post(url, form(page)).status_code == 302
    person.refresh_from_db()
    assert (person.name, person.organizations.count()) == ("Ada", 0)
    membership = ("testapp.view_membership", "testapp.add_membership")
    client = log_in(staff("chief", "testapp.change_person", *membership))
    assert carry_out(client, url).status_code == 302
    assert person.organizations.get() == organization


def test_masked_fields_change_without_a_word_of_what(as_superuser, bakery, monkeypatch) -> None:
    Customer.objects.update(name="Bakery & Sons", email="sons@example.org")
    options = tracking.Options(mask=("email",))
    monkeypatch.setitem(tracking._registered, Customer, options)
    page = as_superuser.get(url_of(bakery, first_version(bakery)))
    text = text_of(page)
    assert "changed; what it holds is not shown" in text
    assert "corner@example.org" not in text and "sons@example.org" not in text
    monkeypatch.setattr(Customer, "__str__", lambda self: f"{self.name}: {self.email}")
    text = text_of(as_superuser.get(url_of(bakery, first_version(bakery))))
    assert "Bakery &amp; Sons: •••" in text
    assert "corner@example.org" not in text and "sons@example.org" not in text
    assert as_superuser.post(url_of(bakery, first_version(bakery)), form(page)).status_code == 302
    bakery.refresh_from_db()
    assert bakery.email == "corner@example.org"


def test_fields_that_are_hidden_from_history_are_not_shown(
    as_superuser, bakery, monkeypatch
) -> None:
    from tests.testapp.admin import CustomerAdmin

    monkeypatch.setattr(CustomerAdmin, "audittrail_hidden_fields", ["email"], raising=False)
    Customer.objects.update(name="Bakery & Sons", email="sons@example.org")
    page = as_superuser.get(url_of(bakery, first_version(bakery)))
    assert [choice.name for choice in page.context["choices"]] == ["name"]
    assert "example.org" not in text_of(page)


HOSTILE = "<script>alert(1)</script>\" ' {{ x }} \u202e\u200f%s%(x)s"


def test_hostile_values_are_text(as_superuser, superuser) -> None:
    with history.context(user=superuser, reason=HOSTILE):
        customer = Customer.objects.create(name=HOSTILE)
    Customer.objects.update(name=HOSTILE[::-1] + HOSTILE)
    url = url_of(customer, first_version(customer))
    page = as_superuser.get(url)
    text = page.content.decode()
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&quot; &#x27; {{ x }}" in text
    response = as_superuser.post(url, {**form(page), "reason": HOSTILE + "\0"}, follow=True)
    assert response.status_code == 200
    assert "<script>alert" not in response.content.decode()
    assert newest().reason.startswith(HOSTILE)


def test_long_values_are_cut_short(as_superuser) -> None:
    document = Document.objects.create(title="Long", body="word " * 200_000)
    Document.objects.update(body="short")
    page = as_superuser.get(url_of(document, first_version(document)))
    assert len(page.content) < 100_000
    assert "(1,000,000 characters)" in text_of(page)
