"""Delete the versions that no moment from a cutoff on needs, and the revisions that have none left, in batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.db import connections

from audittrail.capture import closing, schemas
from audittrail.capture.locking import patiently
from audittrail.capture.registry import Progress
from audittrail.exceptions import EditingError

#: No revision has a lower number: those of imported ones are negative.
LOWEST: Final = 1 - 2**63

#: Milliseconds that a batch waits for others: a migration or a correction of history may hold the table.
PATIENCE: Final = 100
ATTEMPTS: Final = 50

#: Seconds to wait, before anything is deleted, for statements that PostgreSQL has planned already and not yet begun.
GRACE: Final = 2.0

#: How many versions a page of a table is taken to hold as long as PostgreSQL has not analyzed the table.
ROWS_A_PAGE: Final = 50


@dataclass(frozen=True)
class Prunable:
    """A table with a history: its number in the registry, and why it can't be pruned, if so."""

    id: int
    schema: str
    table: str
    history: str
    obstacle: str | None


@dataclass
class PruningRun:
    """A pruning under way: `cutoff` and `revision` are the commit tick and the number of the first revision that can still be read.

    `about` is what the revision that records it says beside the counts, as JSON.
    """

    using: str
    cutoff: int
    revision: int
    keep_last: int
    batch_size: int
    about: str
    report: Callable[[Progress], None]
    #: The revision that records it, once there is one.
    record: int | None = None


@dataclass(frozen=True)
class PrunedCounts:
    """How many versions went, by the number of the table, and how many revisions."""

    versions: dict[int, int]
    revisions: int


def find(using: str, names: Collection[str]) -> Iterator[Prunable]:
    """Yield the tables that are or were tracked and that some names mean (`schemas.meant`); all of them if none is given.

    Raises `EditingError` for an unknown one.
    """
    connection = connections[using]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT t.id, t.schema_name, t.table_name, t.history_name, audittrail.unprunable(t)"
            " FROM audittrail.tracked_table t ORDER BY t.table_name, t.id"
        )
        found = [Prunable(*row) for row in cursor.fetchall()]
    chosen, unknown = schemas.meant(connection, names, {(it.schema, it.table) for it in found})
    if unknown:
        raise EditingError(
            f"{unknown[0]!r} is not a table that database {using!r} tracks or did; "
            "manage.py audittrail status lists them."
        )
    yield from (table for table in found if not names or (table.schema, table.table) in chosen)


def count(run: PruningRun, tables: list[Prunable]) -> PrunedCounts:
    """Return how much would go, without closing versions first."""
    with connections[run.using].cursor() as cursor:
        versions = {}
        for table in tables:
            cursor.execute(
                "SELECT audittrail.count_prunable(%s, %s, %s, %s)",
                [table.id, run.cutoff, run.revision, run.keep_last],
            )
            versions[table.id] = int(cursor.fetchone()[0])
        cursor.execute(
            "SELECT audittrail.count_prunable_revisions(%s::int[], %s, %s, %s)",
            [[table.id for table in tables], run.cutoff, run.revision, run.keep_last],
        )
        return PrunedCounts(versions, int(cursor.fetchone()[0]))


def carry_out(run: PruningRun, tables: list[Prunable]) -> PrunedCounts:
    """Close the tables' versions through the cutoff, refuse the moments before it, and delete what can go.

    Raises `LockedError` if others stand in the way of one batch for too long.
    """
    if not tables:
        return PrunedCounts({}, 0)
    closing.close(
        run.using,
        batch_size=run.batch_size,
        tables=frozenset(f"{table.schema}.{table.table}" for table in tables),
        through=run.cutoff,
        report=lambda progress: _report_closing(run, progress),
    )
    (run.record,) = _batch(
        run,
        "SELECT audittrail.begin_pruning(%s::int[], %s, %s, %s)",
        [[table.id for table in tables], run.cutoff, run.revision, run.about],
    )
    _wait_for_readers(run.using, tables)
    return PrunedCounts(
        {table.id: _prune_table(run, table) for table in tables}, _prune_revisions(run)
    )


def _report_closing(run: PruningRun, progress: Progress) -> None:
    if not progress.complete:
        run.report(Progress(f"{progress.table}, closing", progress.rows, progress.estimate, False))


def _wait_for_readers(using: str, tables: list[Prunable]) -> None:
    """Wait a moment for the transactions that read the tables.

    PostgreSQL asks `reads_as_before()` when it plans a statement, and takes the snapshot in which it is carried out a moment
    later. When this returns, whoever was planning while the moments were refused has that snapshot.
    """
    deadline = time.monotonic() + GRACE
    readers: set[str] | None = None
    with connections[using].cursor() as cursor:
        while readers is None or (readers and time.monotonic() < deadline):
            cursor.execute(
                "SELECT DISTINCT l.virtualtransaction FROM pg_locks l JOIN pg_class c ON c.oid = l.relation"
                " JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'audittrail'"
                " WHERE c.relname = ANY (%s) AND l.mode = 'AccessShareLock' AND l.pid IS DISTINCT FROM pg_backend_pid()"
                " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())",
                [[table.history for table in tables]],
            )
            present = {reader for (reader,) in cursor.fetchall()}
            readers = present if readers is None else readers & present
            if readers:
                time.sleep(0.01)


def _prune_table(run: PruningRun, table: Prunable) -> int:
    """Delete what can go of a table, followed versions first, then deletions; return how many went."""
    pages, rows = _size(run.using, table)
    step = max(1, round(run.batch_size * pages / max(rows, 1)))
    pruned = 0
    for deletions in (False, True):
        for page in range(0, pages, step):
            if page or deletions:
                done = (page / pages + deletions) / 2
                run.report(Progress(table.table, round(done * rows), rows, False))
            found, run.record = _batch(
                run,
                "SELECT pruned, record FROM audittrail.prune_batch(%s, %s, %s, %s, %s, %s, %s, %s, %s)",
                [
                    *(table.id, run.cutoff, run.revision, run.keep_last),
                    *(deletions, page, step, run.about, run.record),
                ],
            )
            pruned += found
    if pruned:
        run.report(Progress(table.table, pruned, rows, True))
    return pruned


def _size(using: str, table: Prunable) -> tuple[int, int]:
    """Return how many pages and about how many versions a history table has."""
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT pg_relation_size(oid) / current_setting('block_size')::int,"
            " CASE WHEN relpages > 0 AND reltuples > 0 THEN reltuples / relpages ELSE %s END::float8"
            " FROM pg_class WHERE oid = to_regclass(format('audittrail.%%I', %s::text))",
            [ROWS_A_PAGE, table.history],
        )
        pages, density = cursor.fetchone()
    return int(pages), round(pages * density)


def _prune_revisions(run: PruningRun) -> int:
    pruned = 0
    reached: int | None = LOWEST
    while reached is not None:
        found, reached, run.record = _batch(
            run,
            "SELECT pruned, reached, record FROM audittrail.prune_revisions(%s, %s, %s, %s, %s)",
            [run.cutoff, reached, run.batch_size, run.about, run.record],
        )
        pruned += found
    return pruned


def _batch(run: PruningRun, statement: str, parameters: list[Any]) -> Any:
    """Execute a statement in a transaction of its own and return its row."""

    def work(cursor: Any) -> Any:
        cursor.execute(statement, parameters)
        return cursor.fetchone()

    return patiently(
        connections[run.using],
        work,
        timeout=PATIENCE,
        attempts=ATTEMPTS,
        refusal="The pruning was kept waiting by other transactions. What it has done stays; prune again to go on.",
    )
