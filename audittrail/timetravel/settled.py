"""Settled moments: a state is read only when nothing can appear in it any more, so that its answers never change.

Between taking its tick and becoming visible a transaction with a smaller tick may still be unseen (see `revisions.settling`). This
is looked at before the first statement that reads a moment, and not when a queryset is made, which takes no query.
"""

from __future__ import annotations

from typing import Any, Final

from audittrail.exceptions import MomentError, TrackedLaterError, UnsettledError
from audittrail.revisions import settling
from audittrail.revisions.retention import kept_since
from audittrail.timetravel.moment import Moment
from audittrail.timetravel.registry import transaction_of

#: The newest tick known to be settled, for each database of this process: what is older needs no second look.
_settled: dict[tuple[str, ...], int] = {}

#: Finds the revision that was committed at a tick: it began at the tick before, or was open then. By its `committed` alone, of
#: which there is no index, all might be looked at.
COMMITTED: Final = (
    " FROM audittrail.revision r WHERE r.committed = %(tick)s::bigint"
    " AND r.id = ANY (ARRAY(SELECT audittrail.open_at(%(tick)s::bigint - 1)) || (%(tick)s::bigint - 1))"
)

_LOOK = "SELECT current_setting('transaction_isolation'), audittrail.closed_tick()" + COMMITTED


def is_settled(live: Any, moment: Moment) -> bool:
    """Return whether a moment is known to be settled for every snapshot that is taken from now on."""
    return moment.tick <= _settled.get(_identity(live), 0)


def ensure(live: Any, moment: Moment) -> None:
    """Settle a moment unless that is known; in a transaction, which may keep a snapshot, once for itself. Raises what `settle` does."""
    transaction = transaction_of(live)
    if transaction is None:
        if not is_settled(live, moment):
            settle(live, moment)
    elif moment.tick not in transaction.ticks:
        settle(live, moment)
        transaction.ticks.add(moment.tick)


def settle(live: Any, moment: Moment) -> None:
    """Wait until nothing can appear any more in the state as of a moment.

    Takes the present connection. Raises `UnsettledError` after a few seconds, and in a transaction whose snapshot may be too old to
    tell; `MomentError` where no revision was committed at the moment, as on a standby that has not replayed it yet;
    `TrackedLaterError` where it has been pruned.
    """
    with live.cursor() as cursor:
        cursor.execute(_LOOK, {"tick": moment.tick})
        row = cursor.fetchone()
    if row is None:
        if kept := kept_since(live.alias, tick=moment.tick):
            raise TrackedLaterError(f"The database can't be read as of {moment} any more: {kept}.")
        raise MomentError(
            f"Database {live.alias!r} does not hold {moment}: it is of another database, has been erased, or has not reached this server "
            "yet. Take the revision from the database that is to be read."
        )
    isolation, closed_through = row
    if moment.tick <= closed_through:
        # It was settled when its versions were closed: it can be read even while a prepared transaction lies about.
        _remember(live, closed_through)
        return
    keeps_snapshot = isolation not in ("read committed", "read uncommitted")
    if is_settled(live, moment) and not keeps_snapshot:
        return
    settling.wait_for_commits(live.alias, settling.TIMEOUT)
    if keeps_snapshot:
        with live.cursor() as cursor:
            cursor.execute("SELECT audittrail.snapshot_lacks()")
            (lacks,) = cursor.fetchone()
        if lacks:
            raise UnsettledError(
                f"The snapshot of this {isolation.upper()} transaction was taken before others committed, and may "
                f"lack a commit before {moment}. Read as of it in a new transaction, at READ COMMITTED, or when manage.py audittrail "
                "maintain has closed it."
            )
    _remember(live, moment.tick)


def _remember(live: Any, tick: int) -> None:
    database = _identity(live)
    _settled[database] = max(tick, _settled.get(database, 0))


def forget(**kwargs: Any) -> None:
    """Forget which ticks are settled: a database that is made anew, as in tests, begins from 1 again."""
    _settled.clear()


def _identity(live: Any) -> tuple[str, ...]:
    parameters = live.settings_dict
    return (live.alias, *(str(parameters[name]) for name in ("NAME", "HOST", "PORT")))
