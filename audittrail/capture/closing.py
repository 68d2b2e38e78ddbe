"""Close versions: note in history from when on each is not the last of its row, so that reading the past is fast."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.postgresql.psycopg_any import sql

from audittrail.capture.locking import patiently
from audittrail.capture.registry import Progress, RegistryEntry, registry

#: Milliseconds that a batch waits for others: a migration or a correction of history may hold the table.
PATIENCE = 100
ATTEMPTS = 50

#: Ticks that the first batch takes into account; the following ones take as many as a batch of rows needs.
FIRST_TICKS = 512

#: Seconds to wait at the end, once for all tables, for the transactions that were writing meanwhile. What they hold back is the next
#: run's.
LAST_WAIT = 2.0


@dataclass(frozen=True)
class _Step:
    looked: int
    through: int
    settled: int
    tail: int


def close(
    using: str = DEFAULT_DB_ALIAS,
    *,
    batch_size: int = 10_000,
    tables: frozenset[str] = frozenset(),
    through: int | None = None,
    report: Callable[[Progress], None] = lambda progress: None,
) -> None:
    """Close the versions of tables as far as the database is settled, in batches that are transactions of their own.

    Takes the database, about how many versions a batch has, the names of tables (all by default), a tick through which it is
    enough to close them, and a function that is told the progress. Writers don't wait for it. Can be stopped at any time, and
    goes on where it was.

    Raises `LockedError` if others stand in the way of one batch for too long.
    """
    held_back = []
    for recorded in registry(connections[using], tables):
        step = _close(using, recorded, batch_size, through, report)
        if step is not None and step.tail <= step.through:
            held_back.append(recorded)
    if held_back and through is None and _have_ended(using, held_back):
        for recorded in held_back:
            _close(using, recorded, batch_size, through, report)


def _have_ended(using: str, held_back: list[RegistryEntry]) -> bool:
    """Wait for the transactions that keep the tails of tables where they are; return whether all have ended. Writes nothing."""
    deadline = time.monotonic() + LAST_WAIT
    while True:
        with connections[using].cursor() as cursor:
            # A mark from before a restore into another cluster may be a number that is still to come: nothing holds it up.
            cursor.execute(
                "SELECT NOT EXISTS (SELECT FROM audittrail.tracked_table t JOIN pg_snapshot_xip(pg_current_snapshot()) running"
                " ON running < t.mark_xid WHERE t.id = ANY (%s) AND t.mark_xid <= pg_snapshot_xmax(pg_current_snapshot()))",
                [[recorded.id for recorded in held_back]],
            )
            (ended,) = cursor.fetchone()
        if ended or time.monotonic() >= deadline:
            return bool(ended)
        time.sleep(0.01)


def vacuum(using: str = DEFAULT_DB_ALIAS, *, tables: frozenset[str] = frozenset()) -> None:
    """Vacuum and analyze history tables: their closed versions leave old ones behind, like every update.

    Autovacuum does the same in time. Not inside a transaction.
    """
    connection = connections[using]
    for recorded in registry(connection, tables):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT to_regclass(format('audittrail.%%I', %s::text)) IS NOT NULL",
                [recorded.history],
            )
            if cursor.fetchone()[0]:
                statement = sql.SQL("VACUUM (ANALYZE) audittrail.{}")
                name = sql.Identifier(recorded.history)
                cursor.execute(statement.format(name).as_string(cursor.cursor))


def _close(
    using: str,
    recorded: RegistryEntry,
    batch_size: int,
    limit: int | None,
    report: Callable[[Progress], None],
) -> _Step | None:
    step = _step(using, recorded, 0)
    if step is None:
        return None
    ticks, versions = FIRST_TICKS, 0
    target = step.settled if limit is None else min(limit, step.settled)
    estimate = _estimate(using, recorded, step)
    while step.through < target:
        report(Progress(recorded.table, versions, estimate, complete=False))
        step = _step(using, recorded, ticks) or step
        versions += step.looked
        if step.looked < batch_size // 2:
            ticks *= 4 if step.looked < batch_size // 8 else 2
        elif step.looked > batch_size * 2:
            ticks = max(ticks * batch_size // step.looked, 1)
    if versions:
        report(Progress(recorded.table, versions, estimate, complete=True))
    return step


def _estimate(using: str, recorded: RegistryEntry, step: _Step) -> int:
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT coalesce((SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = to_regclass(format('audittrail.%%I', %s::text))), 0)",
            [recorded.history],
        )
        rows = int(cursor.fetchone()[0])
    return rows * (step.settled - step.through) // max(step.settled, 1)


def _step(using: str, recorded: RegistryEntry, ticks: int) -> _Step | None:
    """Close so many more ticks; return None for a table whose rows nothing tells apart."""

    def work(cursor: Any) -> _Step | None:
        cursor.execute(
            "SELECT looked, through, settled, tail FROM audittrail.close_versions(%s, %s)",
            [recorded.id, ticks],
        )
        row = cursor.fetchone()
        return None if row[0] is None else _Step(*row)

    return patiently(
        connections[using],
        work,
        timeout=PATIENCE,
        attempts=ATTEMPTS,
        refusal=f"The closing of {recorded.history!r} was kept waiting by other transactions. What it has done "
        "stays; run manage.py audittrail maintain again.",
    )
