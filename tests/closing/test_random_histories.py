"""Whatever happens beside it, closing changes no answer: not when it is done, not half way, not for who knows less of it.

Set AUDITTRAIL_TEST_HISTORIES to a number to play that many random histories, different ones each time.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from hypothesis import given, note, settings

from audittrail.timetravel.tables import PastTable
from tests.builders.sending import send
from tests.closing import reading
from tests.histories import record
from tests.histories.clients import code
from tests.histories.drawing import CLIENTS, EXAMPLES, Drawn, plays, random_plays
from tests.histories.play import Play
from tests.histories.schemas import Schema, Table
from tests.histories.writes import Step


class ClosingPlay(Play):
    """A play in which versions are closed now and then, a few ticks or all."""

    def __init__(self, schema: Schema, connect: Callable[[], Any], clients: int) -> None:
        super().__init__(schema, connect, clients)
        self.closer = connect()
        send(self.closer, "SET lock_timeout = '5ms'")
        #: What readers knew of the tables at one time or another.
        self.knowledge: list[dict[str, PastTable]] = [self._look()]

    def _look(self) -> dict[str, PastTable]:
        return reading.known(self.observer, [table.name for table in self.schema.tables])

    def step(self, step: Step) -> None:
        """Let a client do something, or close versions."""
        if step.action != "close":
            super().step(step)
            return
        table = self.schema.tables[step.table].name
        ticks = None if step.value == 9 else step.value
        self.script.append(f"closer: {table}, {ticks} ticks")
        # It waits for a prepared transaction that has taken its place.
        waiting = bool(self.prepared) and self.is_unsettled()
        send(self.closer, f"SET statement_timeout = {20 * waiting}")
        try:
            self.script.append(f"   {reading.close(self.closer, table, ticks)}")
            assert not waiting
        except Exception as error:
            # 55P03: a change of the table's columns is under way
            if code(error) != "55P03" and not (waiting and code(error) == "57014"):
                raise
        self.knowledge.append(self._look())


def closing(dice: Random, schema: Schema) -> Step:
    """Draw a step that closes some versions."""
    table = dice.randint(0, len(schema.tables) - 1)
    return Step(0, "close", table=table, value=dice.randint(0, 9))


@settings(random_plays, max_examples=EXAMPLES or 12)
@given(plays(own=closing))
def test_closing_changes_no_answer(fresh_database: Callable[[], Any], drawn: Drawn) -> None:
    schema, chosen = drawn
    with fresh_database() as database:
        play = ClosingPlay(schema, database.connect, CLIENTS)
        for step in chosen:
            play.step(step)
        play.finish()
        for text in schema.statements():
            note(text)
        note("\n".join(play.script))
        send(play.observer, "SET default_transaction_isolation = 'read committed'")
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
    found = send(
        play.observer,
        f"SELECT ROW({key})::text, count(*) FROM audittrail.{table.name}_history"
        f" WHERE superseded IS NULL GROUP BY {key} HAVING count(*) > 1",
    )
    return dict(found)
