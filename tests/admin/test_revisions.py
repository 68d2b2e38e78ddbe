"""The revision browser: what it lists, by what it can be filtered, and what it never shows."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction

from audittrail import history
from audittrail.models import Revision
from tests.testapp.models import Customer, Tag

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/admin/audittrail/revisions/"


def listed(response: Any) -> list[int]:
    """Return the numbers of the revisions on a page."""
    return [entry.revision.pk for entry in response.context["page"].rows]


def last() -> Any:
    return Revision.objects.latest()


def text_of(response: Any) -> str:
    return " ".join(response.content.decode().split())


def test_a_revision_is_shown_with_who_when_why_and_what(as_superuser, superuser) -> None:
    with history.context(user=superuser, reason="Spring cleaning", ticket=17), transaction.atomic():
        Customer.objects.bulk_create(Customer(name=name) for name in "abc")
        Tag.objects.create(name="x")
    page = as_superuser.get(URL)
    text = text_of(page)
    assert listed(page)[0] == last().pk
    assert "Spring cleaning" in text
    assert '<time class="audittrail-when" datetime="' in text
    assert "just now" in text
    assert f'<a href="/admin/auth/user/{superuser.pk}/change/">root</a>' in text
    assert 'Customers</span> <span class="audittrail-badge audittrail-badge--inserted"' in text
    assert "Tags" in text
