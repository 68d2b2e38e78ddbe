"""Columns that came, went and changed: what is told of them."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from audittrail import history
from audittrail.capture import tracking
from audittrail.diff.images import RowImage, dropped_changes
from audittrail.diff.versions import version_changes
from audittrail.models import Revision
from tests.builders.sending import sql
from tests.diff.telling import by_attribute
from tests.testapp.models import Tag

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def tag(transactional_db: None) -> Iterator[Any]:
    """Give a tag whose table had the columns `weight` and `secret` when it changed, and has them no more."""
    for statement in (
        "ALTER TABLE testapp_tag ADD weight numeric, ADD secret text",
        "SELECT audittrail.track('testapp_tag')",
        "INSERT INTO testapp_tag (name, weight, secret) VALUES ('a', 1.0, 'one')",
        "UPDATE testapp_tag SET weight = 1.00, secret = 'two'",
        "UPDATE testapp_tag SET name = 'b'",
        "ALTER TABLE testapp_tag DROP weight, DROP secret",
        "SELECT audittrail.track('testapp_tag')",
        "UPDATE testapp_tag SET name = 'c'",
    ):
        sql(statement)
    yield Tag.objects.get()
    # The history table is made anew, without what this test has left in it.
    for statement in (
        "SELECT audittrail.untrack(id) FROM audittrail.tracked_table WHERE table_name = 'testapp_tag' AND until_version IS NULL",
        "DROP TABLE audittrail.testapp_tag_history",
        "DELETE FROM audittrail.tracked_table WHERE history_name = 'testapp_tag_history'",
        "SELECT audittrail.track('testapp_tag', wanted_history => 'testapp_tag_history')",
    ):
        sql(statement)


def test_dropped_columns_are_told_on_request(tag: Any) -> None:
    versions = list(Tag.history.versions.in_order())
    plain = [by_attribute(found.changes) for found in version_changes(versions)]
    assert plain == [
        {"id": (None, tag.pk), "name": (None, "a")},
        {},
        {"name": ("a", "b")},
        {"name": ("b", "c")},
    ]
    found = version_changes(versions, dropped=True)
    assert [by_attribute(one.changes) for one in found] == [
        {
            "id": (None, tag.pk),
            "name": (None, "a"),
            "weight": (None, Decimal("1.0")),
            "secret": (None, "one"),
        },
        {"weight": (Decimal("1.0"), Decimal("1.00")), "secret": ("one", "two")},
        {"name": ("a", "b")},
        {"name": ("b", "c"), "weight": (Decimal("1.00"), None), "secret": ("two", None)},
    ]
    (change,) = (c for c in found[1].changes if c.attribute == "weight")
    assert change.field is None
    assert [str(value) for value in (change.old, change.new)] == ["1.0", "1.00"]


def test_dropped_columns_in_the_steps_of_an_object(tag: Any) -> None:
    assert [by_attribute(step.changes) for step in tag.history.steps()][1:] == [
        {"name": ("a", "b")},
        {"name": ("b", "c")},
    ]
    steps = list(tag.history.steps(dropped=True))
    assert len(steps) == 4
    assert by_attribute(steps[1].changes)["secret"] == ("one", "two")


def test_what_made_room_for_a_masked_or_excluded_column_is_not_shown(
    tag: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sql("ALTER TABLE audittrail.testapp_tag_history RENAME secret TO name_until_1")
    versions = list(Tag.history.versions.in_order())
    found = version_changes(versions, dropped=True)
    assert by_attribute(found[1].changes)["name_until_1"] == ("one", "two")
    monkeypatch.setitem(tracking._registered, Tag, tracking.Options(mask=("name",)))
    (change,) = (
        c
        for c in version_changes(versions, dropped=True)[1].changes
        if c.attribute == "name_until_1"
    )
    assert (change.masked, change.old, change.new) == (True, None, None)


def test_what_made_room_for_a_masked_column_is_known_by_the_name_that_the_database_cuts() -> None:
    name = "é" * 26
    ((retired,),) = sql(
        "SELECT audittrail.retired_name('audittrail.testapp_tag_history'::regclass, %s)", name
    )
    assert retired == f"{'é' * 25}_until_1"
    old, new = (RowImage(Tag(), dropped={retired: value}) for value in ("one", "two"))
    (change,) = dropped_changes(old, new, None, {name})
    assert (change.masked, change.old, change.new) == (True, None, None)
    (change,) = dropped_changes(old, new, None, {"é"})
    assert (change.masked, change.old, change.new) == (False, "one", "two")


def test_a_column_that_came_later_has_no_value_before() -> None:
    Tag.objects.create(name="a")
    first = Revision.objects.newest()
    for statement in (
        "ALTER TABLE testapp_tag DROP name",
        "ALTER TABLE testapp_tag ADD name varchar(50)",
        "UPDATE testapp_tag SET name = 'made'",
        "SELECT audittrail.track('testapp_tag')",
    ):
        sql(statement)
    try:
        (change,) = Tag.history.diff(first, pk=Tag.objects.get().pk)
        assert (change.old, change.new) == (None, "made")
        assert [one.operation for one in Tag.history.compare(first)] == ["U"]
        (step,) = history.of(Tag).steps(first, pk=Tag.objects.get().pk, dropped=True)
        assert by_attribute(step.changes)["name_until_1"] == ("a", None)
    finally:
        sql("ALTER TABLE testapp_tag ALTER name SET NOT NULL, ADD UNIQUE (name)")
        sql("ALTER TABLE audittrail.testapp_tag_history DROP name_until_1")
        sql("SELECT audittrail.track('testapp_tag')")
