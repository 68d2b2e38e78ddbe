"""What is asked of a model's history: its changes step by step, and the net difference between two moments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.db import models

from audittrail.diff.changes import FieldChange
from audittrail.diff.comparison import ModelComparison, ObjectComparison
from audittrail.diff.parts import chosen_fields, parts_of, relations_of, tables_of
from audittrail.diff.span import Span, between
from audittrail.diff.steps import ObjectHistory, RevisionChanges
from audittrail.diff.tracked import TrackedTable, require_tracked
from audittrail.revisions.models import BaseRevision

Point = BaseRevision | datetime | None


def steps(
    model: type[models.Model],
    pk: Any,
    from_revision: Point,
    to_revision: Point,
    using: str,
    fields: Iterable[str] | None = None,
) -> Iterator[RevisionChanges]:
    """Return what each revision after one moment up to another changed of an object, in the order of their commits.

    What can't be answered is an error at once, see `ObjectHistory` and `between`.
    """
    history = ObjectHistory(model, pk, using, fields)
    return history.between(_span(model, history.tables, from_revision, to_revision, using))


def diff(
    model: type[models.Model],
    pk: Any,
    from_revision: Point,
    to_revision: Point,
    using: str,
    fields: Iterable[str] | None = None,
) -> Iterator[FieldChange]:
    """Return the same as a plain series of changes."""
    found = steps(model, pk, from_revision, to_revision, using, fields)
    return (change for step in found for change in step.changes)


def compare(
    model: type[models.Model],
    from_revision: Point,
    to_revision: Point,
    using: str,
    *,
    pk: Any = None,
    among: Iterable[Any] | None = None,
    fields: Iterable[str] | None = None,
) -> ObjectComparison | Iterator[ObjectComparison]:
    """Return the comparison of one object, or an iterator of those that differ: of some objects, by default of all."""
    names = chosen_fields(model, fields)
    relations = relations_of(model, names)
    tables = require_tracked(tables_of(model, relations), using)
    span = _span(model, tables, from_revision, to_revision, using)
    found = ModelComparison(model, span, tables, names)
    if pk is not None:
        ObjectHistory(model, pk, using, fields)
        return found.one(pk)
    return found.all() if among is None else found.among(among)


def _span(
    model: type[models.Model],
    tables: dict[type[models.Model], TrackedTable],
    from_revision: Point,
    to_revision: Point,
    using: str,
) -> Span:
    own = [tables[part.model] for part in parts_of(model)]
    return between(from_revision, to_revision, own, using, tables.values())
