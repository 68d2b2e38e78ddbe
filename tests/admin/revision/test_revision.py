"""The page of a revision: every change of its transaction by model, to whom it may be shown, and what leads on from there."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from audittrail import history
from audittrail.admin.revision import view as page_of
from audittrail.capture import tracking
from audittrail.models import Revision
from tests.admin.hostile import TEXTS
from tests.admin.reading import REVISIONS, forbidden, text_of
from tests.builders.sending import newest
from tests.testapp.models import Country, Customer, Document, Order, Organization, Product, Tag

pytestmark = pytest.mark.django_db(transaction=True)


def url(revision: Any) -> str:
    return f"{REVISIONS}{revision.pk}/"


def rows(response: Any) -> list[tuple[str, str]]:
    """Return operation and text of the rows on a page."""
    return [
        (row.badge.operation, row.text)
        for section in response.context["sections"]
        for row in section.page.rows
    ]


def test_every_change_is_shown_with_its_fields(as_superuser, superuser) -> None:
    old, gone = Customer.objects.create(name="Old name"), Tag.objects.create(name="gone")
    with history.context(user=superuser, reason="A fresh start", ticket=4711), transaction.atomic():
        Customer.objects.filter(pk=old.pk).update(name="New name")
        gone.delete()
        Country.objects.create(code="SZ", name="Eswatini")
    page = as_superuser.get(url(newest()))
    assert set(rows(page)) == {("U", "New name"), ("D", "gone"), ("I", "Eswatini")}
    text = text_of(page)
    assert "Old name</bdi></del>" in text and "New name</bdi></ins>" in text
    assert "A fresh start" in text and "ticket" in text and "4711" in text
    assert f"/admin/testapp/customer/{old.pk}/history/" in text


def test_related_objects_go_by_the_names_of_then(as_superuser) -> None:
    country = Country.objects.create(code="SZ", name="Swaziland")
    organization = Organization.objects.create(name="o")
    organization.country = country
    organization.save()
    revision = newest()
    Country.objects.update(name="Eswatini")
    text = text_of(as_superuser.get(url(revision)))
    assert "Swaziland" in text
    assert "Eswatini" not in text


def test_names_of_what_the_user_may_not_see_are_keys(staff, log_in) -> None:
    country = Country.objects.create(code="SZ", name="Swaziland")
    Organization.objects.create(name="o", country=country)
    revision = newest()
    text = text_of(log_in(staff("ada", "testapp.view_organization")).get(url(revision)))
    assert "Swaziland" not in text
    assert "SZ" in text


def test_masked_fields_show_that_they_changed_never_what(as_superuser) -> None:
    customer = Customer.objects.create(name="Secret one", email="a@example.com")
    try:
        history.register(Customer, mask=["name"])
        customer.name = "Secret two"
        customer.email = "b@example.com"
        customer.save()
        page = as_superuser.get(url(newest()))
        text = text_of(page)
        assert "Secret" not in text
        assert "changed; what it holds is not shown" in text
        assert "b@example.com" in text
        Order.objects.create(customer=customer, reference="r")
        assert "Secret" not in text_of(as_superuser.get(url(newest())))
    finally:
        tracking._registered.pop(Customer, None)


def test_hidden_fields_are_not_shown_at_all(as_superuser, monkeypatch) -> None:
    model_admin = admin.site.get_model_admin(Customer)
    monkeypatch.setattr(model_admin, "audittrail_hidden_fields", ["name"], raising=False)
    customer = Customer.objects.create(name="Secret", email="a@example.com")
    page = as_superuser.get(url(newest()))
    assert "Secret" not in text_of(page)
    assert "a@example.com" in text_of(page)
    assert rows(page) == [("I", f"Customer {customer.pk}")]


def test_rows_of_hidden_models_do_not_appear(staff, log_in) -> None:
    with transaction.atomic():
        Tag.objects.create(name="shown")
        Customer.objects.create(name="Secret")
    revision = newest()
    Customer.objects.create(name="Secret again")
    hidden = newest()
    client = log_in(staff("ada", "testapp.view_tag"))
    page = client.get(url(revision))
    assert rows(page) == [("I", "shown")]
    assert "ustomer" not in text_of(page)
    assert client.get(url(hidden)).status_code == 404
    assert client.get(url(revision) + "?model=testapp.customer").status_code == 404
    assert log_in(staff("outsider")).get(url(revision)).status_code == 403


def test_guarded_rows_are_asked_about_one_by_one(staff, log_in) -> None:
    ada, eve = staff("ada", "testapp.view_document"), staff("eve", "testapp.view_document")
    with transaction.atomic():
        Document.objects.create(owner=ada, title="mine")
        Document.objects.create(owner=eve, title="hers")
    revision = newest()
    Document.objects.create(owner=eve, title="hers again")
    hidden = newest()
    page = log_in(ada).get(url(revision).replace("/admin/", "/support/"))
    assert rows(page) == [("I", "mine")]
    assert "hers" not in text_of(page)
    assert log_in(ada).get(url(hidden).replace("/admin/", "/support/")).status_code == 404


def test_a_model_alone_is_paged(as_superuser, monkeypatch) -> None:
    monkeypatch.setattr(page_of, "ROWS", 2)
    monkeypatch.setattr(page_of, "ROWS_ALONE", 3)
    Tag.objects.bulk_create(Tag(name=f"t{number:02}") for number in range(8))
    revision = newest()
    page = as_superuser.get(url(revision))
    assert len(rows(page)) == 2
    assert f"{url(revision)}?model=testapp.tag" in text_of(page)
    query, seen, visited = "?model=testapp.tag", [], []
    while query:
        page = as_superuser.get(url(revision) + query)
        seen += [text for _operation, text in rows(page)]
        visited.append(rows(page))
        query = page.context["sections"][0].page.older
    assert seen == [f"t{number:02}" for number in range(8)]
    back = as_superuser.get(url(revision) + page.context["sections"][0].page.newer)
    assert rows(back) == visited[-2]


def test_many_models_are_listed_and_only_some_shown(as_superuser, monkeypatch) -> None:
    monkeypatch.setattr(page_of, "SECTIONS", 1)
    with transaction.atomic():
        Tag.objects.create(name="a")
        Country.objects.create(code="XX")
    page = as_superuser.get(url(newest()))
    assert len(page.context["sections"]) == 1
    assert len(page.context["others"]) == 1
    assert "More models" in text_of(page)


def test_the_number_of_queries_does_not_grow_with_the_rows(as_superuser) -> None:
    counts = []
    country = Country.objects.create(code="SZ")
    for number in (2, 40):
        with transaction.atomic():
            Organization.objects.bulk_create(
                Organization(name=f"{number}-{n}", country=country) for n in range(number)
            )
            Tag.objects.bulk_create(Tag(name=f"{number}-{n}") for n in range(number))
        for query in ("", "?model=testapp.organization"):
            as_superuser.get(url(newest()) + query)
            with CaptureQueriesContext(connection) as captured:
                as_superuser.get(url(newest()) + query)
            counts.append(len(captured))
    assert counts[2] <= counts[0] and counts[3] <= counts[1]
    assert max(counts) < 45


def test_one_goes_on_to_the_revisions_before_and_after(as_superuser, staff, log_in) -> None:
    numbers = []
    for number in range(3):
        Tag.objects.create(name=f"t{number}")
        numbers.append(newest().pk)
        Customer.objects.create(name="between")
    client = log_in(staff("ada", "testapp.view_tag"))
    page = client.get(f"{REVISIONS}{numbers[1]}/")
    assert page.context["older"] == f"{REVISIONS}{numbers[0]}/"
    assert page.context["newer"] == f"{REVISIONS}{numbers[2]}/"
    assert client.get(f"{REVISIONS}{numbers[2]}/").context["newer"] is None


def test_who_sees_everything_gets_to_the_revisions_around_without_asking_what_they_changed(
    as_superuser,
) -> None:
    numbers = []
    for number in range(3):
        Tag.objects.create(name=f"t{number}")
        numbers.append(newest().pk)
    with CaptureQueriesContext(connection) as captured:
        page = as_superuser.get(f"{REVISIONS}{numbers[1]}/")
    assert page.context["older"] == f"{REVISIONS}{numbers[0]}/"
    assert page.context["newer"] == f"{REVISIONS}{numbers[2]}/"
    counting = [query for query in captured.captured_queries if "operation::text" in query["sql"]]
    assert len(counting) == 1


def test_a_revision_that_is_not_there(as_superuser) -> None:
    assert as_superuser.get(f"{REVISIONS}4711/").status_code == 404
    assert as_superuser.get(f"{REVISIONS}{'9' * 40}/").status_code == 404


def test_a_revision_without_rows_says_so(as_superuser) -> None:
    Tag.objects.create(name="a")
    with history.editing("A correction"):
        Revision.objects.filter(pk=newest().pk).update(reason="corrected")
    correction = newest()
    assert "This revision changed no rows" in text_of(as_superuser.get(url(correction)))


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text[:12])
def test_hostile_values_are_text(as_superuser, text) -> None:
    product = Product.objects.create(name="p")
    with history.context(reason=text, note=text, **{text[:20]: text}), transaction.atomic():
        Document.objects.create(title=text[:200], body=text)
        Product.objects.filter(pk=product.pk).update(name=text[:100])
        Order.objects.create(customer=Customer.objects.create(), details={text: [text, "\\u0000"]})
    response = as_superuser.get(url(newest()))
    html = response.content.decode()
    assert response.status_code == 200
    assert forbidden(response) == []
    assert "<script>alert" not in html and "<img src=x" not in html
    assert len(html) < 200_000
