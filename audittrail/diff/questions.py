"""What is asked of a model's history: its changes step by step, and the net difference between two moments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.db import models

from audittrail.diff.changes import FieldChange
from audittrail.diff.comparison import ModelComparison, ObjectComparison
from audittrail.diff.fields import ANYTHING, FieldHistory, ObjectChange, last_changes
from audittrail.diff.parts import chosen_fields, parts_of, relations_of, tables_of
from audittrail.diff.span import Point, Span, between, database_of
from audittrail.diff.steps import ObjectHistory, RevisionChanges
from audittrail.diff.tracked import TrackingPeriod, require_tracked
from audittrail.revisions.models import BaseRevision


class Questions:
    """The part of `Model.history` and `obj.history` that tells what changed. What can't be answered is an error at once."""

    model: type[models.Model]
    instance: models.Model | None

    def diff(
        self,
        from_revision: BaseRevision | datetime | None = None,
        to_revision: BaseRevision | datetime | None = None,
        *,
        pk: Any = None,
        fields: Iterable[str] | None = None,
        using: str | None = None,
    ) -> Iterator[FieldChange]:
        """Return every change of an object after one revision up to another, in order: an iterator of `FieldChange`.

        `for attribute, value, revision in User.history.diff(pk=1234, from_revision=a, to_revision=b): ...`

        Takes revisions or datetimes, by default since tracking began and until the moment of `at_rev` or now; the object's
        primary key, unless it is called on an object; and the names of the fields to look at, by default all, inherited and
        many-to-many ones included. A revision is one step, whatever happened within its transaction.

        Raises `Model.DoesNotExist` for a key that is unknown to the table and its history, `MomentError` if the revisions are in
        the wrong order or of another database, `TrackedLaterError` for one before tracking began, `UnknownFieldError`.
        """
        key = self._pk(pk, "diff")
        found = self._steps(key, from_revision, to_revision, fields, using)
        return (change for step in found for change in step.changes)

    def steps(
        self,
        from_revision: BaseRevision | datetime | None = None,
        to_revision: BaseRevision | datetime | None = None,
        *,
        pk: Any = None,
        fields: Iterable[str] | None = None,
        dropped: bool = False,
        using: str | None = None,
    ) -> Iterator[RevisionChanges]:
        """Return the same as `diff` by revisions: each with what it did to the object and all of its changes.

        With `dropped`, changes of columns that no field has any more are told as well, see `version_changes`.
        """
        key = self._pk(pk, "steps")
        return self._steps(key, from_revision, to_revision, fields, using, dropped)

    def last_changes(
        self,
        at: BaseRevision | datetime | None = None,
        *,
        pk: Any = None,
        fields: Iterable[str] | None = None,
        using: str | None = None,
    ) -> dict[str, FieldChange]:
        """Return for each field of an object its last change: who gave it the value that it has now, or had at a moment.

        Fields that were never changed since tracking began are missing. Takes and raises the same as `diff`.
        """
        database = self._database_of(at, None, using)
        history = ObjectHistory(self.model, self._pk(pk, "last_changes"), database, fields)
        return last_changes(history, span_of(self.model, history.tables, None, at, database))

    def field_changes(
        self,
        field: str,
        from_revision: BaseRevision | datetime | None = None,
        to_revision: BaseRevision | datetime | None = None,
        *,
        old: Any = ANYTHING,
        new: Any = ANYTHING,
        using: str | None = None,
    ) -> Iterator[ObjectChange]:
        """Return every change of one field in any object of the model, in order: an iterator of `ObjectChange`.

        Takes the name of a field of the model's own table, the revisions or datetimes as `diff` does, and the values that a change
        must have led from or to: `Order.history.field_changes("status", old="draft", new="paid")`. Each version counts, within one
        transaction as well; an insertion leads from None, a deletion to None.

        Raises `UnknownFieldError` for another field, and for values of a masked one, and otherwise the same as `diff`.
        """
        if self.instance is not None:
            raise TypeError(f"{self!r} is of one object; ask it with diff(fields=[{field!r}]).")
        database = self._database_of(from_revision, to_revision, using)
        tables = require_tracked(tables_of(self.model), database)
        span = span_of(self.model, tables, from_revision, to_revision, database)
        return FieldHistory(self.model, field, span, tables, old, new).changes()

    def compare(
        self,
        from_revision: BaseRevision | datetime | None = None,
        to_revision: BaseRevision | datetime | None = None,
        pk: Any = None,
        *,
        among: Iterable[Any] | None = None,
        fields: Iterable[str] | None = None,
        using: str | None = None,
    ) -> Any:
        """Return how objects differ between two moments, whatever happened in between.

        With `pk`, or from an object, gives one `ObjectComparison`; otherwise an iterator of them for the objects that differ:
        of those that `among` names, a queryset of any moment or an iterable of objects or keys, by default of all.

        Takes and raises the same as `diff`.
        """
        database = self._database_of(from_revision, to_revision, using)
        if self.instance is not None:
            pk = self._pk(pk, "compare")
        return compare(
            self.model, from_revision, to_revision, database, pk=pk, among=among, fields=fields
        )

    def _steps(
        self,
        key: Any,
        from_revision: Point,
        to_revision: Point,
        fields: Iterable[str] | None,
        using: str | None,
        dropped: bool = False,
    ) -> Iterator[RevisionChanges]:
        database = self._database_of(from_revision, to_revision, using)
        history = ObjectHistory(self.model, key, database, fields, dropped=dropped)
        return history.between(
            span_of(self.model, history.tables, from_revision, to_revision, database)
        )

    def _database_of(self, from_revision: Any, to_revision: Any, using: str | None) -> str:
        self._require_tracked()
        if self.instance is not None:
            return self._database(using)
        return database_of([from_revision, to_revision], using, self._database(None))

    def _pk(self, pk: Any, question: str) -> Any:
        if self.instance is None:
            if pk is None:
                name = self.model.__name__
                raise TypeError(
                    f"{name}.history.{question}() needs a primary key, pk=...; or ask an object."
                )
            return pk
        if pk is not None:
            raise TypeError(f"{self!r} is of one object; {question}() takes no other key.")
        if self.instance.pk is None:
            raise ValueError(
                f"This {self.model._meta.label} has no primary key, so it has no history."
            )
        return self.instance.pk

    def _database(self, using: str | None) -> str:
        raise NotImplementedError

    def _require_tracked(self) -> None:
        raise NotImplementedError


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
    tables = require_tracked(tables_of(model, relations_of(model, names)), using)
    span = span_of(model, tables, from_revision, to_revision, using)
    found = ModelComparison(model, span, tables, names)
    if pk is not None:
        ObjectHistory(model, pk, using, fields)  # raises for a key that is not known
        return found.one(pk)
    return found.all() if among is None else found.among(among)


def span_of(
    model: type[models.Model],
    tables: dict[type[models.Model], TrackingPeriod],
    from_revision: Point,
    to_revision: Point,
    using: str,
) -> Span:
    """Return the span between two moments in which the objects of a model are to be looked at."""
    own = [tables[part.model] for part in parts_of(model)]
    return between(from_revision, to_revision, own, using, tables.values())
