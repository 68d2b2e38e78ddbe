"""Enter revisions into the ledger: after their commits, in batches, beside the application's writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from audittrail.capture.locking import patiently
from audittrail.ledger import tiles
from audittrail.revisions import settling

#: Ticks a batch takes into account: a revision takes two or more.
TICKS: Final = 20_000

#: Milliseconds that a batch waits for others, and how often: a correction of history may hold the ledger.
PATIENCE: Final = 2_000
ATTEMPTS: Final = 20


@dataclass(frozen=True)
class LedgerHead:
    """How far the ledger has come: its id, its leaves, and the tick through which revisions are entered."""

    id: UUID
    size: int
    committed: int


def head(connection: BaseDatabaseWrapper) -> LedgerHead | None:
    """Return how far the ledger of a database has come; None if it is not begun."""
    with connection.cursor() as cursor:
        return _head(cursor)


def _head(cursor: Any) -> LedgerHead | None:
    cursor.execute("SELECT id, size, committed FROM audittrail.ledger")
    row = cursor.fetchone()
    return None if row is None else LedgerHead(UUID(str(row[0])), row[1], row[2])


def begin(using: str = DEFAULT_DB_ALIAS) -> None:
    """Begin the ledger of a database, unless it is begun: from then on, deliberate corrections are noted in it."""

    def work(cursor: Any) -> None:
        cursor.execute("SELECT audittrail.begin_ledger()")

    patiently(connections[using], work, timeout=PATIENCE, attempts=ATTEMPTS, refusal=_REFUSAL)


def enter(
    using: str = DEFAULT_DB_ALIAS,
    *,
    ticks: int = TICKS,
    report: Callable[[int], None] = lambda size: None,
) -> LedgerHead:
    """Enter all settled revisions of a database whose ledger is begun, and return how far it has come.

    Each batch is a transaction of its own; it can be stopped at any time and goes on where it was. `report` is told the number of
    leaves after each.

    Raises `UnsettledError` if a transaction that has begun to commit stays unseen, `LockedError` if others stand in the way for too long.
    """
    connection = connections[using]
    settled = settling.settled_tick(using, settling.TIMEOUT)
    _summarize(connection)

    def work(cursor: Any) -> LedgerHead:
        cursor.execute("SELECT id FROM audittrail.ledger FOR UPDATE")
        before = _head(cursor)
        assert before is not None
        cursor.execute("SELECT hash FROM audittrail.enter_revisions(%s, %s)", [settled, ticks])
        leaves = [bytes(leaf) for (leaf,) in cursor.fetchall()]
        tiles.append(cursor, before.size, leaves)
        after = _head(cursor)
        assert after is not None and after.size == before.size + len(leaves)
        return after

    while True:
        reached = patiently(connection, work, timeout=PATIENCE, attempts=ATTEMPTS, refusal=_REFUSAL)
        report(reached.size)
        if reached.committed >= settled:
            return reached


def _summarize(connection: BaseDatabaseWrapper) -> None:
    """Let indexes on versions know of their newest pages, which otherwise are read whole by each batch."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT brin_summarize_new_values(i.indexrelid) FROM audittrail.tracked_table t"
            " JOIN pg_index i ON i.indrelid = to_regclass(format('audittrail.%%I', t.history_name))"
            " JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam WHERE a.amname = 'brin'",
            [],
        )


_REFUSAL: Final = (
    "The ledger was kept waiting by other transactions, such as a correction of history. "
    "What it has entered stays; try again."
)
