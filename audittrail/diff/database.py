"""The net difference of a whole database between two moments: counts by model first, then objects, then their fields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from django.db import models
from django.db.backends.postgresql.psycopg_any import sql

from audittrail.capture import tracking
from audittrail.diff.comparison import ModelComparison, ObjectComparison
from audittrail.diff.parts import chosen_fields, parts_of, relations_of, tables_of
from audittrail.diff.span import Point, Span, between, spanning
from audittrail.diff.statements import fetch, history_table
from audittrail.diff.tracked import TrackingPeriod, tracking_periods
from audittrail.exceptions import NotTrackedError
from audittrail.revisions.versions import version_model


@dataclass(frozen=True)
class ObjectCounts:
    """How many objects of a model differ between two moments."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.inserted + self.updated + self.deleted


class DatabaseComparison:
    """A database at two moments.

    An object counts where its own fields, inherited ones or many-to-many fields differ; the automatic tables of many-to-many
    fields are no models of their own here, unless that of the field is not tracked.
    """

    def __init__(self, span: Span) -> None:
        self.span = span

    def __repr__(self) -> str:
        """Return what is compared."""
        return f"<DatabaseComparison of {self.span.using!r} from tick {self.span.start} to {self.span.end}>"

    @cached_property
    def counts(self) -> dict[type[models.Model], ObjectCounts]:
        """How many objects differ, for each model that has any; a query for each model with changes, one to find those."""
        found = {}
        for model in self._touched():
            comparison = self._comparison(model, None)
            numbers = comparison.counts() if comparison else {}
            counts = ObjectCounts(numbers.get("I", 0), numbers.get("U", 0), numbers.get("D", 0))
            if counts.total:
                found[model] = counts
        return found

    @cached_property
    def known_later(self) -> dict[type[models.Model], datetime]:
        """The models of which the first moment is not known, since they were tracked later or have been pruned, with the time since when.

        They are compared from then on.
        """
        return {
            model: max(table.known_since for table in self._own_tables(model))
            for model in self.compared
            if any(table.known_from > self.span.start for table in self._own_tables(model))
        }

    @cached_property
    def compared(self) -> list[type[models.Model]]:
        """The models that are compared: those whose tables the database tracks at the second moment."""
        return [
            model
            for model in tracking.tracked_models()
            if _stands_alone(model)
            and all(part.model in self._tables for part in parts_of(model))
            and all(_is_tracked_at(table, self.span.end) for table in self._own_tables(model))
        ]

    def objects(
        self, model: type[models.Model], *, fields: Iterable[str] | None = None
    ) -> Iterator[ObjectComparison]:
        """Yield the objects of a model that differ, in the order of their keys.

        Takes the names of the fields to look at, by default all. Raises `NotTrackedError` for a model that is not tracked, or was
        not then.
        """
        if tracking.concrete(model) not in self.compared:
            raise NotTrackedError(
                f"{model._meta.label} is not tracked in database {self.span.using!r}, or was not at the second moment, so it can't be compared."
            )
        comparison = self._comparison(model, chosen_fields(model, fields))
        return iter(()) if comparison is None else comparison.all()

    @cached_property
    def _tables(self) -> dict[type[models.Model], TrackingPeriod]:
        return tracking_periods(tracking.tracked_models(), self.span.using)

    def _own_tables(self, model: type[models.Model]) -> list[TrackingPeriod]:
        return [self._tables[part.model] for part in parts_of(model)]

    def _comparison(
        self, model: type[models.Model], names: frozenset[str] | None
    ) -> ModelComparison | None:
        since = max(table.known_from for table in self._own_tables(model))
        if self.span.is_empty or since >= self.span.end:
            return None
        span = self.span
        if since > span.start:
            span = spanning(span.using, since, span.end)
        return ModelComparison(model, span, self._tables, names)

    def _touched(self) -> list[type[models.Model]]:
        """Return the models of whose tables, or of whose many-to-many tables, versions are of the span."""
        if self.span.is_empty or not self._tables:
            return []
        known = list(self._tables)
        arms: Any = [
            sql.SQL("SELECT {} WHERE EXISTS (SELECT FROM {} v WHERE {})").format(
                sql.Literal(number),
                history_table(version_model(model)),
                self.span.condition("v", self._tables[model]),
            )
            for number, model in enumerate(known)
        ]
        rows = fetch(self.span.using, sql.SQL(" UNION ALL ").join(arms))
        touched = {known[number] for (number,) in rows}
        return [
            model
            for model in self.compared
            if not touched.isdisjoint(tables_of(model, relations_of(model)))
        ]


def compare_database(from_revision: Point, to_revision: Point, using: str) -> DatabaseComparison:
    """Return the comparison of a database at two moments.

    Raises `MomentError` for what is no moment of the database, or if the first one comes after the second.
    """
    return DatabaseComparison(between(from_revision, to_revision, [], using))


def _stands_alone(model: type[models.Model]) -> bool:
    owner: Any = model._meta.auto_created
    return not owner or not tracking.is_tracked(owner)


def _is_tracked_at(table: TrackingPeriod, tick: int) -> bool:
    return table.until is None or tick <= table.until
