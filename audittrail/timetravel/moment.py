"""Moments: the points in commit order as of which the database can be read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.db import DEFAULT_DB_ALIAS, models
from django.utils import timezone

from audittrail.exceptions import MomentError, TrackedLaterError
from audittrail.revisions.models import BaseRevision, revision_model
from audittrail.revisions.retention import kept_since
from audittrail.revisions.wording import spelled

SEPARATOR: Final = "@"

#: What people call the moments that this process has looked up, by their aliases; so many are remembered for errors to name.
_called: dict[str, str] = {}
_REMEMBERED: Final = 10_000


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
        """Return the moment as people name it: by revision and time, where this process has seen the revision."""
        return _called.get(self.alias, f"the moment {self.alias!r}")


def from_alias(alias: str | None) -> Moment | None:
    """Return the moment that a connection alias reads, or None for the alias of a present database."""
    if alias is None or SEPARATOR not in alias:
        return None
    using, _, tick = alias.rpartition(SEPARATOR)
    # What was imported has negative ticks.
    return Moment(using, int(tick)) if tick.removeprefix("-").isdecimal() else None


def moment_of(instance: models.Model | None) -> Moment | None:
    """Return the moment that an object was read as of, or None for one of the present."""
    return None if instance is None else from_alias(instance._state.db)


def live_alias(alias: str) -> str:
    """Return the alias of the present database behind an alias."""
    moment = from_alias(alias)
    return alias if moment is None else moment.using


def resolve(point: BaseRevision | datetime, using: str | None = None) -> Moment:
    """Return the moment of a revision, or of the last revision committed at or before a datetime.

    Takes the database to read, by default that of the revision, or the default one. Only a datetime takes a query.

    Raises `MomentError` for a revision that is not committed, or of another database, for a naive datetime where the project
    has time zones, and for anything else; `Revision.DoesNotExist` for a datetime before the first revision, and
    `TrackedLaterError` if there were revisions then that have been pruned.
    """
    if isinstance(point, datetime):
        if settings.USE_TZ and timezone.is_naive(point):
            raise MomentError(
                f"{point!r} does not say which time zone it is in. Make it aware, for example with "
                "django.utils.timezone.make_aware()."
            )
        point = _last_revision(point, using or DEFAULT_DB_ALIAS)
    if not isinstance(point, BaseRevision):
        raise MomentError(
            f"The past is read as of a revision or a datetime, not {point!r}. Get a revision with Revision.objects.get()."
        )
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
    moment = Moment(database, point.committed)
    if moment.alias not in _called:
        if len(_called) >= _REMEMBERED:
            _called.clear()
        _called[moment.alias] = _name_of(point, database)
    return moment


def _name_of(revision: BaseRevision, database: str) -> str:
    place = "" if database == DEFAULT_DB_ALIAS else f" of database {database!r}"
    return f"revision {revision.pk}{place} ({spelled(revision.committed_at)})"


def _last_revision(point: datetime, using: str) -> BaseRevision:
    revisions: Any = revision_model().objects.using(using)
    try:
        found: BaseRevision = revisions.get_by_timestamp(point)
    except ObjectDoesNotExist:
        if kept := kept_since(using, at=point):
            raise TrackedLaterError(
                f"The database can't be read as of {spelled(point)} any more: {kept}."
            ) from None
        raise
    return found


def newest(using: str) -> Moment | None:
    """Return the moment of the newest revision of a database, or None if it has none."""
    revision = revision_model().objects.using(live_alias(using)).newest()
    return None if revision is None else resolve(revision)
