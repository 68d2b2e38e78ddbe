"""Dates, times and intervals that PostgreSQL has and Python has not: every page answers, and shows them as text."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from tests.admin.histories import address, changed, plain, shown
from tests.admin.reading import text_of
from tests.builders.sending import newest, sql
from tests.testapp.models import Specimen

pytestmark = pytest.mark.django_db(transaction=True)

VALUES = {
    "day": ("infinity", "0044-03-15 BC", "12026-01-01"),
    "moment": ("-infinity", "0044-03-15 12:00:00+00 BC", "12026-01-01 00:00:00+00"),
    "clock": ("24:00:00", "24:00:00", "24:00:00"),
    "span": ("4000000 years", "-4000000 years", "4000000 years"),
    "date_range": ("[-infinity,infinity)", '["0044-03-15 BC",2020-01-01)', "[12026-01-01,)"),
    "moment_range": (
        '[-infinity,"2026-01-01 00:00:00+00")',
        '["0044-03-15 12:00:00+00 BC",)',
        '["12026-01-01 00:00:00+00",)',
    ),
}


@pytest.fixture(params=sorted(VALUES))
def strange(request: Any, transactional_db: None) -> tuple[Specimen, str, list[Any]]:
    """Give an object, a column that has held each of the values, and the revisions that left them there."""
    column = request.param
    made = Specimen.objects.create(name="s")
    revisions = []
    for number, value in enumerate(VALUES[column]):
        sql(f"UPDATE testapp_specimen SET {column} = %s, small = %s", value, number)
        revisions.append(newest())
    sql(f"UPDATE testapp_specimen SET {column} = NULL, small = 9")
    revisions.append(newest())
    return made, column, revisions


def stored(column: str, number: int) -> str:
    """Return the beginning of a value as PostgreSQL writes it."""
    return sql(f"SELECT ('{VALUES[column][number]}'::{_TYPES[column]})::text")[0][0]


_TYPES = {
    "day": "date",
    "moment": "timestamptz",
    "clock": "time",
    "span": "interval",
    "date_range": "daterange",
    "moment_range": "tstzrange",
}


def test_the_timeline(as_superuser: Any, strange: Any) -> None:
    made, column, _ = strange
    page = as_superuser.get(address(made))
    assert page.status_code == 200
    text = plain(text_of(page))
    assert all(stored(column, number) in text for number in range(3))


def test_a_version_and_two_of_them_compared(as_superuser: Any, strange: Any) -> None:
    made, column, revisions = strange
    label = column.replace("_", " ").capitalize()
    assert shown(as_superuser.get(address(made, revisions[0].pk)))[label] == stored(column, 0)
    page = as_superuser.get(
        address(made, "compare"), {"from": revisions[0].pk, "to": revisions[3].pk}
    )
    assert changed(page)[label] == (stored(column, 0), "none")


def test_the_revision_and_the_list_of_what_was_deleted(as_superuser: Any, strange: Any) -> None:
    made, column, revisions = strange
    page = as_superuser.get(f"/admin/audittrail/revisions/{revisions[1].pk}/")
    assert page.status_code == 200
    sql(f"UPDATE testapp_specimen SET {column} = '{VALUES[column][0]}'")
    sql("DELETE FROM testapp_specimen")
    assert as_superuser.get("/admin/testapp/specimen/audittrail/deleted/").status_code == 200
    assert as_superuser.get(address(made)).status_code == 200


def test_what_restoring_would_do(strange: Any) -> None:
    made, column, revisions = strange
    plan = Specimen.history(revision=revisions[1]).filter(pk=made.pk).restore(dry_run=True)
    ((row,),) = (table.rows for table in plan.tables)
    (change,) = [one for one in row.changes if one.column == column]
    assert (change.old, change.new) == (None, stored(column, 1))
    assert stored(column, 1)[:20] in str(change.new)
    plan.carry_out()
    assert sql(f"SELECT {column}::text FROM testapp_specimen") == [(stored(column, 1),)]
    undone = newest().undo(dry_run=True)
    assert undone.updated == 1
    sql("DELETE FROM testapp_specimen")
    back = Specimen.history.deleted().undelete(dry_run=True)
    assert back.inserted == 1
    back.carry_out()
    assert sql(f"SELECT {column}::text FROM testapp_specimen") == [(stored(column, 1),)]


def test_the_previews(as_superuser: Any, strange: Any) -> None:
    made, column, revisions = strange
    page = as_superuser.get(address(made, revisions[0].pk, "restore"))
    assert page.status_code == 200 and stored(column, 0) in plain(text_of(page))
    assert (
        as_superuser.get(f"/admin/audittrail/revisions/{revisions[3].pk}/undo/").status_code == 200
    )
    sql(f"UPDATE testapp_specimen SET {column} = '{VALUES[column][0]}'")
    sql("DELETE FROM testapp_specimen")
    assert as_superuser.get(f"/admin/audittrail/revisions/{newest().pk}/undo/").status_code == 200


def test_steps_and_differences(strange: Any) -> None:
    made, column, revisions = strange
    told = [
        (change.old, change.new)
        for step in made.history.steps()
        for change in step.changes
        if change.attribute == column
    ]
    texts = [stored(column, number) for number in range(3)]
    pairs = [(None, texts[0]), *pairwise(texts), (texts[2], None)]
    assert sorted(told, key=str) == sorted([(a, b) for a, b in pairs if a != b], key=str)
    changes = Specimen.history.diff(
        pk=made.pk, from_revision=revisions[0], to_revision=revisions[3], fields=[column]
    )
    assert [change.new for change in changes] == [
        text for before, text in zip(texts, [*texts[1:], None], strict=True) if text != before
    ]
    assert revisions[0].compare(revisions[3]).counts[Specimen].updated == 1


def test_dates_of_rows_at_the_ends_of_the_calendar(as_superuser) -> None:
    one = Specimen.objects.create(name="ends", day="9999-12-31", moment="9999-12-31T23:59:59+00:00")
    Specimen.objects.update(day="0001-01-01", moment="0001-01-01T00:00:00+00:00")
    number = newest().pk
    for page in ("", "compare/", f"{number}/", f"{number}/restore/"):
        assert as_superuser.get(address(one) + page).status_code == 200, page
