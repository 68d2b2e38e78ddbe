"""Moments: the points in commit order as of which the database can be read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections

from audittrail.exceptions import MomentError
from audittrail.revisions import settling
from audittrail.revisions.models import BaseRevision, revision_model

SEPARATOR = "@"

#: The newest tick known to be settled, for each database of this process: what is older needs no second look.
_settled: dict[str, int] = {}


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


def from_alias(alias: str) -> Moment | None:
    """Return the moment that a connection alias reads, or None for the alias of a present database."""
    using, separator, tick = alias.rpartition(SEPARATOR)
    return Moment(using, int(tick)) if separator and tick.isdecimal() else None


def resolve(point: BaseRevision | datetime, using: str | None = None) -> Moment:
    """Return the moment of a revision, or of the last revision committed at or before a datetime.

    Takes the database to read, by default that of the revision, or the default one.

    Raises `MomentError` for a revision that is not committed, or of another database, and for anything else;
    `Revision.DoesNotExist` for a datetime before the first revision; `UnsettledError` if a transaction that
    belongs before the moment does not come to its end.
    """
    if isinstance(point, datetime):
        point = revision_model().objects.using(using or DEFAULT_DB_ALIAS).get_by_timestamp(point)
    if not isinstance(point, BaseRevision):
        raise MomentError(f"The past is read as of a Revision or a datetime, not {point!r}.")
    database = live_alias(point._state.db) if point._state.db else None
    if database is None:
        raise MomentError(f"Revision {point} was not read from a database.")
    if using is not None and using != database:
        raise MomentError(
            f"Revision {point} is of database {database!r}; database {using!r} has revisions of its own."
        )
    if point.committed is None:
        raise MomentError(
            f"Revision {point} is still open: there is no state that it left. Read it after its transaction's commit; "
            "in a test, close it with audittrail.testing.close_revision()."
        )
    settle(database, point.committed)
    return Moment(database, point.committed)


def settle(using: str, tick: int, timeout: float = 5.0) -> None:
    """Wait until nothing can appear any more in the state as of a tick.

    Raises `UnsettledError` after `timeout` seconds.
    """
    if tick > _settled.get(using, 0):
        settling.wait_for_holders(using, timeout)
        _settled[using] = max(tick, _settled.get(using, 0))


def live_alias(alias: str) -> str:
    """Return the alias of the present database behind an alias."""
    moment = from_alias(alias)
    return alias if moment is None else moment.using


def newest(using: str) -> Moment | None:
    """Return the moment of the newest revision of a database, or None if it has none."""
    revision = revision_model().objects.using(using).newest_first().first()
    return None if revision is None else resolve(revision)


def forget_settled(**kwargs: Any) -> None:
    """Forget which ticks are settled: a database that is made anew, as in tests, begins from 1 again."""
    _settled.clear()


def connection_of(moment: Moment) -> Any:
    """Return the connection of this thread that reads as of a moment."""
    return connections[moment.alias]
