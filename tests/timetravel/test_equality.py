"""As of the newest revision the ORM answers as on the live tables, and what it answered never changes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from django.db import models
from django.db.models.query import QuerySet

from audittrail import history
from tests.builders import world
from tests.builders.sending import newest
from tests.timetravel.queries import QUERIES, All, Query

pytestmark = pytest.mark.django_db(transaction=True)


def present(model: Any) -> Any:
    return model.objects.all()


def noted(answer: Any) -> Any:
    """Return an answer as plain values, in its order if it has one."""
    if isinstance(answer, QuerySet):
        rows = [noted(item) for item in answer]
        return rows if answer.ordered else sorted(rows, key=repr)
    if isinstance(answer, models.Model):
        # The password is excluded from history.
        values = {key: value for key, value in vars(answer).items() if not key.startswith("_")}
        return type(answer).__name__, noted({**values, "password": None})
    if isinstance(answer, dict):
        return {key: noted(value) for key, value in answer.items() if key != "password"}
    if isinstance(answer, memoryview):
        return bytes(answer)
    if isinstance(answer, Iterable) and not isinstance(answer, str | bytes):
        return [noted(item) for item in answer]
    return answer


def answers(queries: list[Query], everything: All) -> list[Any]:
    return [answer(query, everything) for query in queries]


def answer(query: Query, everything: All) -> Any:
    try:
        return noted(query(everything))
    except Exception as error:  # noqa: BLE001 - it is an answer, too
        return f"{type(error).__name__}: {error}"


def differences(first: list[Any], second: list[Any]) -> dict[int, tuple[Any, Any]]:
    pairs = enumerate(zip(first, second, strict=True))
    return {number: (one, other) for number, (one, other) in pairs if one != other}


def test_there_are_enough_queries() -> None:
    assert len(QUERIES) >= 150


def test_the_past_answers_as_the_present_did(created: Any) -> None:
    # One test for all groups: filling and emptying the tables takes longer than the queries.
    before = answers(QUERIES, present)
    assert [found for found in before if isinstance(found, str) and "Error: " in found] == []
    assert (
        differences(before, answers(QUERIES, lambda model: model.history(revision=created))) == {}
    )
    assert sum(1 for found in before if found) > len(QUERIES) * 0.9, "too many answers are empty"

    world.change()
    changed = answers(QUERIES, present)
    assert len(differences(before, changed)) > len(QUERIES) * 0.6, "too few answers have changed"
    assert (
        differences(before, answers(QUERIES, lambda model: model.history(revision=created))) == {}
    )
    latest = newest()
    assert differences(changed, answers(QUERIES, lambda model: model.history.as_of(latest))) == {}
    with history.at_rev(created):
        assert differences(before, answers(QUERIES, lambda model: model.history.all())) == {}
