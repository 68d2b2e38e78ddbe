"""Settled moments: which revisions are certain to have nothing before them that is still to appear."""

import time
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connections

from audittrail.exceptions import UnsettledError

#: How many seconds a moment is waited for, unless otherwise told.
TIMEOUT: Final = 5.0

#: A transaction may take the stamp's lock a little later than the time that its stamp says, at most this much (see
#: `audittrail.stamp_at_commit()`).
STAMP_AGE: Final = timedelta(milliseconds=10)

#: The newest revision by tick is among so many of the newest by time, which an index finds.
NEWEST: Final = 1000

#: Commits are waited for only if the moment asked for is not longer ago than this: what began to commit earlier is visible.
RECENT: Final = timedelta(hours=1)

#: How far the clocks of the server and of this machine may be apart.
CLOCK_SKEW: Final = timedelta(hours=1)

#: Seconds that a single statement waits for commits: it may be cancelled by a timeout of its own.
LONGEST_WAIT: Final = 0.25


def settled_tick(using: str, timeout: float) -> int:
    """Return the newest visible tick that is settled, or 0 before the first revision.

    A transaction with a smaller tick can be unseen only between taking it and becoming visible, and holds the stamp's lock
    all that time. So those that hold it now are waited for; later ones take later ticks.

    Raises `UnsettledError` after `timeout` seconds.
    """
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(max(committed), 0), current_setting('transaction_isolation') <> 'read committed'"
            " AND EXISTS (SELECT FROM pg_snapshot_xip(pg_current_snapshot()))"
            " FROM (SELECT committed FROM audittrail.revision"
            " WHERE committed_at IS NOT NULL ORDER BY committed_at DESC LIMIT %s) r",
            [NEWEST],
        )
        tick, blind = cursor.fetchone()
    if blind:
        raise UnsettledError(
            "This transaction keeps to a snapshot that was taken while others were running, and will never see what "
            "they commit. Ask for settled revisions in a transaction at READ COMMITTED, or outside any."
        )
    wait_for_holders(using, timeout)
    return int(tick)


def wait_for_time(using: str, moment: datetime, timeout: float) -> None:
    """Wait until nothing can appear any more that was committed by a moment of the last hour.

    Takes an aware datetime; one that is still to come counts as now. What began to commit longer ago is visible, but for a
    transaction that has been prepared and forgotten. Raises `UnsettledError` after `timeout` seconds.
    """
    if moment > datetime.now(moment.tzinfo) - RECENT - CLOCK_SKEW:
        _wait(using, timeout, moment)


def wait_for_holders(using: str, timeout: float) -> None:
    """Wait for the transactions that are committing now; those that begin to later have later ticks.

    Raises `UnsettledError` after `timeout` seconds.
    """
    _wait(using, timeout, None)


def _wait(using: str, timeout: float, moment: datetime | None) -> None:
    deadline = time.monotonic() + timeout
    with connections[using].cursor() as cursor:
        holders, clock = _holders(cursor)
        if moment is not None:
            # A transaction that was stamped by then takes the lock within this time, or is stamped again, later.
            ahead = moment - datetime.fromtimestamp(clock, moment.tzinfo)
            if ahead > -STAMP_AGE:
                time.sleep(min(STAMP_AGE, ahead + STAMP_AGE).total_seconds())
                holders, _ = _holders(cursor)
        while holders:
            if moment is not None and _is_closed(cursor, moment):
                return
            if (left := deadline - time.monotonic()) <= 0:
                raise UnsettledError(
                    f"After {timeout} s, what some transactions are committing can't be seen yet (their transaction ids: "
                    f"{', '.join(sorted(holders))}). Look for prepared transactions in pg_prepared_xacts, or ask for "
                    "an earlier moment."
                )
            cursor.execute(
                "SELECT audittrail.unseen_commits(make_interval(secs => %s), %s::text[]::xid[])::text[]",
                [min(left, LONGEST_WAIT), holders],
            )
            (holders,) = cursor.fetchone()


def _is_closed(cursor: Any, moment: datetime) -> bool:
    """Return whether what comes after a moment is known to be settled; times and ticks of commits side by side may differ."""
    cursor.execute(
        "SELECT coalesce((SELECT committed FROM audittrail.revision WHERE committed_at > %s + interval '1 second'"
        " ORDER BY committed_at LIMIT 1) <= (SELECT max(closed_through) FROM audittrail.tracked_table), false)",
        [moment],
    )
    (closed,) = cursor.fetchone()
    return bool(closed)


def _holders(cursor: Any) -> tuple[list[str], float]:
    """Return who is committing, and the server's clock just before that was looked at, in seconds since 1970."""
    cursor.execute(
        "SELECT extract(epoch FROM clock_timestamp())::float, audittrail.committing()::text[]"
    )
    clock, holders = cursor.fetchone()
    return holders, clock
