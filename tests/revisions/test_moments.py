"""A moment finds the last revision committed at or before it, to the microsecond, in any time zone."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import transaction
from django.utils import timezone as django_timezone

from audittrail import history
from audittrail.exceptions import MomentError
from audittrail.models import Revision
from tests.testapp.models import Tag

pytestmark = pytest.mark.django_db(transaction=True)

TICK = timedelta(microseconds=1)


def made(name: str) -> Revision:
    """Commit a revision and return it."""
    Tag.objects.create(name=name)
    revision = Revision.objects.get(pk=Tag.history.versions.get(name=name).revision_id)  # type: ignore[attr-defined]
    assert isinstance(revision, Revision)
    return revision


def moment(revision: Revision) -> datetime:
    """Return when a revision was committed."""
    assert revision.committed_at is not None
    return revision.committed_at


def test_just_before_at_and_after_a_commit() -> None:
    first, second = made("a"), made("b")
    assert moment(first) < moment(second)
    at = moment(second)
    assert Revision.objects.get_by_timestamp(at - TICK) == first
    assert Revision.objects.get_by_timestamp(at) == second
    assert Revision.objects.get_by_timestamp(at + TICK) == second
    assert Revision.objects.get_by_timestamp(moment(first)) == first


def test_before_the_first_revision_there_is_none() -> None:
    first = made("a")
    with pytest.raises(Revision.DoesNotExist, match="No revision was committed at or before"):
        Revision.objects.get_by_timestamp(moment(first) - TICK)


def test_far_away_moments() -> None:
    first = made("a")
    assert Revision.objects.get_by_timestamp(datetime.max.replace(tzinfo=UTC)) == first
    with pytest.raises(Revision.DoesNotExist):
        Revision.objects.get_by_timestamp(datetime.min.replace(tzinfo=UTC))


@pytest.mark.parametrize(
    "zone",
    [UTC, ZoneInfo("Asia/Kolkata"), ZoneInfo("America/New_York"), timezone(timedelta(hours=-11))],
)
def test_the_same_moment_in_any_time_zone(zone: Any) -> None:
    first, second = made("a"), made("b")
    assert Revision.objects.get_by_timestamp(moment(second).astimezone(zone)) == second
    assert Revision.objects.get_by_timestamp((moment(second) - TICK).astimezone(zone)) == first


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/Los_Angeles"])
def test_a_naive_moment_is_one_of_the_current_time_zone(zone: str) -> None:
    first, second = made("a"), made("b")
    with django_timezone.override(zone):
        naive = moment(second).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        assert Revision.objects.get_by_timestamp(naive) == second
        assert Revision.objects.get_by_timestamp(naive - TICK) == first


def test_of_revisions_with_the_same_time_the_last_in_commit_order_counts() -> None:
    first, second, third = made("a"), made("b"), made("c")
    with history.editing("dated alike"):
        Revision.objects.filter(pk__in=[first.pk, second.pk, third.pk]).update(
            committed_at=datetime(2000, 1, 1, tzinfo=UTC)
        )
    found = Revision.objects.get_by_timestamp(datetime(2000, 1, 1, tzinfo=UTC))
    assert found == third


def test_an_open_revision_is_not_found() -> None:
    first = made("a")
    with transaction.atomic():
        Tag.objects.create(name="b")
        assert Revision.objects.get_by_timestamp(django_timezone.now() + timedelta(days=1)) == first


def test_the_time_is_that_of_the_commit_not_of_the_start() -> None:
    with transaction.atomic():
        Tag.objects.create(name="a")
        between = django_timezone.now()
    assert moment(Revision.objects.get()) >= between  # type: ignore[arg-type]


def test_a_queryset_that_is_narrowed_down_finds_among_its_own() -> None:
    with history.context(user=1):
        first = made("a")
    second = made("b")
    assert Revision.objects.by_user(1).get_by_timestamp(moment(second)) == first


@pytest.mark.parametrize("wrong", [None, "2025-01-01", 5, date(2025, 1, 1)])
def test_what_is_no_moment_is_refused(wrong: Any) -> None:
    with pytest.raises(MomentError, match=f"by a datetime, not by {re.escape(repr(wrong))}"):
        Revision.objects.get_by_timestamp(wrong)


@pytest.mark.django_db(transaction=True)
def test_of_transactions_that_commit_at_once_the_one_with_the_later_tick_is_the_last() -> None:
    # One may take its tick first and read the clock last.
    Tag.objects.create(name="first tick")
    Tag.objects.create(name="second tick")
    earlier, later = Revision.objects.order_by("committed")
    assert later.committed_at is not None
    with history.editing("Commits at once"):
        Revision.objects.filter(pk=earlier.pk).update(
            committed_at=later.committed_at + timedelta(microseconds=1)
        )
    assert (
        Revision.objects.get_by_timestamp(later.committed_at + timedelta(milliseconds=1)) == later
    )
