"""The net difference between two moments: of one object, of chosen ones, or of all objects of a model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db import models
from django.db.models.query import QuerySet

from audittrail.capture.tracking import concrete
from audittrail.diff.changes import FieldChange
from audittrail.diff.differences import Differences
from audittrail.diff.memberships import MembershipChanges, membership_change, source_of, targets_of
from audittrail.diff.parts import Relation, relations_of
from audittrail.diff.span import Span
from audittrail.diff.statements import in_chunks
from audittrail.diff.states import (
    Key,
    ObjectState,
    changes_of_state,
    columns_of_parts,
    key_of,
    operation_of,
    pk_of,
    states_at,
)
from audittrail.diff.tracked import TrackingPeriod
from audittrail.revisions.wording import named
from audittrail.timetravel.moment import Moment, live_alias

#: How many objects are read together.
CHUNK: Final = 200


@dataclass(frozen=True)
class ObjectComparison:
    """An object at two moments, and how it differs: the net difference, whatever happened in between.

    `before` and `after` are objects of the past, as of the two moments, None where it was not there.
    """

    model: type[models.Model]
    pk: Any
    before: models.Model | None
    after: models.Model | None
    changes: tuple[FieldChange, ...]

    @property
    def operation(self) -> str:
        """What became of it: "I" inserted, "U" updated, "D" deleted, "" nothing."""
        return operation_of(self.before, self.after, self.changes)


class ModelComparison:
    """The objects of a model at the two ends of a span.

    Takes what the database knows of the tables of its parts and its many-to-many fields, and the names of the fields to look
    at, by default all.
    """

    def __init__(
        self,
        model: type[models.Model],
        span: Span,
        tables: dict[type[models.Model], TrackingPeriod],
        names: frozenset[str] | None = None,
    ) -> None:
        self.model = model
        self.span = span
        self._tables = tables
        self._names = names
        self._relations = [r for r in relations_of(model, names) if r.through in tables]
        self.ends = Moment(span.using, span.start), Moment(span.using, span.end)

    def counts(self) -> dict[str, int]:
        """Return how many objects differ, by operation, with one query."""
        found = Differences(self.model, self.span, self._tables, self._relations, self._names)
        return found.counts()

    def all(self) -> Iterator[ObjectComparison]:
        """Yield the objects that differ, in the order of their keys; memory is bounded, however many there are."""
        if not self.span.is_empty:
            found = Differences(self.model, self.span, self._tables, self._relations, self._names)
            for chunk in in_chunks(found.keys(), CHUNK):
                yield from self._differing(
                    [key for key, _ in chunk], [related for _, related in chunk]
                )

    def among(self, objects: QuerySet[Any] | Iterable[Any]) -> Iterator[ObjectComparison]:
        """Yield those that differ of some objects: a queryset of the present or the past, or an iterable of objects or keys."""
        for chunk in in_chunks(self._chosen(objects), CHUNK):
            yield from self._differing(chunk)

    def _chosen(self, objects: QuerySet[Any] | Iterable[Any]) -> Iterator[Key]:
        """Yield the keys of some objects, each once."""
        if isinstance(objects, QuerySet):
            if concrete(objects.model) is not concrete(self.model):
                raise ValueError(
                    f"among takes objects of {self.model._meta.label}, not of {objects.model._meta.label}."
                )
            if live_alias(objects.db) != self.span.using:
                raise ValueError(
                    f"among takes objects of database {self.span.using!r}, not of {objects.db!r}."
                )
            objects = objects.values_list("pk", flat=True).iterator(chunk_size=CHUNK)
        seen = set()
        for one in objects:
            if isinstance(one, models.Model) and concrete(type(one)) is not concrete(self.model):
                raise ValueError(
                    f"among takes objects of {self.model._meta.label}, not {named(one)}."
                )
            key = key_of(self.model, one.pk if isinstance(one, models.Model) else one)
            if key not in seen:
                seen.add(key)
                yield key

    def one(self, pk: Any) -> ObjectComparison:
        """Return the comparison of one object, whether it differs or not."""
        return self.of([key_of(self.model, pk)])[0]

    def of(
        self, keys: Sequence[Key], related: Sequence[int] | None = None
    ) -> list[ObjectComparison]:
        """Return the comparisons of the objects with some keys: a bounded number of queries, however many they are.

        Takes for each the number whose bits say which of the many-to-many fields may differ, by default all.
        """
        points = [(key, tick) for key in keys for tick in (self.span.start, self.span.end)]
        states = states_at(self.model, self.span.using, points, self._tables)
        pairs = list(zip(states[::2], states[1::2], strict=True))
        columns = columns_of_parts(self.model)
        changes = [list(changes_of_state(columns, old, new)) for old, new in pairs]
        for number, relation in enumerate(self._relations):
            wanted = [n for n in range(len(keys)) if related is None or related[n] & 1 << number]
            found = self._of_relation(relation, [pairs[n] for n in wanted])
            for n, change in zip(wanted, found, strict=True):
                if change is not None:
                    changes[n].append(change)
        return [
            ObjectComparison(
                self.model,
                pk_of(key),
                None if old is None else old.instance(self.model, self.ends[0]),
                None if new is None else new.instance(self.model, self.ends[1]),
                tuple(c for c in told if self._names is None or c.attribute in self._names),
            )
            for key, (old, new), told in zip(keys, pairs, changes, strict=True)
        ]

    def _differing(
        self, keys: Sequence[Key], related: Sequence[int] | None = None
    ) -> Iterator[ObjectComparison]:
        return (comparison for comparison in self.of(keys, related) if comparison.operation)

    def _of_relation(
        self, relation: Relation, pairs: list[tuple[ObjectState | None, ObjectState | None]]
    ) -> list[FieldChange | None]:
        sources = {
            source_of(relation, state, self.model) for pair in pairs for state in pair if state
        }
        if not sources:
            return [None] * len(pairs)
        table = self._tables[relation.through]
        ticks = self.span.start, self.span.end
        story = MembershipChanges(relation, list(sources), self.span.using, ticks, table)
        memberships = story.at_start()
        before = [targets_of(relation, old, memberships, self.model) for old, _ in pairs]
        for event in story.events():
            memberships.apply(event)
        after = [targets_of(relation, new, memberships, self.model) for _, new in pairs]
        return [
            membership_change(relation, old, new, None)
            for old, new in zip(before, after, strict=True)
        ]
