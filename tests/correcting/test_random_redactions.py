"""Whatever happens beside it, a redaction replaces exactly what it is to replace, and history goes on agreeing with the tables.

Set AUDITTRAIL_TEST_HISTORIES to a number to play that many random histories, different ones each time.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from django.db import DatabaseError
from hypothesis import given
from pytest_django import DjangoDbBlocker

from audittrail import history
from audittrail.exceptions import EditingError
from tests.builders.sending import send
from tests.closing import reading
from tests.closing.test_random_histories import ClosingPlay
from tests.correcting.playing import ALIAS, correction, play_out, random_corrections
from tests.histories import record
from tests.histories.drawing import CLIENTS, Drawn, plays
from tests.histories.schemas import VALUES, Schema, Table
from tests.histories.writes import Step

REASON = "Nobody is to know"


class RedactingPlay(ClosingPlay):
    """A play with steps that redact: `key` says which row or all, `value` which column and what takes its place."""

    def step(self, step: Step) -> None:
        """Let a client do something, close versions, or redact."""
        if step.action != "redact":
            super().step(step)
        elif not self._locked():
            self._redact(self.schema.tables[step.table], step)

    def _redact(self, table: Table, step: Step) -> None:
        columns = record.columns(self.observer, table)
        names = {name: number for number, (name, _) in columns.items()}
        free = sorted(names.keys() - {*table.key, "doubled"})
        chosen = free[step.value % len(free)]
        kind = columns[names[chosen]][1]
        values = ("NULL",) if chosen in ("a", "b") else VALUES.get(kind, ("NULL",))
        ((text,),) = record.fetch(
            self.observer, f"SELECT CAST({values[step.value % len(values)]} AS {kind})::text"
        )
        keys = [self._key(table, step)] if step.key < 5 else None
        live = step.client % 2 == 0
        self.script.append(f"redactor: {table.name}.{chosen} = {text!r} of {keys}, {live=}")
        before = {t.name: record.live(self.observer, t) for t in self.schema.tables}
        try:
            done = history.redact(
                table.name, {chosen: text}, pks=keys, live=live, reason=REASON, using=ALIAS
            )
        except (DatabaseError, EditingError) as error:
            # A lock, or a constraint of the application's; or the live row holds something else.
            self.script.append(f"   {error!r}")
            return
        self.script.append(f"   {done}")
        self._forget(table, names, chosen, text, keys)
        after = {t.name: record.live(self.observer, t) for t in self.schema.tables}
        changes = [(self.clock, change) for change in self._differences(before, after)]
        revisions = record.commits(self.observer).keys() - self.seen.keys()
        # A revision that only corrects is none that a change would have to explain.
        self._observe(changes or [(self.clock, None)] * bool(revisions), changed_schema=False)  # type: ignore[list-item]

    def _key(self, table: Table, step: Step) -> tuple[Any, ...]:
        ((key,),) = record.fetch(self.observer, f"SELECT ({table.key_value(step.key)})::text")
        return (key, "1") if table.composite else (key,)

    def _forget(
        self,
        table: Table,
        names: dict[str, int],
        column: str,
        text: str | None,
        keys: list[Any] | None,
    ) -> None:
        """Let the truth of every moment be what it is by now."""
        for moment in self.moments.all:
            for key, row in moment.state.content[table.name].items():
                if (keys is None or key in keys) and row[names[column]] != text:
                    row[names[column]] = text
                    if column == "n" and "doubled" in names:
                        row[names["doubled"]] = None


def redacting(dice: Random, schema: Schema) -> Step:
    """Draw a step that redacts or closes."""
    return correction(dice, schema, "redact", 1)


@random_corrections
@given(plays(lambda schema: not schema.changing, redacting, one_in=7))
def test_redacting_replaces_what_it_is_to_replace(
    fresh_database: Callable[[], Any],
    django_db_blocker: DjangoDbBlocker,
    drawn: Drawn,
) -> None:
    schema, chosen = drawn
    with (
        fresh_database() as database,
        django_db_blocker.unblock(),
        database.server.attached(ALIAS, database.name) as connection,
    ):
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '5ms'")
        play_out(RedactingPlay(schema, database.connect, CLIENTS), chosen, check)


def check(play: RedactingPlay) -> None:
    """Compare the past of every table with the truth, before and after all is closed."""
    assert not play.complaints
    ticks = record.commits(play.observer)
    for table in play.schema.tables:
        columns = record.columns(play.observer, table)
        values = ", ".join(f"{column}::text" for column, _ in columns.values())
        for _ in range(2):
            past = reading.known(play.observer, [table.name])[table.name]
            for revision, truth in play.truth.items():
                held = sorted((list(row.values()) for row in truth[table.name].values()), key=repr)
                told = reading.as_of(play.observer, past, ticks[revision], values)
                assert told == held, f"{table.name} as of revision {revision}"
            send(play.observer, "SET default_transaction_isolation = 'read committed'")
            reading.close(play.observer, table.name)
        found = f"SELECT audittrail.verify(id) FROM audittrail.tracked_table WHERE table_name = '{table.name}'"
        assert record.fetch(play.observer, found) == []
