"""Many-to-many relations over time: which keys an object was related to, and what each revision did to that."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db import models
from django.db.backends.postgresql.psycopg_any import sql

from audittrail.diff.changes import FieldChange
from audittrail.diff.images import GONE
from audittrail.diff.loading import converted
from audittrail.diff.parts import Relation, parts_of
from audittrail.diff.statements import (
    Fragment,
    fetch,
    history_table,
    key_fields,
    keys_of,
    literals,
    live_rows,
    same_key,
)
from audittrail.diff.states import ObjectState
from audittrail.diff.tracked import TrackingPeriod
from audittrail.revisions.models import BaseRevision
from audittrail.revisions.versions import version_model, version_name

_Row = tuple[Any, ...]


@dataclass(frozen=True)
class MembershipEvent:
    """What a version did to a row of a many-to-many table, and the tick of its commit.

    `now` is the row's source and target, None if it is gone.
    """

    committed: int
    row: _Row
    now: tuple[Any, Any] | None


class Memberships:
    """The rows of a many-to-many table that lead from some objects, at one time."""

    def __init__(self) -> None:
        self._rows: dict[_Row, tuple[Any, Any]] = {}
        self._targets: defaultdict[Any, Counter[Any]] = defaultdict(Counter)

    def apply(self, event: MembershipEvent) -> None:
        """Let something happen to a row."""
        if event.row in self._rows:
            source, target = self._rows.pop(event.row)
            self._targets[source][target] -= 1
        if event.now is not None:
            source, target = self._rows[event.row] = event.now
            self._targets[source][target] += 1

    def targets(self, source: Any) -> Counter[Any]:
        """Return the keys that an object is related to, and how often."""
        return +self._targets[source]


def membership_change(
    relation: Relation, old: Counter[Any], new: Counter[Any], revision: BaseRevision | None
) -> FieldChange | None:
    """Return the change of a many-to-many field from some keys to others, None if they are the same."""
    if old == new:
        return None
    name = relation.field.name
    if relation.masked:
        return FieldChange(name, None, None, revision, relation.field, masked=True)
    return FieldChange(
        name,
        _in_order(old),
        _in_order(new),
        revision,
        relation.field,
        added=_in_order(new - old),
        removed=_in_order(old - new),
    )


def _in_order(keys: Counter[Any]) -> tuple[Any, ...]:
    found = list(keys.elements())
    try:
        return tuple(sorted(found))
    except TypeError:
        return tuple(sorted(found, key=str))


def source_of(relation: Relation, state: ObjectState, model: type[models.Model]) -> Any:
    """Return the value by which an object of a state is found in a many-to-many table; None if it has none."""
    image = state.images[parts_of(model).index(relation.part)]
    return None if image is None else getattr(image.row, version_name(relation.key.attname))


def targets_of(
    relation: Relation,
    state: ObjectState | None,
    memberships: Memberships,
    model: type[models.Model],
) -> Counter[Any]:
    """Return the keys that an object of a state was related to at the same time; none if it was not there."""
    source = None if state is None else source_of(relation, state, model)
    return Counter() if source is None else memberships.targets(source)


def led_from(relation: Relation, sources: Iterable[Any], using: str) -> Fragment:
    """Return the condition that a row of a many-to-many table leads from one of some objects."""
    source = relation.column(relation.source)
    return sql.SQL("{} IN ({})").format(
        sql.Identifier(source.column), literals(source, sources, using)
    )


def ever(relation: Relation, sources: Iterable[Any], using: str, table: TrackingPeriod) -> Fragment:
    """Return the source "e" with the keys of the rows that ever led from some objects: such a row may lead from another one now."""
    model = version_model(relation.through)
    return sql.SQL(
        "(SELECT DISTINCT {keys} FROM {history} h WHERE {chosen} AND h.version >= {since}) e"
    ).format(
        keys=keys_of(model, "h"),
        history=history_table(model),
        chosen=led_from(relation, sources, using),
        since=sql.Literal(table.since_version),
    )


class MembershipChanges:
    """The many-to-many rows that lead from some objects: as they were at one tick, and what happened until another.

    A table that is tracked only since a time in between is known from then on.
    """

    def __init__(
        self,
        relation: Relation,
        sources: Sequence[Any],
        using: str,
        ticks: tuple[int, int],
        table: TrackingPeriod,
    ) -> None:
        model: Any = version_model(relation.through)
        start, end = ticks
        self._using = using
        source = relation.column(relation.source)
        self._fields = [source, relation.column(relation.target), *key_fields(model)]
        chosen = led_from(relation, sources, using)
        self._parts = {
            "columns": self._columns("h"),
            "keys": keys_of(model, "h"),
            "history": history_table(model),
            "ever": ever(relation, sources, using, table),
            "same_row": same_key(model, "h", "e"),
            "since": sql.Literal(table.since_version),
            "start": sql.Literal(max(start, table.known_from)),
            "end": sql.Literal(end),
            "change": table.change("h"),
            "live": self._live(model, chosen, table),
        }

    def at_start(self) -> Memberships:
        """Return the rows as they were at the first tick."""
        memberships = Memberships()
        for event in self._events(_AT_START):
            memberships.apply(event)
        return memberships

    def events(self) -> list[MembershipEvent]:
        """Return what happened after that, in the order of commits, and for each row in the order of its versions."""
        return list(self._events(_EVENTS))

    def _events(self, statement: str) -> Iterator[MembershipEvent]:
        model = self._fields[0].model
        found = fetch(self._using, sql.SQL(statement).format(**self._parts))
        values = converted(model, self._using, self._fields, [row[2:] for row in found])
        for (committed, operation, *_), (source, target, *row) in zip(found, values, strict=True):
            yield MembershipEvent(
                committed, tuple(row), None if operation in GONE else (source, target)
            )

    def _columns(self, name: str) -> Fragment:
        return sql.SQL(", ").join(sql.Identifier(name, field.column) for field in self._fields)

    def _live(self, model: Any, chosen: Fragment, table: TrackingPeriod) -> Fragment:
        if table.baseline_complete:
            return sql.SQL("")
        return sql.SQL(
            " UNION ALL SELECT 0, 'B'::\"char\", {columns} FROM {live} WHERE audittrail.shows_untold({number}) AND {chosen} AND NOT EXISTS ("
            "SELECT FROM {history} h WHERE {same_row} AND h.version >= {since})"
        ).format(
            columns=self._columns("b"),
            live=live_rows(model, "b", table.since_version),
            number=sql.Literal(table.id),
            chosen=chosen,
            history=history_table(model),
            same_row=same_key(model, "h", "b"),
            since=sql.Literal(table.since_version),
        )


_AT_START: Final = """
    (SELECT DISTINCT ON ({keys}) 0::bigint, h.operation, {columns}
       FROM {ever} JOIN {history} h ON {same_row}
       LEFT JOIN audittrail.revision r ON r.id = h.revision_id
      WHERE h.version >= {since} AND h.version <= {start} AND (r.id IS NULL OR r.committed <= {start})
      ORDER BY {keys}, h.version DESC){live}
"""

_EVENTS: Final = """
    SELECT r.committed, h.operation, {columns}
      FROM {ever} JOIN {history} h ON {same_row}
      JOIN audittrail.revision r ON r.id = h.revision_id
     WHERE h.version <= {end} AND r.committed > {start} AND r.committed <= {end} AND {change}
     ORDER BY r.committed, h.version
"""
