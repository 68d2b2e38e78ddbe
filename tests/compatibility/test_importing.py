"""History that django-simple-history has kept before audittrail came goes on in audittrail's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.suites.checking import Checked

PROJECT = "tests.compatibility.moving"

CHECKS = [
    "every_state_is_the_same",
    "every_record_is_a_version",
    "what_nobody_recorded_is_told",
    "the_past_comes_back",
    "it_happens_once",
    "it_can_be_corrected",
    "pages_show_it",
    "the_ledger_holds_it",
    "a_rollback_leaves_what_was_imported",
]


@pytest.fixture(scope="module")
def arrived(packages: Path) -> Iterator[tuple[Checked, str]]:
    """Give the project, and the name of a database with years of records to which audittrail has just come."""
    alone = Checked(PROJECT, "MOVING", paths=(packages,))
    together = Checked(PROJECT, "MOVING", paths=(packages,), environment={"MOVING_ARRIVED": "1"})
    with alone.database() as name:
        alone.run("years_pass", name)
        together.run("arrive", name)
        yield together, name


@pytest.fixture
def run(arrived: tuple[Checked, str]) -> Iterator[Callable[[str], None]]:
    """Give a function that runs a check by its name, in a process of its own and in a copy of the database of its own."""
    checked, template = arrived
    with checked.database(template) as name:
        yield lambda check: checked.run(check, name)


@pytest.mark.parametrize("check", CHECKS)
def test_importing(run: Callable[[str], None], check: str) -> None:
    run(check)


def test_a_table_that_is_tracked_later(arrived: tuple[Checked, str]) -> None:
    checked, template = arrived
    completely = replace(checked, environment={"MOVING_ARRIVED": "completely"})
    with checked.database(template) as name:
        checked.run("what_is_tracked_later_is_left_out", name)
        completely.run("and_says_so", name)
