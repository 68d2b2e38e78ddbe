"""Complete the baselines of tables that were too large to copy when their tracking began."""

from collections.abc import Callable
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections

from audittrail.capture.locking import patiently
from audittrail.capture.registry import Progress, RegistryEntry, registry

#: Milliseconds that a batch waits for a writer: it gives way long before PostgreSQL would look for a deadlock.
PATIENCE = 100
ATTEMPTS = 50


def backfill(
    using: str = DEFAULT_DB_ALIAS,
    *,
    batch_size: int = 5000,
    tables: frozenset[str] = frozenset(),
    report: Callable[[Progress], None] = lambda progress: None,
) -> None:
    """Copy what is missing of each baseline, in batches that are transactions of their own.

    Takes the database, how many rows a batch has, the names of tables (all by default), and a function that is
    told the progress. Can be stopped at any time, and goes on where it was.

    Raises `LockedError` if writers stand in the way of one batch for too long.
    """
    for recorded in incomplete(using, tables):
        rows, estimate = 0, _estimate(using, recorded)
        report(Progress(recorded.table, 0, estimate, complete=False))
        while looked := _batch(using, recorded, batch_size):
            rows += looked
            report(Progress(recorded.table, rows, estimate, complete=False))
        report(Progress(recorded.table, rows, estimate, complete=True))


def incomplete(using: str, tables: frozenset[str] = frozenset()) -> list[RegistryEntry]:
    """Return the tracked tables, of the given names if there are any, whose baseline is not complete."""
    return [
        recorded
        for recorded in registry(connections[using], tables)
        if recorded.until_at is None and recorded.exists and not recorded.baseline_complete
    ]


def _batch(using: str, recorded: RegistryEntry, batch_size: int) -> int:
    def work(cursor: Any) -> int:
        cursor.execute("SELECT audittrail.backfill_batch(%s, %s)", [recorded.id, batch_size])
        return int(cursor.fetchone()[0])

    return patiently(
        connections[using],
        work,
        timeout=PATIENCE,
        attempts=ATTEMPTS,
        refusal=f"The backfill of {recorded.table!r} was kept waiting by other transactions. What it has copied "
        "stays; run manage.py audittrail backfill again.",
    )


def _estimate(using: str, recorded: RegistryEntry) -> int:
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(greatest(c.reltuples, 0)), 0)::bigint FROM pg_class c WHERE c.relkind <> 'p'"
            " AND (c.oid = %s OR c.oid IN (SELECT audittrail.descendants(%s)))",
            [recorded.relation, recorded.relation],
        )
        return int(cursor.fetchone()[0])
