"""Settled moments: which revisions are certain to have nothing before them that is still to appear."""

import time
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connections

from audittrail.exceptions import UnsettledError
from audittrail.revisions.wording import spelled

#: How many seconds a moment is waited for, unless otherwise told.
TIMEOUT: Final = 5.0

#: Commits are waited for only if the time asked for is not longer ago than this: what began to commit earlier is visible.
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
        cursor.execute("SELECT audittrail.is_archive(), audittrail.closed_tick()")
        is_archive, closed = cursor.fetchone()
        if is_archive:
            return int(closed)
        cursor.execute(
            "SELECT audittrail.newest_tick(), current_setting('transaction_isolation') <> 'read committed'"
            " AND CASE WHEN pg_is_in_recovery() THEN NOT audittrail.has_replayed(audittrail.next_xid())"
            " ELSE EXISTS (SELECT FROM pg_snapshot_xip(pg_current_snapshot())) END"
        )
        tick, blind = cursor.fetchone()
    if blind:
        raise UnsettledError(
            "This transaction keeps to a snapshot that was taken while others were running, and will never see what "
            "they commit. Ask for settled revisions in a transaction at READ COMMITTED, or outside any."
        )
    wait_for_commits(using, timeout)
    return int(tick)


def wait_for_commits(using: str, timeout: float, at: datetime | None = None) -> None:
    """Wait for the transactions that are committing now; those that begin to later have later ticks.

    With a time, until nothing can appear any more that was committed by then. It is an aware datetime; one that is still to come
    counts as now. What began to commit longer ago than an hour is visible, but for a transaction that has been prepared and forgotten.

    A standby doesn't know who is committing on the primary: there all that were writing are waited for, whatever the time.

    Raises `UnsettledError` after `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    is_recent = at is None or at > datetime.now(at.tzinfo) - RECENT - CLOCK_SKEW
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT f.*, CASE WHEN NOT is_archive AND (on_standby OR %s) THEN audittrail.unseen_commits('0', NULL, %s) ELSE '{}' END"
            " FROM (SELECT audittrail.is_archive(), pg_is_in_recovery()) f (is_archive, on_standby)",
            [is_recent, at],
        )
        is_archive, on_standby, unseen = cursor.fetchone()
        # The server waits, a short time at once, and returns the transactions that it could not see then: only these are awaited again.
        while is_archive or unseen != []:
            if at is not None and _is_closed(cursor, at):
                return
            left = deadline - time.monotonic()
            if is_archive or left <= 0:
                raise UnsettledError(_refusal(unseen, timeout, at, is_archive, on_standby))
            cursor.execute(
                "SELECT audittrail.unseen_commits(make_interval(secs => %s), %s::text[], %s)",
                [min(left, LONGEST_WAIT), unseen, at],
            )
            (unseen,) = cursor.fetchone()


def _refusal(
    unseen: list[str] | None,
    timeout: float,
    at: datetime | None,
    is_archive: bool,
    on_standby: bool,
) -> str:
    if is_archive:
        return (
            "This archive can be read only as far as history was closed at its origin. Ask for an earlier moment, or run "
            "manage.py audittrail maintain at the origin."
        )
    if unseen is None:
        return (
            f"Within {timeout:g} seconds this standby has not replayed everything that was committed by {spelled(at)}; or nothing has "
            "been committed since, which it can't tell apart. Ask for an earlier time, or for the newest revision that it has."
        )
    if on_standby:
        return (
            f"After {timeout:g} seconds, transactions that were writing on the primary when the moment was committed have not ended on "
            "this standby. Ask for an earlier moment, or run manage.py audittrail maintain on the primary: what it has closed can be "
            "read at once."
        )
    return (
        f"After {timeout:g} seconds, what some transactions are committing can't be seen yet (their transaction ids: "
        f"{', '.join(sorted(unseen))}). Look for prepared transactions in pg_prepared_xacts, or ask for an earlier moment."
    )


def _is_closed(cursor: Any, at: datetime) -> bool:
    """Return whether what was committed by a time is closed, and so known to be settled."""
    cursor.execute("SELECT audittrail.is_closed(%s, audittrail.closed_tick())", [at])
    (closed,) = cursor.fetchone()
    return bool(closed)
