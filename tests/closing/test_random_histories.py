"""Whatever happens beside it, closing changes no answer: not when it is done, not half way, not for who knows less of it.

Set AUDITTRAIL_TEST_HISTORIES to a number to play that many random histories, different ones each time.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from audittrail.timetravel.tables import PastTable
from tests.closing import reading
from tests.histories import record
from tests.histories.play import Play
from tests.histories.schemas import Schema, Table, schemas
from tests.histories.writes import Step, steps

EXAMPLES = int(os.environ.get("AUDITTRAIL_TEST_HISTORIES", "0"))
CLIENTS = 4

random_plays = settings(
    # A long run makes what it finds small, which takes minutes.
    phases=list(Phase) if EXAMPLES else [Phase.generate],
    max_examples=EXAMPLES or 30,
    derandomize=not EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


class ClosingPlay(Play):
    """A play in which versions are closed now and then, a few ticks or all."""

    def __init__(self, schema: Schema, connect: Callable[[], Any], clients: int) -> None:
        super().__init__(schema, connect, clients)
        self.closer = connect()
        reading.run(self.closer, "SET lock_timeout = '5ms'")
        #: What readers knew of the tables at one time or another.
        self.knowledge: list[dict[str, PastTable]] = [self._look()]

    def _look(self) -> dict[str, PastTable]:
        return reading.known(self.observer, [table.name for table in self.schema.tables])

    def step(self, step: Step) -> None:
        """Let a client do something, or close versions."""
        if step.action == "merge" and self.schema.tables[step.table].partitioned:
            # PostgreSQL 18.4 itself gives triggers wrong rows there: the inserted for the updated ones.
            return
        if step.action != "close":
            super().step(step)
            return
        table = self.schema.tables[step.table].name
        ticks = None if step.value == 9 else step.value
        self.script.append(f"closer: {table}, {ticks} ticks")
        try:
            self.script.append(f"   {reading.close(self.closer, table, ticks)}")
        except Exception as error:
            code = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
            if code != "55P03":  # a change of the table's columns is under way
                raise
        self.knowledge.append(self._look())


@st.composite
def plays(draw: st.DrawFn) -> tuple[Schema, list[Step]]:
    """Draw a schema and what happens to it."""
    schema = draw(schemas())
    closing = st.builds(
        Step,
        client=st.just(0),
        action=st.just("close"),
        table=st.integers(0, len(schema.tables) - 1),
        value=st.integers(0, 9),
    )
    step = st.one_of(*[steps(schema, CLIENTS)] * 5, closing)
    return schema, draw(st.lists(step, min_size=10, max_size=60))


@random_plays
@given(plays())
def test_closing_changes_no_answer(
    fresh_database: Callable[[], Any], drawn: tuple[Schema, list[Step]]
) -> None:
    schema, chosen = drawn
    with fresh_database() as database:
        play = ClosingPlay(schema, database.connect, CLIENTS)
        for step in chosen:
            play.step(step)
        play.finish()
        for text in schema.statements():
            note(text)
        note("\n".join(play.script))
        reading.run(play.observer, "SET default_transaction_isolation = 'read committed'")
        ticks = record.commits(play.observer)
        for table in schema.tables:
            check(play, table, ticks)


def check(play: ClosingPlay, table: Table, ticks: dict[int, int]) -> None:
    """Compare a table's past, partly closed, closed, and never closed, with the truth and with each other."""
    connection, name = play.observer, table.name
    columns = record.columns(connection, table)
    values = ", ".join(f"{column}::text" for column, _ in columns.values())
    moments = sorted(ticks.values())

    def answers(past: PastTable, count: int) -> dict[int, list[Any]]:
        return {
            tick: reading.as_of(connection, past, tick, values, count)
            for tick in moments
            if tick >= past.since
        }

    partly = reading.known(connection, [name])[name]
    expected = answers(partly, 1)
    if not play.schema.changing:
        for revision, truth in play.truth.items():
            held = sorted((list(row.values()) for row in truth[name].values()), key=repr)
            assert expected[ticks[revision]] == held, f"{name} as of revision {revision}"
        for before in play.knowledge:
            assert answers(before[name], 1) == expected, f"{name}, knowing {before[name].closing}"
    assert answers(partly, reading.COUNTS[1]) == expected
    _, through, settled, tail = reading.close(connection, name)
    assert through == settled == max(moments, default=0)
    assert tail <= through + 1  # less while other databases of the server are written to
    closed = reading.known(connection, [name])[name]
    assert closed.closing == (through, tail)
    assert answers(closed, 1) == expected
    assert answers(partly, 1) == expected
    assert open_ends(play, table) == {}
    reading.reopen(connection, name)
    never = reading.known(connection, [name])[name]
    assert never.closing == (0, 0)
    for count in reading.COUNTS:
        assert answers(never, count) == expected


def open_ends(play: ClosingPlay, table: Table) -> dict[Any, int]:
    """Return the keys of a closed table that have more than one version that is not closed, and how many."""
    key = ", ".join(table.key)
    found = reading.run(
        play.observer,
        f"SELECT ROW({key})::text, count(*) FROM audittrail.{table.name}_history"
        f" WHERE superseded IS NULL GROUP BY {key} HAVING count(*) > 1",
    )
    return dict(found)
