"""In an array of JSON an element may be SQL NULL or null in JSON: changes, plans and pages tell which, and a restore brings back that."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.postgres.fields import ArrayField
from django.db import models

from audittrail.admin.display.values import shown
from audittrail.diff.display import display
from audittrail.diff.json_null import JSON_NULL, told_apart
from audittrail.management.lines import change_line
from tests.builders.sending import newest
from tests.builders.workshop import Workshop, create, shop, workshop_template

__all__ = ["shop", "workshop_template"]

SQL_NULL = ([None, {"a": None}], """{NULL,"{\\"a\\": null}"}""")
JSON = ([JSON_NULL, {"a": None}], """{"null","{\\"a\\": null}"}""")


@pytest.fixture
def item(shop: Workshop) -> Any:
    """Give an object whose array was first without null, then with SQL NULL, then with JSON null."""
    parts = ArrayField(models.JSONField(), null=True)
    table = ArrayField(ArrayField(models.JSONField()), null=True)
    shop.migrate(create("Item", ("parts", parts), ("table", table)))
    made = shop.Item.objects.create(parts=["null", {"a": None}])
    for text in (SQL_NULL[1], JSON[1]):
        shop.sql(f"UPDATE workshop_item SET parts = '{text}'")
    return made


def told(changes: Any) -> list[tuple[Any, Any]]:
    return [(change.old, change.new) for change in changes]


def test_changes_tell_them_apart(item: Any) -> None:
    steps = list(item.history.steps())
    assert told(steps[1].changes) == [(["null", {"a": None}], SQL_NULL[0])]
    assert told(steps[2].changes) == [(SQL_NULL[0], JSON[0])]
    assert [one.change.old for one in type(item).history.field_changes("parts", new=JSON[0])] == [
        SQL_NULL[0]
    ]
    (change,) = steps[2].changes
    line = change_line(change)
    before, after = line.removeprefix("parts: ").split(" -> ")
    assert before != after
    field = change.field
    assert display(field, change.old) != display(field, change.new)
    assert str(shown(field, change.old)) != str(shown(field, change.new))


def test_each_comes_back(shop: Workshop, item: Any) -> None:
    at_json = newest()
    shop.sql(f"UPDATE workshop_item SET parts = '{SQL_NULL[1]}'")
    plan = type(item).history(revision=at_json).all().restore(dry_run=True)
    ((change,),) = ((*row.changes,) for row in plan.tables[0].rows)
    assert (change.old, change.new) == (SQL_NULL[0], JSON[0])
    plan.carry_out()
    assert shop.sql("SELECT parts::text FROM workshop_item") == [(JSON[1],)]
    newest().undo()
    assert shop.sql("SELECT parts::text FROM workshop_item") == [(SQL_NULL[1],)]


def test_of_several_dimensions(shop: Workshop, item: Any) -> None:
    shop.sql("""UPDATE workshop_item SET "table" = '{{NULL,"null"},{"[null]","null"}}'""")
    (change,) = list(item.history.steps())[-1].changes
    assert change.new == [[None, JSON_NULL], [[None], JSON_NULL]]
    shop.sql("""UPDATE workshop_item SET "table" = '{}'""")
    (change,) = list(item.history.steps())[-1].changes
    assert change.new == []


def test_other_arrays_are_as_they_were() -> None:
    assert told_apart(ArrayField(models.TextField()), ["null", None], '{"null",NULL}') == [
        "null",
        None,
    ]
    assert told_apart(ArrayField(models.JSONField()), None, None) is None
