"""Spans: the revisions after one moment of a database, up to another one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connections
from django.db.backends.postgresql.psycopg_any import sql

from audittrail.diff.statements import Fragment, fetch
from audittrail.diff.tracked import TrackingPeriod
from audittrail.exceptions import MomentError
from audittrail.revisions.models import BaseRevision
from audittrail.timetravel import moment, present, settled
from audittrail.timetravel.moment import Moment

Point = BaseRevision | datetime | None


@dataclass(frozen=True)
class Span:
    """The revisions committed after the tick `start`, up to the tick `end`."""

    using: str
    start: int
    end: int
    #: The revisions that had begun by then and were not committed yet.
    open_at_start: tuple[int, ...] = ()
    open_at_end: tuple[int, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether no revision can be in it."""
        return self.start >= self.end

    def within(self, table: TrackingPeriod) -> Span:
        """Return the part of the span in which a table was tracked."""
        return (
            self
            if self.start >= table.known_from
            else spanning(self.using, table.known_from, self.end)
        )

    def condition(self, source: str, table: TrackingPeriod) -> Fragment:
        """Return the condition that a version is of one of the revisions; a table's baseline is of none."""
        lowest = min([*self.open_at_start, self.start + 1])
        values = {
            "v": sql.Identifier(source),
            "lowest": sql.Literal(lowest),
            "start": sql.Literal(self.start),
            "end": sql.Literal(self.end),
            "change": table.change(source),
            "before": _list(self.open_at_start),
            "after": _list(self.open_at_end),
        }
        return sql.SQL(
            "({v}.version >= {lowest} AND {v}.version <= {end}"
            " AND ({v}.version > {start} OR {v}.revision_id IN {before}) AND {v}.revision_id NOT IN {after}"
            " AND {change})"
        ).format(**values)


def spanning(using: str, start: int, end: int) -> Span:
    """Return the span between two ticks."""
    statement = sql.SQL(
        "SELECT ARRAY(SELECT audittrail.open_at({})), ARRAY(SELECT audittrail.open_at({}))"
    ).format(sql.Literal(start), sql.Literal(end))
    ((before, after),) = fetch(using, statement)
    return Span(using, start, end, tuple(before), tuple(after))


def open_at(using: str, tick: int) -> list[int]:
    """Return the numbers of the revisions that had begun by a tick and were not committed yet."""
    statement = sql.SQL("SELECT audittrail.open_at({})").format(sql.Literal(tick))
    return [number for (number,) in fetch(using, statement)]


def between(
    from_revision: BaseRevision | datetime | None,
    to_revision: BaseRevision | datetime | None,
    tables: Iterable[TrackingPeriod],
    using: str,
    others: Iterable[TrackingPeriod] = (),
) -> Span:
    """Return the span from one revision or datetime to another.

    By default it begins when the tables' tracking began, and ends with the moment of `at_rev`, or now. Of other tables it is
    enough that they are still tracked at the end. Waits until the end is settled.

    Raises `MomentError` for what is no moment of the database, or if the span would end before it begins; `TrackedLaterError`
    if it begins before the tracking of one of the tables.
    """
    tables = list(tables)
    end: Moment | None
    if to_revision is None:
        end = present.moment_for(using) or moment.newest(using)
    else:
        end = moment.resolve(to_revision, using)
    if from_revision is not None:
        start = moment.resolve(from_revision, using).tick
        if end is not None and start > end.tick:
            raise MomentError(
                f"{_name(from_revision)} comes after {_name(to_revision)} in commit order, so there is nothing from the one to "
                "the other. Give the earlier one first."
            )
    else:
        start = max((table.known_from for table in tables), default=0)
    if end is None:
        return Span(using, start, start)
    for table in tables:
        table.require(start)
        table.require(end.tick)
    for table in others:
        table.require(max(end.tick, table.known_from))
    settled.ensure(connections[end.using], end)
    return spanning(using, start, end.tick)


def database_of(
    points: Sequence[BaseRevision | datetime | None], using: str | None, default: str
) -> str:
    """Return the database to look into: the given one, or that of a revision, or the default."""
    if using is not None:
        return moment.live_alias(using)
    for point in points:
        if isinstance(point, BaseRevision) and point._state.db is not None:
            return moment.live_alias(point._state.db)
    return default


def _name(point: Any) -> str:
    if point is None:
        return "the present moment"
    return f"revision {point}" if isinstance(point, BaseRevision) else str(point)


def _list(numbers: Sequence[int]) -> Fragment:
    # A list can't be empty in SQL; no revision has the number 0.
    return sql.SQL("({})").format(sql.SQL(", ").join(map(sql.Literal, numbers or [0])))
