"""Undo of one revision: field by field, with later changes named."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F

from audittrail.exceptions import MomentError, RestoreConflictError, RestoreError
from audittrail.models import Revision
from audittrail.testing import assert_no_new_history, close_revision
from tests.builders.sending import newest
from tests.restore.truth import content, verified
from tests.testapp import models as m

pytestmark = pytest.mark.django_db(transaction=True)


def test_inserted_deleted_and_updated_rows_go_back(created: Revision) -> None:
    before = content()
    with transaction.atomic():
        zoe = m.Customer.objects.create(name="New")
        zoe.favourites.add(m.Product.objects.all()[0])
        m.Order.objects.filter(reference="R00").delete()
        m.Product.objects.update(price=F("price") + 1)
        m.OrderLine.objects.filter(number=2).update(number=7)
    rev = newest()
    later = m.Tag.objects.create(name="later")
    plan = rev.undo()
    assert plan.inserted and plan.deleted and plan.updated
    assert m.Tag.objects.filter(pk=later.pk).exists()
    later.delete()
    assert content() == before
    assert verified() == []
    assert newest().pk != rev.pk
    assert rev.undo(dry_run=True).is_empty


def test_other_fields_of_the_row_are_left_alone() -> None:
    ada = m.Person.objects.create(name="Ada", email="a@example.org")
    m.Person.objects.update(name="Bea")
    rev = newest()
    m.Person.objects.update(email="b@example.org")
    rev.undo()
    ada.refresh_from_db()
    assert (ada.name, ada.email) == ("Ada", "b@example.org")


@pytest.fixture
def contested() -> tuple[Any, Any]:
    """Give an object and a revision whose change of the name was changed again, and that of the email was not."""
    ada = m.Person.objects.create(name="Ada", email="a@example.org")
    m.Person.objects.update(name="Bea", email="b@example.org")
    rev = newest()
    m.Person.objects.update(name="Cyd")
    return ada, rev


def test_later_changes_are_refused_and_named(contested: Any) -> None:
    ada, rev = contested
    with (
        assert_no_new_history(),
        pytest.raises(RestoreConflictError, match="changed again") as caught,
    ):
        rev.undo()
    (conflict,) = caught.value.plan.conflicts
    assert (conflict.kind, conflict.key, conflict.columns) == (
        "changed since",
        (str(ada.pk),),
        ("name",),
    )


def test_later_changes_are_kept_if_so_told(contested: Any) -> None:
    ada, rev = contested
    plan = rev.undo(on_conflict="skip")
    ada.refresh_from_db()
    assert (ada.name, ada.email) == ("Cyd", "a@example.org")
    assert len(plan.conflicts) == 1


def test_later_changes_are_overridden_if_so_told(contested: Any) -> None:
    ada, rev = contested
    rev.undo(on_conflict="override")
    ada.refresh_from_db()
    assert (ada.name, ada.email) == ("Ada", "a@example.org")


def test_a_change_that_came_back_to_the_same_value_is_no_conflict(contested: Any) -> None:
    ada, rev = contested
    m.Person.objects.update(name="Bea")
    rev.undo()
    ada.refresh_from_db()
    assert ada.name == "Ada"


@pytest.mark.parametrize("how", ["skip", "override"])
def test_a_row_that_is_gone_stays_away(contested: Any, how: Any) -> None:
    ada, rev = contested
    ada.delete()
    with pytest.raises(RestoreConflictError):
        rev.undo()
    plan = rev.undo(on_conflict=how)
    assert plan.is_empty and not m.Person.objects.exists()
    assert plan.conflicts or plan.notes


def test_an_inserted_row_that_was_changed_is_a_conflict() -> None:
    tag = m.Tag.objects.create(name="a")
    rev = newest()
    m.Tag.objects.update(name="b")
    with assert_no_new_history(), pytest.raises(RestoreConflictError):
        rev.undo()
    assert rev.undo(on_conflict="skip").is_empty and m.Tag.objects.filter(pk=tag.pk).exists()
    rev.undo(on_conflict="override")
    assert not m.Tag.objects.exists()


def test_a_deleted_row_that_is_there_again_is_a_conflict() -> None:
    tag = m.Tag.objects.create(name="a")
    pk = tag.pk
    tag.delete()
    rev = newest()
    m.Tag.objects.create(pk=pk, name="b")
    with assert_no_new_history(), pytest.raises(RestoreConflictError):
        rev.undo()
    rev.undo(on_conflict="override")
    assert m.Tag.objects.get().name == "a"


def test_rows_that_others_refer_to_by_now_are_protected() -> None:
    zoe = m.Customer.objects.create(name="Zoe")
    rev = newest()
    m.Order.objects.create(customer=zoe, reference="A1")
    for how in ("refuse", "override"):
        with (
            assert_no_new_history(),
            pytest.raises(RestoreConflictError, match="refer to it") as caught,
        ):
            rev.undo(on_conflict=how)
        assert [conflict.kind for conflict in caught.value.plan.conflicts] == ["protected"]
    assert rev.undo(on_conflict="skip").is_empty


def test_swapped_keys_and_unique_values() -> None:
    for i, label in enumerate("abc"):
        m.Seat.objects.create(label=label, position=i)
    before = content()
    with connection.cursor() as cursor, transaction.atomic():
        cursor.execute("UPDATE testapp_seat SET label = 'x' WHERE label = 'a'")
        cursor.execute("UPDATE testapp_seat SET label = 'a' WHERE label = 'b'")
        cursor.execute("UPDATE testapp_seat SET label = 'b' WHERE label = 'x'")
        cursor.execute("UPDATE testapp_seat SET id = id + 100")
    newest().undo()
    assert content() == before


def test_an_open_revision_can_not_be_undone(created: Revision) -> None:
    with transaction.atomic():
        m.Tag.objects.create(name="x")
        open_revision = Revision.objects.get(committed=None)
        with pytest.raises(MomentError, match="still open"):
            open_revision.undo()


def test_unknown_ways_to_deal_with_conflicts(created: Revision) -> None:
    with pytest.raises(RestoreError, match="'refuse', 'skip', 'override'"):
        created.undo(on_conflict="ignore")  # type: ignore[arg-type]


def test_the_undo_of_an_undo_is_the_change() -> None:
    m.Tag.objects.create(name="a")
    m.Tag.objects.update(name="b")
    newest().undo()
    assert m.Tag.objects.get().name == "a"
    newest().undo()
    assert m.Tag.objects.get().name == "b"
    assert close_revision() is None
