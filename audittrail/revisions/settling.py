"""Settled moments: which revisions are certain to have nothing before them that is still to appear."""

import time
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connections

from audittrail.exceptions import UnsettledError
from audittrail.revisions.wording import spelled

#: How many seconds a moment is waited for, unless otherwise told.
TIMEOUT: Final = 5.0

#: A transaction may take the stamp's lock a little later than the time that its stamp says, at most this much (see
#: `audittrail.stamp_at_commit()`).
STAMP_AGE: Final = timedelta(milliseconds=10)

#: Commits are waited for only if the moment asked for is not longer ago than this: what began to commit earlier is visible.
RECENT: Final = timedelta(hours=1)

#: How far the clocks of the server and of this machine may be apart.
CLOCK_SKEW: Final = timedelta(hours=1)

#: Seconds between two looks at what a standby has replayed.
PAUSE: Final = 0.005

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
    wait_for_holders(using, timeout)
    return int(tick)


def wait_for_time(using: str, moment: datetime, timeout: float) -> None:
    """Wait until nothing can appear any more that was committed by a moment of the last hour; on a standby, of any time.

    Takes an aware datetime; one that is still to come counts as now. What began to commit longer ago is visible, but for a
    transaction that has been prepared and forgotten. Raises `UnsettledError` after `timeout` seconds.
    """
    _wait(using, timeout, moment)


def wait_for_holders(using: str, timeout: float) -> None:
    """Wait for the transactions that are committing now; those that begin to later have later ticks.

    A standby doesn't know who is committing on the primary: there all that were writing are waited for.

    Raises `UnsettledError` after `timeout` seconds.
    """
    _wait(using, timeout, None)


def _wait(using: str, timeout: float, moment: datetime | None) -> None:
    deadline = time.monotonic() + timeout
    with connections[using].cursor() as cursor:
        holders, clock, on_standby, is_archive = _look(cursor)
        if is_archive:
            if moment is not None and _is_closed(cursor, moment):
                return
            raise UnsettledError(
                "This archive can be read only as far as history was closed at its origin. Ask for an earlier moment, or run "
                "manage.py audittrail maintain at the origin."
            )
        if on_standby:
            _wait_for_replay(cursor, timeout, moment)
            return
        if moment is not None and moment < datetime.now(moment.tzinfo) - RECENT - CLOCK_SKEW:
            return
        if moment is not None:
            # A transaction that was stamped by then takes the lock within this time, or is stamped again, later.
            ahead = moment - datetime.fromtimestamp(clock, moment.tzinfo)
            if ahead > -STAMP_AGE:
                time.sleep(min(STAMP_AGE, ahead + STAMP_AGE).total_seconds())
                holders = _look(cursor)[0]
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


def _wait_for_replay(cursor: Any, timeout: float, moment: datetime | None) -> None:
    """Wait on a standby until it has replayed what was committed by a moment, then what was being written on the primary."""
    deadline = time.monotonic() + timeout
    if moment is not None and _is_closed(cursor, moment):
        return
    if moment is not None:
        _look_until(
            cursor,
            deadline,
            "SELECT coalesce(pg_last_xact_replay_timestamp() > %s, false)",
            moment,
            f"This standby has not replayed what was committed by {spelled(moment)} within {timeout} s, or nothing has been committed "
            "since, which it can't tell. Ask for an earlier time, or for the newest revision that it has.",
        )
    cursor.execute("SELECT audittrail.next_xid()")
    (before,) = cursor.fetchone()
    _look_until(
        cursor,
        deadline,
        "SELECT audittrail.has_replayed(%s)",
        before,
        f"After {timeout} s, transactions that were writing on the primary when the moment was committed have not ended on this standby. "
        "Ask for an earlier moment, or run manage.py audittrail maintain on the primary: what it has closed can be read at once.",
    )


def _look_until(cursor: Any, deadline: float, question: str, about: Any, refusal: str) -> None:
    while True:
        cursor.execute(question, [about])
        if cursor.fetchone() == (True,):
            return
        if time.monotonic() > deadline:
            raise UnsettledError(refusal)
        time.sleep(PAUSE)


def _is_closed(cursor: Any, moment: datetime) -> bool:
    """Return whether what comes after a moment is known to be settled; times and ticks of commits side by side may differ."""
    cursor.execute(
        "SELECT coalesce((SELECT committed FROM audittrail.revision WHERE committed_at > %s + interval '1 second'"
        " ORDER BY committed_at LIMIT 1) <= audittrail.closed_tick(), false)",
        [moment],
    )
    (closed,) = cursor.fetchone()
    return bool(closed)


def _look(cursor: Any) -> tuple[list[str], float, bool, bool]:
    """Return who is committing, the server's clock just before, in seconds since 1970, and whether it is a standby, or an archive."""
    cursor.execute(
        "SELECT extract(epoch FROM clock_timestamp())::float, audittrail.committing()::text[], pg_is_in_recovery(),"
        " audittrail.is_archive()"
    )
    clock, holders, on_standby, is_archive = cursor.fetchone()
    return holders, clock, on_standby, is_archive
