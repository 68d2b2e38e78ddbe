"""Whatever happens beside it, pruning changes no answer about the moments that are kept, and refuses all others.

Set AUDITTRAIL_TEST_HISTORIES to a number to play that many random histories, different ones each time.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given
from pytest_django import DjangoDbBlocker

from audittrail.exceptions import TrackedLaterError
from audittrail.timetravel.moment import Moment
from tests.closing import reading
from tests.correcting.playing import ALIAS, PruningPlay, correction, play_out, random_corrections
from tests.histories import record
from tests.histories.drawing import CLIENTS, Drawn, plays
from tests.histories.schemas import Schema
from tests.histories.writes import Step


def pruning(dice: Random, schema: Schema) -> Step:
    """Draw a step that prunes or closes."""
    return correction(dice, schema, "prune", 0)


@random_corrections
@given(plays(own=pruning, one_in=8))
def test_pruning_changes_no_answer_that_is_kept(
    fresh_database: Callable[[], Any],
    django_db_blocker: DjangoDbBlocker,
    drawn: Drawn,
) -> None:
    schema, chosen = drawn
    with (
        fresh_database() as database,
        django_db_blocker.unblock(),
        database.server.attached(ALIAS, database.name),
    ):
        play_out(PruningPlay(schema, database.connect, CLIENTS), chosen, check)


def check(play: PruningPlay) -> None:
    """Prune once more at the end, and compare with the truth of each moment."""
    play.ticks |= play.seen
    present = sorted((tick, number) for number, tick in record.commits(play.observer).items())
    if present:
        play.prune(*present[len(present) // 2], 0, [])
    assert not play.complaints
    for table in play.schema.tables:
        past = reading.known(play.observer, [table.name])[table.name]
        told = play.answers(table, 0)
        for revision, truth in play.truth.items():
            tick = play.ticks[revision]
            if tick < max(past.since, past.kept_from):
                with pytest.raises(TrackedLaterError, match=r"pruned on|only since"):
                    past.as_of(Moment(ALIAS, tick))
            elif not play.schema.changing:
                held = sorted((list(row.values()) for row in truth[table.name].values()), key=repr)
                assert told[tick] == held, f"{table.name} as of revision {revision}"
        found = f"SELECT audittrail.verify(id) FROM audittrail.tracked_table WHERE table_name = '{table.name}'"
        assert record.fetch(play.observer, found) == []
