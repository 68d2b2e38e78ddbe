"""What is checked of the project, each function in a process of its own: `python -m tests.compatibility.project.checks NAME`."""

from __future__ import annotations

import sys
from typing import Any

import django

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import transaction  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import reverse  # noqa: E402

from audittrail import history  # noqa: E402
from audittrail.models import Revision  # noqa: E402
from tests.compatibility.project import trees  # noqa: E402
from tests.compatibility.project.others import other_histories_stand_beside_ours  # noqa: E402
from tests.compatibility.project.shelf import models as shelf  # noqa: E402
from tests.compatibility.project.till import models as till  # noqa: E402
from tests.compatibility.project.trees import (  # noqa: E402
    a_tree_of_the_past_is_not_written,
    relatives_are_of_the_moment,
    relatives_by_a_child_model_are_of_the_moment,
)

User = get_user_model()

__all__ = [
    "a_tree_of_the_past_is_not_written",
    "other_histories_stand_beside_ours",
    "relatives_are_of_the_moment",
    "relatives_by_a_child_model_are_of_the_moment",
]

MODELS = (shelf.Book, shelf.Line, shelf.Loan, shelf.Note, shelf.Counter, till.Line, User)


def begin() -> None:
    """Fill the database and change every kind of row."""
    call_command("migrate", verbosity=0)
    boss = User.objects.create_superuser("boss", password="boss")
    with history.context(user=boss), transaction.atomic():
        book = shelf.Book.objects.create(title_en="Winds", title_de="Winde")
        book.tags.add("sea", "old")
        shelf.Line.objects.create(book=book)
        shelf.Loan.objects.create(book=book, reader="first")
        shelf.Note.objects.create(text="first")
        shelf.Counter.objects.create(name="first")
        till.Line.objects.create(amount=5)
    with transaction.atomic():
        shelf.Book.objects.update(title_en="Tides", price=2)
        book.tags.remove("old")
        shelf.Line.objects.update(place=2)
        shelf.Loan.objects.update(reader="second")
        shelf.Note.objects.update(text="second")
        shelf.Counter.objects.update(value=2)
        till.Line.objects.update(amount=6)
        User.objects.update(first_name="Second")
    for model in (shelf.Line, shelf.Loan, shelf.Note, shelf.Counter, till.Line):
        model._base_manager.get().delete()
    trees.begin()


def moments() -> list[Revision]:
    """Return the revisions that made and that changed the rows."""
    versions = till.Line.history.versions.in_order()
    return [version.revision for version in versions][:2]


def versions_are_found() -> None:
    for model in MODELS:
        assert {v.operation for v in model.history.versions} >= {"I", "U"}, model


def the_past_is_read() -> None:
    made, changed = moments()
    assert shelf.Book.history(revision=made).get().title == "Winds"
    assert shelf.Book.history(revision=changed).get().title == "Tides"
    with history.travelling(made):
        assert sorted(tag.name for tag in shelf.Book.objects.get().tags.all()) == ["old", "sea"]
    assert shelf.Book.history(revision=made).get().lines.get().place == 1
    assert shelf.Loan.history(revision=made).get().reader == "first"
    assert shelf.Note.history(revision=made).get().text == "first"
    assert shelf.Counter.history(revision=changed).get().value == 2
    assert till.Line.history(revision=made).get().amount == 5
    assert User.history(revision=changed).get().first_name == "Second"


def differences_are_told() -> None:
    made, _changed = moments()
    for model in MODELS:
        assert changed_fields(model.history(revision=made).get()), model
    assert {"title_en", "price"} <= changed_fields(shelf.Book.history(revision=made).get())


def what_is_deleted_is_found() -> None:
    for model in (shelf.Line, shelf.Counter, till.Line):
        assert model.history.deleted().count() == 1, model
        assert model.history.deleted().first() is not None, model
    for model in MODELS:
        changed = moments()[1].get_changed_objects(model)
        assert len(list(changed)) == 1, model


def users_are_known() -> None:
    made, changed = moments()
    boss = User.objects.get()
    assert made.committed_by == boss
    assert Revision.objects.by_user(boss).get() == made
    assert changed.committed_by is None


def a_user_that_is_none_fails_no_write() -> None:
    for user in (lambda: shelf.Book.objects.get(), lambda: "not a key"):
        with history.context(user=user, reason="told"):
            line = till.Line.objects.create(amount=9)
        revision = line.history.versions.get().revision
        assert revision.committed_by_id is None
        assert revision.reason == "told"
        assert revision.context["audittrail_user"] in ("<Book: Tides>", "'not a key'"), (
            revision.context
        )
        line.delete()


def what_was_comes_back() -> None:
    made, changed = moments()
    for model in MODELS:
        before = {version.operation for version in model.history.versions}
        model.history(revision=made).restore()
        assert {version.operation for version in model.history.versions} >= before
    book = shelf.Book.objects.get()
    assert (book.title_en, book.price) == ("Winds", 1)
    assert till.Line.objects.get().amount == 5
    assert shelf.Loan.objects.get().reader == "first"
    assert shelf.Note.available_objects.get().text == "first"
    assert shelf.Counter.objects.get().value == 0
    changed.undo(on_conflict="skip")


def pages_answer() -> None:
    client = Client(raise_request_exception=True)
    client.force_login(User.objects.get())
    for path in ("", "audittrail/revisions/"):
        answer = client.get(f"/admin/{path}")
        assert answer.status_code == 200, (path, answer)
    made, _changed = moments()
    for model in MODELS:
        meta = model._meta
        name = f"admin:{meta.app_label}_{meta.model_name}"
        versions = model.history.versions.in_order()
        pk = getattr(versions[0], versions.model.key_names[0])
        addresses = [
            reverse(f"{name}_history", args=[pk]),
            reverse(f"{name}_audittrail_compare", args=[pk]),
            reverse(f"{name}_audittrail_version", args=[pk, versions[0].version]),
            reverse(f"{name}_audittrail_restore", args=[pk, versions[0].version]),
            reverse(f"{name}_audittrail_deleted"),
            reverse("admin:audittrail_revision", args=[made.pk]),
        ]
        for address in addresses:
            answer = client.get(address, follow=True)
            assert answer.status_code == 200, (address, answer.status_code)


def changed_fields(obj: Any) -> set[str]:
    """Return the names of the fields of an object that the second revision changed."""
    found = type(obj).history.diff(*moments(), pk=obj.pk)
    return {change.field.name for change in found if change.field is not None}


if __name__ == "__main__":
    globals()[sys.argv[1]]()
