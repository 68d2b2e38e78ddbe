"""What people have written is text on the pages of an object's history, whatever it looks like."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from audittrail import history
from tests.admin.histories import address
from tests.admin.hostile import TEXTS
from tests.admin.reading import forbidden
from tests.builders.sending import newest
from tests.testapp.models import Country, Customer, Document, Order, Product, Spaced, Specimen, Tag

pytestmark = pytest.mark.django_db(transaction=True)


def pages(client: Any, obj: Any, then: int) -> list[Any]:
    base = address(obj)
    wanted = ("", f"{then}/", "compare/", f"compare/?from={then}")
    return [client.get(f"{base}{page}") for page in wanted]


def is_text(response: Any) -> None:
    html = response.content.decode()
    assert response.status_code == 200
    assert forbidden(response) == []
    for raw in ("<script>alert", "<img src=x", "' style='", '<a href="javascript'):
        assert raw not in html


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text[:12])
def test_hostile_values_are_text(as_superuser, text) -> None:
    user = User.objects.create(username=text[:150])
    customer = Customer.objects.create(name=text[:100])
    product = Product.objects.create(name=text[:100])
    with history.context(user=user, reason=text, path=text, note={text[:50]: [text]}):
        customer.favourites.add(product)
        order = Order.objects.create(
            customer=customer, reference=text[:20], details={text[:50]: [text]}
        )
        document = Document.objects.create(owner=user, title=text[:200], body=text)
    then = newest().pk
    with history.context(user=user, reason=text):
        Customer.objects.update(name=text[1:100])
        Order.objects.update(details={text[:50]: [text[1:]]})
        Document.objects.update(body=text[1:])
        order.delete()
        customer.favourites.clear()
    for obj in (customer, document):
        for page in pages(as_superuser, obj, then):
            is_text(page)
            assert len(page.content) < 4_000_000
            # No text is ever taken for a template.
            if "{{ 7|add:35 }}" in text:
                assert b"{{ 7|add:35 }}" in page.content
    user.delete()
    Document.objects.all().delete()
    for page in pages(as_superuser, Document(pk=document.pk), then):
        is_text(page)


def test_hostile_values_in_every_kind_of_field(as_superuser) -> None:
    script = "<script>alert(1)</script>"
    specimen = Specimen.objects.create(
        name=script,
        data={script: [script, {script: None}]},
        file=f"{script}.txt",
        matrix=[[script, "b"]],
        blob=script.encode(),
    )
    then = newest().pk
    Specimen.objects.update(data=[script], file="javascript:alert(1)", matrix=[["x", script]])
    for page in pages(as_superuser, specimen, then):
        is_text(page)


def test_hostile_keys_and_addresses(as_superuser) -> None:
    country = Country.objects.create(code='"<', name="x")
    spaced = Spaced.objects.create(name="%s %(x)s")
    then = newest().pk
    for obj in (country, spaced):
        for page in pages(as_superuser, obj, then):
            is_text(page)
    tag = Tag.objects.create(name="a")
    for query in ("before", "after", "user", "field", "since", "operation", "from", "to"):
        for text in TEXTS[:-1]:
            for page in ("", "compare/"):
                answer = as_superuser.get(f"{address(tag)}{page}", {query: text})
                assert answer.status_code in (200, 404)
                assert forbidden(answer) == []
                assert "<script>alert" not in answer.content.decode()
