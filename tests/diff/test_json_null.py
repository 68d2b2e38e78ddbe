"""SQL NULL and null in JSON are different values, although Django reads both as None: what changed tells them apart."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import models, transaction

from audittrail import history
from audittrail.diff.json_null import JSON_NULL, is_json_null
from audittrail.diff.labels import labels
from audittrail.diff.versions import version_changes
from audittrail.management.lines import change_line
from audittrail.models import Revision
from tests.builders.sending import newest, sql
from tests.testapp.models import Order, Specimen

pytestmark = pytest.mark.django_db(transaction=True)

TO_SQL_NULL = "UPDATE testapp_specimen SET data = NULL"
TO_JSON_NULL = "UPDATE testapp_specimen SET data = 'null'"


def of_data(changes: Any) -> list[tuple[Any, Any]]:
    return [(change.old, change.new) for change in changes if change.attribute == "data"]


@pytest.fixture
def specimen() -> Specimen:
    """Give a specimen that held a document, SQL NULL, JSON null, SQL NULL and JSON null again, and was deleted."""
    found = Specimen.objects.create(pk=7, name="s", data={"a": None})
    for statement in (TO_SQL_NULL, TO_JSON_NULL, TO_SQL_NULL, TO_JSON_NULL):
        sql(statement)
    found.delete()
    return Specimen(pk=7)


STEPS = [
    (None, {"a": None}),
    ({"a": None}, None),
    (None, JSON_NULL),
    (JSON_NULL, None),
    (None, JSON_NULL),
    (JSON_NULL, None),
]


def test_each_step_tells_them_apart(specimen: Specimen) -> None:
    assert of_data(specimen.history.diff()) == STEPS
    steps = list(specimen.history.steps())
    assert [step.operation for step in steps] == list("IUUUUD")
    assert [of_data(step.changes) for step in steps] == [[one] for one in STEPS]
    versions = Specimen.history.versions.in_order()
    found = version_changes(versions)
    assert [of_data(one.changes) for one in found] == [[one] for one in STEPS]
    assert found[3].version.data is None  # type: ignore[attr-defined]


def test_two_moments_tell_them_apart(specimen: Specimen) -> None:
    first, second, third = Revision.objects.order_by("committed")[1:4]
    (one,) = Specimen.history.compare(first, second)
    assert of_data(one.changes) == [(None, JSON_NULL)]
    assert (one.before.data, one.after.data) == (None, None), "objects are as Django reads them"
    assert list(Specimen.history.compare(first, third)) == []
    (one,) = first.compare(second).objects(Specimen)
    assert of_data(one.changes) == [(None, JSON_NULL)]


def test_changes_are_looked_for_by_the_one_or_the_other(specimen: Specimen) -> None:
    def found(**values: Any) -> list[tuple[Any, Any]]:
        return of_data(one.change for one in Specimen.history.field_changes("data", **values))

    assert found() == STEPS
    assert found(new=JSON_NULL) == [(None, JSON_NULL)] * 2
    assert found(old=JSON_NULL, new=None) == [(JSON_NULL, None)] * 2
    assert found(old={"a": None}, new=None) == [({"a": None}, None)]
    assert found(old={"a": None}, new=JSON_NULL) == []


def test_the_last_change_of_a_value_that_is_null() -> None:
    order = Order.objects.create(reference="o", customer_id=_customer())
    with history.context(reason="emptied"):
        sql("UPDATE testapp_order SET details = 'null'")
    change = order.history.last_changes(fields=["details"])["details"]
    assert (change.old, change.new, change.revision.reason) == ({}, JSON_NULL, "emptied")


def _customer() -> Any:
    ((key,),) = sql(
        "INSERT INTO testapp_customer (name, email, vip) VALUES ('c', '', false) RETURNING id"
    )
    return key


def test_an_insertion_with_null_in_json_gives_the_field_a_value() -> None:
    Specimen.objects.create(name="json", data=models.Value(None, models.JSONField()))
    Specimen.objects.create(name="sql", data=None)
    told = {
        one.version.name: of_data(one.changes)  # type: ignore[attr-defined]
        for one in version_changes(Specimen.history.versions.all())
    }
    assert told == {"json": [(None, JSON_NULL)], "sql": []}


def test_a_transaction_that_passes_through_null_changes_nothing() -> None:
    specimen = Specimen.objects.create(name="s")
    before = newest()
    with transaction.atomic():
        sql(TO_JSON_NULL)
        sql(TO_SQL_NULL)
    assert list(specimen.history.diff(before)) == []


def test_people_read_the_difference(specimen: Specimen) -> None:
    changes = [change for change in specimen.history.diff() if change.attribute == "data"]
    assert [(one.old, one.new) for one in labels(changes)][1:4] == [
        ('{"a": null}', ""),
        ("", "null"),
        ("null", ""),
    ]
    assert change_line(changes[2]) == "data: None -> null"


def test_what_is_told_can_be_stored_again() -> None:
    """The value that a change tells is one that Django takes, by each of its ways of writing."""
    specimen = Specimen.objects.create(name="s", data=JSON_NULL)
    (change,) = specimen.history.diff(fields=["data"])
    assert is_json_null(change.new)
    for write in (specimen.save, lambda: Specimen.objects.update(data=change.new)):
        sql(TO_SQL_NULL)
        specimen.data = change.new
        write()
        assert sql("SELECT data::text FROM testapp_specimen") == [("null",)]
    assert Specimen.objects.filter(data=change.new).exists()


def test_a_text_that_says_null_is_a_text() -> None:
    specimen = Specimen.objects.create(name="null", data="null")
    assert [(c.old, c.new) for c in specimen.history.diff(fields=["name", "data"])] == [
        (None, "null"),
        (None, "null"),
    ]
