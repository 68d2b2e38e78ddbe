"""The moment at which a block of code reads: what `history.at_rev` sets and `Model.history` asks for."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.db import DEFAULT_DB_ALIAS

from audittrail.revisions.inside import decorated
from audittrail.revisions.models import BaseRevision
from audittrail.timetravel import machine, moment
from audittrail.timetravel.moment import Moment

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, eq=False)
class _State:
    """The moment of a block, the time that it was given as, and the block around it."""

    moment: Moment
    time: datetime | None
    outer: _State | None
    opened_by: object
    #: The moments of further databases at that time, once they were asked for.
    others: dict[str, Moment] = field(default_factory=dict)


_state: ContextVar[_State | None] = ContextVar("audittrail_moment", default=None)


class AtRevision:
    """A moment to read at, to enter with `with` or to put on a function; made by `at_rev`."""

    def __init__(self, point: BaseRevision | datetime, using: str | None) -> None:
        self._point = point
        self._using = using

    def __enter__(self) -> Moment:
        return self._enter(moment.resolve(self._point, self._using))

    def _enter(self, found: Moment) -> Moment:
        # A time holds for every database, unless one is named; a revision holds for its own database alone.
        is_time = isinstance(self._point, datetime) and self._using is None
        time = self._point if is_time and isinstance(self._point, datetime) else None
        _state.set(_State(found, time, _state.get(), self))
        return found

    def __exit__(self, *error: object) -> None:
        # The block is found by its opener, not by a token: a framework may end it in a copy of the context variables, and blocks of
        # generators may end in another order than they began.
        state = _state.get()
        if state is not None:
            _state.set(_without(state, self))

    async def __aenter__(self) -> Moment:
        # This takes a query if a time was given, and none for a revision.
        found = await sync_to_async(moment.resolve)(self._point, self._using)
        return self._enter(found)

    async def __aexit__(self, *error: object) -> None:
        self.__exit__()

    def __call__(self, function: F) -> F:
        """Return the function with this moment for its body; a generator has it only while its own code runs."""
        return decorated(function, lambda: self)


def _without(state: _State, opener: object) -> _State | None:
    if state.opened_by is opener:
        return state.outer
    if state.outer is None:
        return state
    return _State(
        state.moment, state.time, _without(state.outer, opener), state.opened_by, state.others
    )


def at_rev(rev: BaseRevision | datetime, *, using: str | None = None) -> AtRevision:
    """Let `Model.history` read as of a revision or a datetime, inside a `with` block or a decorated function.

    Holds for the thread or task that entered it, for the tasks that it starts, and for what `sync_to_async` runs for it; other
    threads are not concerned, and neither is `Model.objects`. Blocks nest: the inner one holds for its database, and the outer one
    still for others. A datetime without `using` holds for every database. A queryset made inside keeps its moment when it leaves.

    In coroutines a datetime needs `async with`, since finding its revision takes a query.

    A generator that enters a `with` block shows it to its consumer while it waits; a decorated generator does not.

    Raises `MomentError` for what is no moment, `Revision.DoesNotExist` before the first revision.
    """
    return AtRevision(rev, using)


def moment_for(using: str | None) -> Moment | None:
    """Return the moment at which the present block reads a database; None outside of any, and for a database without one.

    That is the moment of `at_rev`, or else of the time machine.
    """
    state = _state.get()
    database = moment.live_alias(using or DEFAULT_DB_ALIAS)
    while state is not None:
        if state.moment.using == database:
            return state.moment
        if state.time is not None:
            if database not in state.others:
                state.others[database] = moment.resolve(state.time, database)
            return state.others[database]
        state = state.outer
    journey = machine.current()
    return None if journey is None else journey.moment_in(database)
