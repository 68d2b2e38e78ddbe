"""The time machine: while somebody travels, a block of code reads everything that is tracked as of one moment.

`Model.history` reads the past where it is asked; the time machine is for code that knows nothing of history, such as the admin of
a project. A context variable says where the traveller is. Who makes or evaluates querysets asks here (`router`, `routing`), and so
does who sends statements (`guard`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.contrib.sessions.base_session import AbstractBaseSession
from django.core.exceptions import ObjectDoesNotExist
from django.db import connections, models, router

from audittrail import conf
from audittrail.capture import install, tracking
from audittrail.exceptions import TimeTravelError, TrackedLaterError
from audittrail.revisions import horizon
from audittrail.revisions.context import read_only
from audittrail.revisions.models import BaseRevision, revision_model
from audittrail.revisions.wording import spelled
from audittrail.timetravel import along
from audittrail.timetravel.moment import Moment, live_alias, resolve

#: Models whose objects Django keeps for the whole process: they are read as they are now, also with rows of the past.
_KEPT_BY_PROCESSES: Final = ("contenttypes.*", "auth.Permission")


@dataclass(frozen=True, eq=False)
class Journey:
    """Where somebody travels: the moment that a revision left, and the same time in other databases."""

    revision: BaseRevision
    moment: Moment
    #: Whether nothing at all may be written, not even what is not tracked (sessions and the like excepted).
    strict: bool = False
    #: The time that is meant, where that is later than the revision's.
    at: datetime | None = None
    others: dict[str, Moment] = field(default_factory=dict)
    #: The tables of the project's models that don't stay in the present, and whether each is tracked; filled by `guard`.
    tables: dict[str, bool] = field(default_factory=dict)

    @property
    def time(self) -> datetime:
        """When the revision was committed, or the later time that is meant."""
        found = self.at or self.revision.committed_at
        assert found is not None
        return found

    def moment_in(self, using: str) -> Moment:
        """Return the moment of a database.

        Raises `TrackedLaterError` where nothing was recorded by then, `TimeTravelError` for a database without history.
        """
        database = live_alias(using)
        if database == self.moment.using:
            return self.moment
        if database not in self.others:
            with in_the_present():
                self.others[database] = self._same_time_in(database)
        return self.others[database]

    def tick_in(self, using: str) -> int:
        """Return the tick of a database's moment."""
        return self.moment_in(using).tick

    def _same_time_in(self, database: str) -> Moment:
        connection = connections[database]
        if not install.is_supported(connection) or not install.is_installed(connection):
            raise TimeTravelError(
                f"Database {database!r} has no history: nothing in it is recorded."
            )
        revisions = revision_model().objects.using(database)
        # On a replica of the same database the revision itself is there, which is more exact than its time.
        same = revisions.filter(pk=self.revision.pk, committed=self.moment.tick).first()
        try:
            return resolve(same or self.time, database)
        except ObjectDoesNotExist:
            raise TrackedLaterError(
                f"Nothing was recorded in database {database!r} by {spelled(self.time)}; what it held then is not known."
            ) from None


_journey: ContextVar[Journey | None] = ContextVar("audittrail_journey", default=None)

#: Return the journey of the present block of code, None in the present.
current: Final = _journey.get


@contextmanager
def travelling(
    revision: BaseRevision, *, strict: bool = False, at: datetime | None = None
) -> Iterator[Journey]:
    """Read everything that is tracked as a revision left it, inside a `with` block.

    Querysets of all tracked models, made before or inside, read as of that moment when they are evaluated, and raw SQL as well;
    writing what is tracked raises `PastIsReadOnlyError`, with `strict` writing anything but sessions, content types and the
    admin's log. Objects of the present, such as the user of a request, lead to objects of the present. Models that are not
    tracked are read as they are now, though not in one statement with tracked ones, `AUDITTRAIL_READ_LIVE` excepted.

    Takes as `at` the time that is meant, if that lies between the revision and the next one: in other databases it counts.

    Holds for the thread or task that entered it, for the tasks that it starts, and for what `sync_to_async` runs; threads that the
    block starts are in the present. Evaluate lazy querysets inside: outside they read the present.

    Raises `MomentError` for a revision that is not committed.
    """
    with _at(Journey(revision, resolve(revision), strict, at)) as journey:
        assert journey is not None
        yield journey


@contextmanager
def in_the_present() -> Iterator[None]:
    """Read and write the present, inside a `with` block, whoever travels: for permissions and other things that hold now."""
    if _journey.get() is None:
        with along.reading_along(None):
            yield
        return
    with _at(None):
        yield


def again(journey: Journey | None) -> Any:
    """Return a context manager for another block of the same journey, or for one of the present."""
    return _at(journey)


@contextmanager
def unwatched() -> Iterator[None]:
    """Send what is on its way to the right database already, inside a `with` block, past the `guard`."""
    token = _journey.set(None)
    try:
        yield
    finally:
        _journey.reset(token)


@contextmanager
def _at(journey: Journey | None) -> Iterator[Journey | None]:
    end = None if journey is None else horizon.Horizon(journey.tick_in, journey.time)
    token = _journey.set(journey)
    try:
        with (
            along.reading_along(None),
            horizon.seen_until(end),
            read_only(journey is not None),
        ):
            yield journey
    finally:
        _journey.reset(token)


def alias_for(model: type[models.Model], hints: Any, using: str | None = None) -> str | None:
    """Return the alias of the moment as of which a model is to be read, None if it is to be read as ever.

    Takes the hints that Django gives to routers, and the alias of the database if that has been chosen already.
    """
    journey = _journey.get()
    if journey is None or belongs_to_the_present(hints) or not travels(model):
        return None
    if using is None:
        with in_the_present():
            using = router.db_for_read(model, **hints)
    return journey.moment_in(using).alias


def alias_along(model: type[models.Model], hints: Any) -> str | None:
    """Return the alias of the moment along which code reads a model, None if it reads none or reads the model as ever.

    Takes the hints that Django gives to routers. What they send to another database is read there, as of the same time.

    Raises what `Journey.moment_in` does.
    """
    going = along.going()
    if going is None or belongs_to_the_present(hints) or not goes_along(model):
        return None
    moment = going.moment
    if going.owns(model):
        return moment.alias
    with in_the_present():
        using = live_alias(router.db_for_read(model, **hints))
        if using == moment.using:
            return moment.alias
        by_then = revision_model().objects.using(moment.using).filter(committed__lte=moment.tick)
        revision = by_then.order_by("committed").last()
    if revision is None:
        raise TrackedLaterError(
            f"{model._meta.label} is read from database {using!r} as of the same time as {moment}, and that time is not known: database "
            f"{moment.using!r} has no revision left from then or before."
        )
    return Journey(revision, moment).moment_in(using).alias


def goes_along(model: type[models.Model]) -> bool:
    """Return whether code that reads along a moment reads a model as of it: if it is tracked, or may be read with what is."""
    if is_bookkeeping(model):
        return False
    concrete = tracking.concrete(model)
    return tracking.is_tracked(model) or _matches(concrete, conf.read_live())


def belongs_to_the_present(hints: Any) -> bool:
    """Return whether a queryset is made for an object of the present, to which it is related."""
    instance = hints.get("instance")
    return instance is not None and instance._state.db is not None


def is_at(moment: Moment) -> bool:
    """Return whether somebody travels at this moment."""
    journey = _journey.get()
    return journey is not None and journey.moment_in(moment.using) == moment


def travels(model: Any) -> bool:
    """Return whether objects of a model are read as of a moment: if it is tracked, or may be read with what is."""
    if not (isinstance(model, type) and issubclass(model, models.Model)) or stays(model):
        return False
    if tracking.is_tracked(model):
        return True
    concrete = tracking.concrete(model)
    return not _matches(concrete, _KEPT_BY_PROCESSES) and _matches(concrete, conf.read_live())


def stays(model: type[models.Model]) -> bool:
    """Return whether a model stays in the present, tracked or not: sessions, content types, the admin's log, history itself."""
    return issubclass(model, AbstractBaseSession) or _matches(
        tracking.concrete(model), conf.DEFAULT_EXCLUDE
    )


def is_bookkeeping(model: type[models.Model]) -> bool:
    """Return whether a model stays in the present with all that it is joined with, such as the users of revisions."""
    return stays(model) and not _matches(model, _KEPT_BY_PROCESSES)


def _matches(model: type[models.Model], patterns: tuple[str, ...]) -> bool:
    return any(tracking.matches(model, pattern) for pattern in patterns)
