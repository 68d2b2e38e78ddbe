"""What a person may not write is left out of what they bring back: row by row, told where they see it, and in nobody's way."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import transaction

from audittrail.admin.bringing_back import flow
from tests.admin.permissions.test_writing import RESTORE, UNDO, every, left_out
from tests.admin.previews import carry_out, form
from tests.admin.reading import text_of
from tests.builders.sending import newest
from tests.testapp.admin import DocumentAdmin
from tests.testapp.models import Customer, Document, Place, Restaurant, Tag

pytestmark = pytest.mark.django_db(transaction=True)

FORBIDDEN, PART = "You may not write it.", "Another part of the same object is left out."
MANY = "These are too many to ask about each whether you may write it."


@pytest.fixture
def own_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    """Show each user the own documents alone."""

    def own(self: Any, request: Any) -> Any:
        found: Any = admin.ModelAdmin.get_queryset(self, request)
        return found if request.user.is_superuser else found.filter(owner=request.user)

    monkeypatch.setattr(DocumentAdmin, "get_queryset", own, raising=False)


@pytest.fixture
def ada(staff: Any, own_documents: None) -> User:
    rights = (*every("document", "tag"), "audittrail.undo_revision", "audittrail.restore_database")
    made: User = staff("ada", *rights)
    return made


@pytest.fixture
def eve(transactional_db: None) -> User:
    return User.objects.create(username="eve")


@pytest.mark.parametrize("forbidden", ["place", "restaurant"])
@pytest.mark.parametrize("action", ["I", "D"])
def test_an_object_is_left_out_as_a_whole(staff, log_in, forbidden, action) -> None:
    """No half of an object comes back, or goes, that has rows in several tables."""
    with transaction.atomic():
        Restaurant.objects.create(name="Napoli", serves_soup=True)
        Tag.objects.create(name="made")
    if action == "I":
        with transaction.atomic():
            Restaurant.objects.all().delete()
            Tag.objects.all().delete()
    needed = {"I": "add", "D": "delete"}[action]
    rights = {*every("place", "restaurant", "tag")} - {f"testapp.{needed}_{forbidden}"}
    url = UNDO.format(newest().pk)
    client = log_in(staff("clerk", *rights, "audittrail.undo_revision"))
    told = {(label, why) for label, operation, why in left_out(client.get(url))}
    other = {"place": "Restaurants", "restaurant": "Places"}[forbidden]
    own = {"place": "Places", "restaurant": "Restaurants"}[forbidden]
    assert told == {(own, FORBIDDEN), (other, PART)}
    assert carry_out(client, url).status_code == 302
    there = int(action == "D")
    assert (Place.objects.count(), Restaurant.objects.count()) == (there, there)
    assert Tag.objects.count() == int(action == "I")


@pytest.mark.parametrize("later", ["changed", "deleted"])
@pytest.mark.parametrize("choice", ["refuse", "skip", "override"])
def test_conflicts_of_what_is_not_seen_are_in_nobodys_way(ada, eve, log_in, later, choice) -> None:
    for owner in (ada, eve):
        Document.objects.create(title="draft", owner=owner)
    with transaction.atomic():
        Document.objects.update(title="final")
    url = f"{UNDO.format(newest().pk)}?on_conflict={choice}"
    of_eve = Document.objects.filter(owner=eve)
    of_eve.update(title="later") if later == "changed" else of_eve.delete()
    page = log_in(ada).get(url)
    shown = page.context["preview"]
    assert (shown.conflicts, shown.other_conflicts, shown.others) == ((), 0, 0)
    assert (shown.notes, shown.left_out) == ((), ())
    assert log_in(ada).post(url, form(page)).status_code == 302
    assert Document.objects.get(owner=ada).title == "draft"
    assert [*of_eve.values_list("title", flat=True)] == ["later"] * (later == "changed")


@pytest.mark.parametrize("choice", ["refuse", "skip"])
def test_conflicts_of_what_is_seen_are_told(ada, log_in, choice) -> None:
    Document.objects.create(title="draft", owner=ada)
    with transaction.atomic():
        Document.objects.update(title="final")
        Tag.objects.create(name="new")
    url = f"{UNDO.format(newest().pk)}?on_conflict={choice}"
    Document.objects.update(title="later")
    page = log_in(ada).get(url)
    assert [found.name for found in page.context["preview"].conflicts] == ["Document later"]
    status = {"refuse": 409, "skip": 302}[choice]
    assert log_in(ada).post(url, form(page)).status_code == status
    assert Tag.objects.exists() == (choice == "refuse")


def test_rows_that_a_plan_does_not_tell_are_left_out_as_a_whole(ada, eve, log_in) -> None:
    own = Document.objects.create(title="mine", owner=ada)
    Document.objects.bulk_create(Document(title=f"{n}", owner=eve) for n in range(1_001))
    with transaction.atomic():
        Document.objects.update(body="changed")
        Tag.objects.create(name="new")
    url = UNDO.format(newest().pk)
    page = log_in(ada).get(url)
    assert left_out(page) == [("Documents", "U", MANY)]
    # How many there are of others is not told.
    (table,) = page.context["preview"].left_out
    assert (table.more, page.context["preview"].others) == (0, 0)
    assert carry_out(log_in(ada), url).status_code == 302
    own.refresh_from_db()
    assert (own.body, Tag.objects.exists()) == ("changed", False)


def test_the_rest_of_many_is_counted(staff, log_in) -> None:
    Customer.objects.bulk_create(Customer(name=f"{n:03}") for n in range(30))
    with transaction.atomic():
        Customer.objects.update(vip=True)
        Tag.objects.create(name="new")
    rights = ("testapp.view_customer", *every("tag"), "audittrail.undo_revision")
    url = UNDO.format(newest().pk)
    page = log_in(staff("clerk", *rights)).get(url)
    (table,) = page.context["preview"].left_out
    assert (len(table.rows), table.more, {one.reason for one in table.rows}) == (24, 6, {FORBIDDEN})
    assert "and 6 more rows" in text_of(page)
    assert "stays as it is, whether there is any or not" in text_of(page)


def test_what_comes_up_while_it_is_carried_out_is_neither_written_nor_told(
    ada, eve, log_in, monkeypatch
) -> None:
    """Between the check of the preview and the writing, somebody else changes what the person does not see."""
    Tag.objects.create(name="old")
    then = newest().pk
    Tag.objects.update(name="new")
    url = RESTORE.format(then)
    client = log_in(ada)
    posted = form(client.get(url))
    is_sealed = flow.is_sealed

    def meanwhile(*args: Any) -> bool:
        Document.objects.create(title="secret", owner=eve)
        return is_sealed(*args)

    monkeypatch.setattr(flow, "is_sealed", meanwhile)
    page = client.post(url, posted)
    assert page.status_code == 409
    assert (page.context["preview"].others, "secret" in text_of(page)) == (0, False)
    assert Document.objects.filter(owner=eve).exists()
    monkeypatch.undo()


def test_superusers_are_asked_by_hooks_row_by_row(as_superuser, ada, eve, monkeypatch) -> None:
    def of_ada(self: Any, request: Any, obj: Any = None) -> bool:
        return obj is None or obj.owner_id == ada.pk

    monkeypatch.setattr(DocumentAdmin, "has_change_permission", of_ada, raising=False)
    for owner in (ada, eve):
        Document.objects.create(title="draft", owner=owner)
    Document.objects.update(title="final")
    url = UNDO.format(newest().pk)
    assert left_out(as_superuser.get(url)) == [("Documents", "U", FORBIDDEN)]
    assert carry_out(as_superuser, url).status_code == 302
    assert Document.objects.get(title="final").owner == eve
