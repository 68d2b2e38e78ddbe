"""Dates and times that PostgreSQL has and Python has not: infinite ones, and those before Christ."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from audittrail.models import Revision
from tests.builders.sending import newest, sql
from tests.testapp.models import Specimen

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def specimen() -> Specimen:
    made = Specimen.objects.create(
        name="s", day=date(2026, 1, 5), moment=datetime(2026, 1, 5, tzinfo=UTC)
    )
    for day, moment in (("infinity", "-infinity"), ("0044-03-15 BC", "0044-03-15 12:00+00 BC")):
        sql(
            "UPDATE testapp_specimen SET day = %s, moment = %s WHERE id = %s",
            day,
            moment,
            made.pk,
        )
    sql(
        "UPDATE testapp_specimen SET day = NULL, moment = '2026-02-01 00:00+00' WHERE id = %s",
        made.pk,
    )
    return made


def test_steps_tell_dates_that_python_has_not(specimen: Specimen) -> None:
    told = [
        {
            change.attribute: (change.old, change.new)
            for change in step.changes
            if change.attribute in ("day", "moment")
        }
        for step in specimen.history.steps()
    ]
    told = sorted(told, key=str)
    day, moment = date(2026, 1, 5), datetime(2026, 1, 5, tzinfo=UTC)
    first = {"day": (None, day), "moment": (None, moment)}
    second = {"day": (day, "infinity"), "moment": (moment, "-infinity")}
    assert first in told and second in told
    (third,) = [step for step in told if step.get("day", ("", ""))[0] == "infinity"]
    assert third["day"][1] == "0044-03-15 BC"
    assert third["moment"][0] == "-infinity" and third["moment"][1].endswith(" BC")
    (fourth,) = [step for step in told if step.get("day", ("", ""))[0] == "0044-03-15 BC"]
    assert fourth["day"][1] is None and fourth["moment"][1] == datetime(2026, 2, 1, tzinfo=UTC)


def test_two_states_with_such_dates_are_compared(specimen: Specimen) -> None:
    revisions = Revision.objects.for_object(specimen).order_by("committed")
    infinite, ancient = revisions[1], revisions[2]
    changes = Specimen.history.diff(
        pk=specimen.pk, from_revision=infinite, to_revision=ancient, fields=["day"]
    )
    assert [(attribute, value) for attribute, value, _ in changes] == [("day", "0044-03-15 BC")]
    counts = infinite.compare(newest()).counts[Specimen]
    assert counts.updated == 1
