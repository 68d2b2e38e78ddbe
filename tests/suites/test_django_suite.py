"""What judges by Django's own tests tells answers apart, and asks again only what can be asked again."""

from __future__ import annotations

import pytest
from django.db.models import F

from tests.django_suite import answers, known
from tests.django_suite.judging import Verdict
from tests.testapp.models import Tag


def test_rows_are_compared_without_regard_to_their_order() -> None:
    assert answers.compare_rows([(1, "a"), (2, None)], [(2, None), (1, "a")]) is None
    assert answers.compare_rows([(1, memoryview(b"a"))], [(1, memoryview(b"a"))]) is None
    for found in ([(1, "a")], [(1, "a"), (1, "a"), (2, None)], [(1, "a"), (2, "None")], []):
        assert answers.compare_rows([(1, "a"), (2, None)], found)


def test_objects_are_compared_by_fields_and_annotations() -> None:
    query = Tag.objects.annotate(twice=F("name")).query
    one, same, other, further = (
        Tag(pk=1, name="a"),
        Tag(pk=1, name="a"),
        Tag(pk=1, name="b"),
        Tag(pk=1, name="a"),
    )
    for tag in (one, same, other):
        tag.twice = "x"
    further.twice = "y"
    one.prefetched = [other]
    assert answers.compare_objects([one], [same], query) is None
    assert answers.compare_objects([one], [other], query)
    assert answers.compare_objects([one], [further], query)
    assert answers.compare_objects([one], [], query)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT random() FROM t", "SELECT 1 FROM t FOR UPDATE", "SELECT nextval('s')", "SELECT 1 FROM pg_catalog.pg_class",
        "WITH d AS (DELETE FROM t RETURNING *) SELECT 1", "UPDATE t SET a = 1", "SAVEPOINT s", "SELECT 1 FROM audittrail.revision",
    ],
)  # fmt: skip
def test_what_has_another_answer_each_time_is_not_asked_again(statement: str) -> None:
    assert not answers.is_repeatable(statement)
    assert answers.is_repeatable("(SELECT a FROM t) UNION (SELECT b FROM t)")


def test_what_is_not_known_has_no_reason() -> None:
    found = {
        "kind": "history",
        "test": "x.Tests.test",
        "question": "SELECT 1",
        "difference": "1 rows, 2",
        "reason": "TimeTravelError: no",
    }
    assert known.why_differs(found) is None
    assert known.why_refused(found) is None
    assert known.why_fails("x.Tests.test") is None
    assert set(known.PART) <= known.QUERYING


def test_a_reason_is_outdated_when_all_that_it_is_for_passes() -> None:
    verdict, other = Verdict(), Verdict()
    verdict.passed.update(["lists the routers", "counts models"])
    other.known["counts models"] += 1
    assert verdict.outdated() == ["counts models", "lists the routers"]
    verdict.add(other)
    assert verdict.outdated() == ["lists the routers"]
