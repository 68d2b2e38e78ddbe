"""A column that held null in JSON gets that back, and one that held SQL NULL gets SQL NULL: never the one for the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from audittrail.diff.json_null import JSON_NULL
from tests.builders.sending import newest, sql
from tests.testapp.models import Customer, Order, Specimen

pytestmark = pytest.mark.django_db(transaction=True)

#: SQL for a value, the text that a database has of it, and the value as a plan tells it.
SQL_NULL = ("NULL", None, None)
JSON = ("'null'", "null", JSON_NULL)
BOTH_WAYS = pytest.mark.parametrize(
    ("then", "now"), [(SQL_NULL, JSON), (JSON, SQL_NULL)], ids=["SQL NULL", "JSON null"]
)


def write(value: tuple[str, Any, Any]) -> None:
    sql(f"UPDATE testapp_specimen SET data = {value[0]}")


def stored() -> list[Any]:
    return [data for (data,) in sql("SELECT data::text FROM testapp_specimen ORDER BY id")]


@BOTH_WAYS
@pytest.mark.parametrize(
    "restore",
    [
        lambda rev: Specimen.history(revision=rev).all().restore(dry_run=True),
        lambda rev: Specimen.history(revision=rev).all().restore(fields=["data"], dry_run=True),
        lambda rev: newest().undo(dry_run=True),
        lambda rev: rev.restore_all(dry_run=True),
        lambda rev: rev.rollback_all_later_revisions(dry_run=True),
    ],
    ids=["restore", "fields", "undo", "restore_all", "rollback"],
)
def test_what_was_changed_goes_back(restore: Callable[[Any], Any], then: Any, now: Any) -> None:
    Specimen.objects.create(name="s")
    write(JSON)
    write(SQL_NULL)
    write(then)
    rev = newest()
    write(now)
    assert stored() == [now[1]]
    plan = restore(rev)
    ((change,),) = ((*row.changes,) for row in plan.tables[0].rows)
    assert (change.column, change.old, change.new) == ("data", now[2], then[2])
    plan.carry_out()
    assert stored() == [then[1]]


@pytest.mark.parametrize(
    "bring_back",
    [
        lambda rev: Specimen.history.deleted().undelete(),
        lambda rev: Specimen.history(revision=rev).all().restore(),
        lambda rev: newest().undo(),
        lambda rev: rev.restore_all(),
        lambda rev: rev.rollback_all_later_revisions(),
    ],
    ids=["undelete", "restore", "undo", "restore_all", "rollback"],
)
def test_what_was_deleted_comes_back(bring_back: Callable[[Any], Any]) -> None:
    Specimen.objects.create(pk=1, name="sql", data=None)
    Specimen.objects.create(pk=2, name="json", data=JSON_NULL)
    rev = newest()
    Specimen.objects.all().delete()
    plan = bring_back(rev)
    assert stored() == [None, "null"]
    told = [
        change.new
        for row in plan.tables[0].rows
        for change in row.changes
        if change.column == "data"
    ]
    assert told == [None, JSON_NULL]


def test_an_insertion_is_undone_and_done_again() -> None:
    Specimen.objects.create(name="json", data=JSON_NULL)
    plan = newest().undo()
    (row,) = plan.tables[0].rows
    assert {change.column: change.old for change in row.changes}["data"] == JSON_NULL
    newest().undo()
    assert stored() == ["null"]


def test_null_in_json_is_no_missing_value_of_a_column_that_must_have_one() -> None:
    """Its default is for SQL NULL, which the column can't hold."""
    customer = Customer.objects.create(name="c")
    Order.objects.create(customer=customer, reference="o", details=JSON_NULL)
    Order.objects.all().delete()
    plan = Order.history.deleted().undelete()
    assert plan.notes == ()
    assert sql("SELECT details::text FROM testapp_order") == [("null",)]
