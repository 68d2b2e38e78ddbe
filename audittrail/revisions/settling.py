"""Settled moments: which revisions are certain to have nothing before them that is still to appear."""

import time

from django.db import connections

from audittrail.exceptions import UnsettledError

#: The advisory lock that `audittrail.stamp()` shares, from before a transaction's tick until it is visible.
STAMP_LOCK = (1635083369, 1)


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
            " WHERE committed_at IS NOT NULL ORDER BY committed_at DESC LIMIT 1000) r"
        )
        tick, blind = cursor.fetchone()
    if blind:
        raise UnsettledError(
            "This transaction keeps to a snapshot that was taken while others were running, and will never see what "
            "they commit. Ask for settled revisions in a transaction at READ COMMITTED, or outside any."
        )
    wait_for_holders(using, timeout)
    return int(tick)


def wait_for_holders(using: str, timeout: float) -> None:
    """Wait for the transactions that are committing now; those that begin to later have later ticks.

    Raises `UnsettledError` after `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    pause = 0.001
    with connections[using].cursor() as cursor:
        holders = _holders(cursor)
        while holders:
            if time.monotonic() > deadline:
                raise UnsettledError(
                    f"After {timeout} s transactions that began to commit are still not visible (virtual transactions "
                    f"{', '.join(sorted(holders))}). Look for prepared transactions in pg_prepared_xacts, or ask for "
                    "an earlier moment."
                )
            time.sleep(pause)
            pause = min(pause * 2, 0.05)
            holders &= _holders(cursor)


def _holders(cursor: object) -> set[str]:
    cursor.execute(  # type: ignore[attr-defined]
        "SELECT virtualtransaction FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND objid = %s"
        " AND objsubid = 2 AND granted AND pid IS DISTINCT FROM pg_backend_pid()"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        STAMP_LOCK,
    )
    return {holder for (holder,) in cursor.fetchall()}  # type: ignore[attr-defined]
