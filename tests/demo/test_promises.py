"""The demo's check reads the promises from the data's README, and names each that is not kept."""

from __future__ import annotations

from datetime import date

import pytest

from demo.promises import differences, promised
from tests.structure.tree import ROOT

DAY, NEXT = date(2020, 1, 1), date(2020, 1, 2)


def test_the_promises_are_those_of_the_page() -> None:
    page = ROOT / "demo/data/README.md"
    found = promised(page)
    assert len(found) == len(list(page.parent.glob("*.json.gz"))) == 8
    assert found[date(2022, 1, 10)] == {
        "countries": (0, 0, 2),
        "subdivisions": (578, 338, 1335),
        "currencies": (0, 0, 0),
    }


def test_a_page_without_promises_is_an_error(tmp_path) -> None:
    page = tmp_path / "README.md"
    page.write_text("| a | b |\n|---|---|\n| 2020-01-01 | 1, 2, 3 |\n")
    with pytest.raises(ValueError, match="has no table of releases"):
        promised(page)


@pytest.mark.parametrize(
    ("recorded", "words"),
    [
        ([(DAY, (1, 0, 0))], []),
        ([(DAY, (1, 0, 0)), (NEXT, (0, 0, 0))], []),
        ([(DAY, (0, 0, 1))], ["2020-01-01 rows: recorded (0, 0, 1), promised (1, 0, 0)"]),
        ([], ["2020-01-01 rows: recorded (0, 0, 0), promised (1, 0, 0)"]),
        ([(DAY, (1, 0, 0)), (DAY, (1, 0, 0))], ["2020-01-01: more than one revision"]),
        (
            [(DAY, (1, 0, 0)), (NEXT, (1, 0, 0))],
            ["2020-01-02: a revision of a day without a release"],
        ),
    ],
)
def test_each_difference_is_named(recorded, words) -> None:
    revisions = [(day, {"rows": counts}) for day, counts in recorded]
    assert differences(revisions, {DAY: {"rows": (1, 0, 0)}}) == words
