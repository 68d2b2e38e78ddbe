"""Moments: the points in commit order as of which the database can be read."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections, models
from django.utils import timezone

from audittrail.exceptions import MomentError, UnsettledError
from audittrail.revisions import settling
from audittrail.revisions.models import BaseRevision, revision_model

SEPARATOR = "@"

#: How long at most a commit takes to become visible, where the server doesn't show which ones are on their way.
COMMIT_WINDOW = timedelta(seconds=1)

#: The newest tick known to be settled, for each database of this process: what is older needs no second look.
_settled: dict[tuple[str, ...], int] = {}


@dataclass(frozen=True, order=True)
class Moment:
    """The state of a database just after the commit that took a tick."""

    using: str
    tick: int

    @property
    def alias(self) -> str:
        """The alias of the connection that reads the database as of this moment."""
        return f"{self.using}{SEPARATOR}{self.tick}"

    def __str__(self) -> str:
        """Return the moment as people name it."""
        return f"tick {self.tick} of database {self.using!r}"


def from_alias(alias: str | None) -> Moment | None:
    """Return the moment that a connection alias reads, or None for the alias of a present database."""
    if alias is None or SEPARATOR not in alias:
        return None
    using, _, tick = alias.rpartition(SEPARATOR)
    return Moment(using, int(tick)) if tick.isdecimal() else None


def moment_of(instance: models.Model | None) -> Moment | None:
    """Return the moment that an object was read as of, or None for one of the present."""
    return None if instance is None else from_alias(instance._state.db)


def live_alias(alias: str) -> str:
    """Return the alias of the present database behind an alias."""
    moment = from_alias(alias)
    return alias if moment is None else moment.using


def resolve(point: BaseRevision | datetime, using: str | None = None) -> Moment:
    """Return the moment of a revision, or of the last revision committed at or before a datetime.

    Takes the database to read, by default that of the revision, or the default one.

    Raises `MomentError` for a revision that is not committed, or of another database, for a naive datetime where the project
    has time zones, and for anything else; `Revision.DoesNotExist` for a datetime before the first revision;
    `UnsettledError` if a transaction that belongs before the moment does not come to its end.
    """
    if isinstance(point, datetime):
        if settings.USE_TZ and timezone.is_naive(point):
            raise MomentError(
                f"{point!r} does not say which time zone it is in. Make it aware, for example with "
                "django.utils.timezone.make_aware()."
            )
        point = revision_model().objects.using(using or DEFAULT_DB_ALIAS).get_by_timestamp(point)
    if not isinstance(point, BaseRevision):
        raise MomentError(f"The past is read as of a Revision or a datetime, not {point!r}.")
    if point._state.db is None:
        raise MomentError(
            f"Revision {point} was not read from a database. Get it with Revision.objects.get()."
        )
    database = live_alias(point._state.db)
    if using is not None and live_alias(using) != database:
        raise MomentError(
            f"Revision {point} is of database {database!r}; database {using!r} has revisions of its own."
        )
    if point.committed is None or point.committed_at is None:
        raise MomentError(
            f"Revision {point} is still open: there is no state that it left. Read it again after its transaction's commit; "
            "in a test, close it with audittrail.testing.close_revision()."
        )
    settle(database, point.committed, point.committed_at)
    return Moment(database, point.committed)


def newest(using: str) -> Moment | None:
    """Return the moment of the newest revision of a database, or None if it has none."""
    revision = revision_model().objects.using(using).newest_first().first()
    return None if revision is None else resolve(revision)


def settle(using: str, tick: int, committed_at: datetime, timeout: float = 5.0) -> None:
    """Wait until nothing can appear any more in the state as of a tick, which was taken at `committed_at`.

    Raises `UnsettledError` after `timeout` seconds, and in a transaction whose snapshot may be too old to tell.
    """
    connection = connections[using]
    database = _identity(connection)
    settled = tick <= _settled.get(database, 0)
    if settled and not connection.in_atomic_block:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('transaction_isolation'), %s > transaction_timestamp() - %s,"
            " CASE WHEN pg_is_in_recovery() THEN %s - greatest(clock_timestamp(), pg_last_xact_replay_timestamp()) END",
            [committed_at, COMMIT_WINDOW, committed_at + COMMIT_WINDOW],
        )
        isolation, is_recent, window = cursor.fetchone()
    if isolation not in ("read committed", "read uncommitted") and is_recent:
        raise UnsettledError(
            f"The snapshot of this {isolation.upper()} transaction was taken when tick {tick} had just been committed, and may "
            "lack a commit before it. Ask as of it in a new transaction, or at READ COMMITTED."
        )
    if settled:
        return
    if window is not None and window > timedelta():
        # A standby doesn't know which transactions of the primary are committing: their time is waited for.
        time.sleep(min(window.total_seconds(), timeout))
    settling.wait_for_holders(using, timeout)
    _settled[database] = max(tick, _settled.get(database, 0))


def forget_settled(**kwargs: Any) -> None:
    """Forget which ticks are settled: a database that is made anew, as in tests, begins from 1 again."""
    _settled.clear()


def _identity(connection: Any) -> tuple[str, ...]:
    parameters = connection.settings_dict
    return (connection.alias, *(str(parameters[name]) for name in ("NAME", "HOST", "PORT")))
