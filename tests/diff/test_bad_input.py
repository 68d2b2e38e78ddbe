"""What can't be compared is a clear error, at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.db import transaction
from django.utils import timezone

from audittrail.exceptions import (
    MomentError,
    NotTrackedError,
    TrackedLaterError,
    UnknownFieldError,
)
from audittrail.models import Revision
from tests.testapp.models import Customer, Order, OrderLine, Product

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])


@pytest.fixture
def revisions(transactional_db: None) -> tuple[Any, Any]:
    """Give two revisions of which the first inserted and the second renamed customer 1."""
    Customer.objects.create(pk=1, name="Ada")
    first = Revision.objects.newest()
    Customer.objects.update(name="Bea")
    return first, Revision.objects.newest()


#: Questions that have two revisions in their order, each on its own way in.
QUESTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "diff": lambda a, b: Customer.history.diff(a, b, pk=1),
    "steps": lambda a, b: Customer.history.steps(a, b, pk=1),
    "compare one": lambda a, b: Customer.history.compare(a, b, pk=1),
    "compare all": lambda a, b: Customer.history.compare(a, b),
    "object": lambda a, b: Customer.objects.get().history.diff(a, b),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_revisions_in_the_wrong_order(question: str, revisions: Any) -> None:
    first, second = revisions
    with pytest.raises(
        MomentError, match=rf"revision {second} comes after revision {first} .*earlier one first"
    ):
        QUESTIONS[question](second, first)


def test_a_database_in_the_wrong_order(revisions: Any) -> None:
    first, second = revisions
    with pytest.raises(MomentError, match="Give the earlier one first"):
        second.compare(first)


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_revision_of_another_database(question: str, revisions: Any) -> None:
    first, _ = revisions
    Customer.objects.using("other").create(name="elsewhere")
    other = Revision.objects.using("other").newest()
    with pytest.raises(MomentError, match="is of database 'other'"):
        QUESTIONS[question](first, other)
    with pytest.raises(MomentError, match="is of database 'other'"):
        first.compare(other)


@pytest.mark.parametrize("question", QUESTIONS)
def test_what_is_no_moment(question: str, revisions: Any) -> None:
    first, second = revisions
    for wrong, message in (
        (first.pk, "not 1?[0-9]+"),
        ("2026-01-01", "not '2026-01-01'"),
        (datetime(2026, 1, 1), "does not say which time zone"),  # noqa: DTZ001
        (Revision(pk=1), "was not read from a database"),
    ):
        with pytest.raises(MomentError, match=message):
            QUESTIONS[question](wrong, second)
    with pytest.raises(Revision.DoesNotExist):
        QUESTIONS[question](datetime(1999, 1, 1, tzinfo=UTC), second)


def test_an_open_revision(revisions: Any) -> None:
    with transaction.atomic():
        Customer.objects.update(name="open")
        still_open = Revision.objects.get(committed=None)
        with pytest.raises(MomentError, match="is still open"):
            Customer.history.diff(revisions[0], still_open, pk=1)
        # Its changes are none yet.
        assert [c.new for c in Customer.history.diff(revisions[0], pk=1)] == ["Bea"]
        assert Customer.history.compare(revisions[0], pk=1).after.name == "Bea"
        assert revisions[1].compare().counts == {}


@pytest.mark.parametrize("pk", [2, "17"])
def test_an_unknown_key(pk: Any, revisions: Any) -> None:
    for question in (Customer.history.diff, Customer.history.steps, Customer.history.compare):
        with pytest.raises(
            Customer.DoesNotExist, match=f"no testapp.Customer with primary key {pk!r}"
        ):
            question(*revisions, pk=pk)


@pytest.mark.parametrize(
    ("model", "pk"),
    [
        (Customer, "abc"),
        (Customer, (1, 2)),
        (Customer, [1]),
        (OrderLine, 1),
        (OrderLine, (1, 2, 3)),
        (OrderLine, (1, None)),
        (Product, "no uuid"),
    ],
)
def test_what_is_no_key(model: Any, pk: Any, revisions: Any) -> None:
    for question in (model.history.diff, model.history.compare):
        with pytest.raises(ValueError, match="can't be a primary key of"):
            question(*revisions, pk=pk)


def test_a_key_is_needed_once(revisions: Any) -> None:
    with pytest.raises(TypeError, match=r"needs a primary key, pk="):
        Customer.history.diff(*revisions)
    with pytest.raises(TypeError, match="takes no other key"):
        Customer.objects.get().history.steps(*revisions, pk=1)
    with pytest.raises(ValueError, match="has no primary key"):
        Customer(name="new").history.diff(*revisions)


def test_unknown_fields(revisions: Any) -> None:
    for question in (Customer.history.diff, Customer.history.compare):
        with pytest.raises(
            UnknownFieldError,
            match=r"no field 'nmae' in its history, which knows email, favourites, id, name, vip",
        ):
            question(*revisions, pk=1, fields=["name", "nmae"])
    with pytest.raises(UnknownFieldError, match="no field 'orders'"):
        Customer.history.compare(*revisions, fields="orders")


def test_a_model_that_is_not_tracked(revisions: Any) -> None:
    for question in (Session.history.diff, Session.history.compare):
        with pytest.raises(NotTrackedError, match=r"sessions.Session is not tracked"):
            question(*revisions, pk="x")
    with pytest.raises(NotTrackedError, match=r"sessions.Session is not tracked"):
        revisions[0].compare().objects(Session)


def test_a_moment_before_tracking_began(revisions: Any) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT audittrail.untrack(id) FROM audittrail.tracked_table WHERE table_name = 'testapp_customer' AND until_version IS NULL"
        )
        cursor.execute("SELECT audittrail.track('testapp_customer')")
    Customer.objects.update(name="later")
    for question in QUESTIONS.values():
        with pytest.raises(
            TrackedLaterError, match=r"'testapp_customer' is tracked only since \d{4}-"
        ):
            question(revisions[0], None)
    assert [c.new for c in Customer.history.diff(pk=1)] == ["later"]


def test_a_database_without_revisions() -> None:
    assert Revision.objects.using("other").newest() is None
    assert list(Customer.history.compare(using="other")) == []
    with pytest.raises(Customer.DoesNotExist):
        Customer.history.diff(pk=1, using="other")


def test_each_database_has_its_own_changes(revisions: Any) -> None:
    other = Customer.objects.using("other").create(pk=1, name="elsewhere")
    since = Revision.objects.using("other").newest()
    Customer.objects.using("other").update(name="there")
    assert [c.new for c in other.history.diff(since)] == ["there"]
    assert [c.new for c in Customer.history.diff(since, pk=1)] == ["there"]
    assert [c.new for c in Customer.history.diff(revisions[0], pk=1)] == ["Bea"]
    assert [one.after.name for one in Customer.history.compare(since)] == ["there"]
    assert len(since.compare().counts) == 1
    now = timezone.now() + timedelta(seconds=1)
    assert [c.new for c in Customer.history.diff(since, now, pk=1, using="other")] == ["there"]
    assert list(Order.history.compare(since)) == []
