"""Revisions that brought something back say so in a sentence, with the link to where it came from."""

from __future__ import annotations

import pytest

from audittrail.models import Revision
from tests.admin.histories import address
from tests.admin.reading import text_of
from tests.builders.sending import newest
from tests.testapp.models import Customer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def restored(transactional_db: None) -> tuple[Customer, Revision]:
    """Give a customer whose name was changed and restored, and the revision that it was restored to."""
    customer = Customer.objects.create(name="Ada")
    was = newest()
    Customer.objects.update(name="Bea")
    Customer.history(revision=was).restore(fields=["name"])
    return customer, was


def test_an_entry_says_what_was_restored_from_when(as_superuser, restored) -> None:
    customer, was = restored
    page = as_superuser.get(address(customer))
    entry = page.context["entries"][0]
    assert entry.restoring.text.startswith("Name restored from \u2068")
    text = text_of(page)
    assert f'(<a href="/admin/audittrail/revisions/{was.pk}/">revision {was.pk}</a>)' in text
    assert "&#x27;kind&#x27;" not in text
    assert "kind" not in entry.details


def test_the_page_of_the_revision_says_it_too_and_keeps_what_was_recorded(
    as_superuser, restored
) -> None:
    _customer, was = restored
    text = text_of(as_superuser.get(f"/admin/audittrail/revisions/{newest().pk}/"))
    assert "<dt>Brought back</dt><dd>Restored from \u2068" in text
    assert f">revision {was.pk}</a>)" in text
    assert "{&quot;kind&quot;: &quot;restore&quot;" in text


def test_undoing_and_undeleting_say_so(as_superuser, restored) -> None:
    customer, _was = restored
    undone = newest()
    undone.undo()
    page = as_superuser.get(address(customer))
    assert page.context["entries"][0].restoring.text == "Undid another revision"
    assert f">revision {undone.pk}</a>)" in text_of(page)
    Customer.objects.all().delete()
    Customer.history.deleted().undelete()
    page = as_superuser.get(address(customer))
    assert page.context["entries"][0].restoring.text == "Undeleted"


def test_what_no_restoring_call_has_recorded_is_no_sentence(as_superuser) -> None:
    customer = Customer.objects.create(name="Ada")
    page = as_superuser.get(address(customer))
    assert page.context["entries"][0].restoring is None
