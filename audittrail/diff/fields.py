"""The history of one field: who gave it its present value, and how it changed in any object of a model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from django.db import models
from django.db.backends.postgresql.psycopg_any import sql

from audittrail.diff.changes import FieldChange
from audittrail.diff.columns import RowColumn
from audittrail.diff.images import RowImage, changes_between, is_gone
from audittrail.diff.loading import Images
from audittrail.diff.parts import parts_of
from audittrail.diff.span import Span
from audittrail.diff.statements import (
    Fragment,
    history_table,
    in_chunks,
    keys_of,
    literals,
    same_key,
    stream,
)
from audittrail.diff.states import pk_of
from audittrail.diff.steps import CHUNK, ObjectHistory
from audittrail.diff.tracked import TrackingPeriod
from audittrail.exceptions import UnknownFieldError
from audittrail.revisions.models import revision_model
from audittrail.revisions.versions import Operation


class Anything(Enum):
    """Stands for any value."""

    ANYTHING = "any value"


ANYTHING: Final = Anything.ANYTHING


@dataclass(frozen=True)
class ObjectChange:
    """A change of a field of an object, by the object's primary key."""

    model: type[models.Model]
    pk: Any
    change: FieldChange


def last_changes(history: ObjectHistory, span: Span) -> dict[str, FieldChange]:
    """Return for each field of an object the last change within a span: who gave it the value that it has at the end, and when.

    Fields that nobody has changed since the span began are missing.
    """
    found: dict[str, FieldChange] = {}
    names = history.names()
    revisions = history.revisions().filter(committed__gt=span.start, committed__lte=span.end)
    newest_first = revisions.order_by("-committed").iterator(chunk_size=CHUNK)
    for chunk in in_chunks(newest_first, CHUNK):
        for step in history.changes(chunk):
            for change in step.changes:
                found.setdefault(change.attribute, change)
            if step.operation == Operation.INSERT or len(found) == len(names):
                return {name: found[name] for name in names if name in found}
    return {name: found[name] for name in names if name in found}


class FieldHistory:
    """The changes of one field in all objects of a model, within a span.

    Takes the span, what the database knows of the table, and values that a change must have led from and to. Raises
    `UnknownFieldError` for what is no column of the model's own table, and for a masked one that is asked for by value.
    """

    def __init__(
        self,
        model: type[models.Model],
        name: str,
        span: Span,
        tables: dict[type[models.Model], TrackingPeriod],
        old: Any = ANYTHING,
        new: Any = ANYTHING,
    ) -> None:
        self.model = model
        self.span = span
        self._part = parts_of(model)[0]
        self._column = column_named(model, name)
        self._table = tables[self._part.model]
        if self._column.masked and (old, new) != (ANYTHING, ANYTHING):
            raise UnknownFieldError(
                f"{model._meta.label}.{name} is masked: it can't be looked for by its values, which are not to be shown."
            )
        self._old, self._new = old, new

    def changes(self) -> Iterator[ObjectChange]:
        """Yield the changes in the order of their commits, those of one statement by key, from a server-side cursor.

        Each version counts, within one transaction as well. An insertion is a change from None, a deletion to None.
        """
        model: Any = self._part.version_model
        before, after = Images(model, self.span.using, "p"), Images(model, self.span.using, "v")
        statement = sql.SQL(_CHANGES).format(
            columns=sql.SQL(", ").join([after.columns(), before.columns()]),
            history=history_table(model),
            same_row=same_key(model, "p", "v"),
            since=sql.Literal(self._table.since_version),
            within=self.span.within(self._table).condition("v", self._table),
            own=sql.Identifier("v", self._column.stored),
            previous=sql.Identifier("p", self._column.stored),
            wanted=sql.SQL("").join(
                [self._wanted("old", self._old), self._wanted("new", self._new)]
            ),
            keys=keys_of(model, "v"),
        )
        for chunk in stream(self.span.using, statement, CHUNK):
            numbers = {number for number, *_values in chunk}
            revisions = revision_model().objects.using(self.span.using).in_bulk(numbers)
            for number, *values in chunk:
                image: RowImage | None = after.image(values[: after.width])
                previous = before.image(values[after.width :])
                assert image is not None
                version: Any = image.row
                old = None if previous is None or is_gone(previous.row) else previous  # type: ignore[arg-type]
                now: RowImage | None = image
                if is_gone(version):
                    old, now = image, None
                found = changes_between((self._column,), old, now, revisions.get(number))
                key = [getattr(version, name) for name in model.key_names]
                for change in found:
                    yield ObjectChange(self.model, pk_of(key), change)

    def _wanted(self, side: str, value: Any) -> Fragment:
        if value is ANYTHING:
            return sql.SQL("")
        stored = self._part.version_model._meta.get_field(self._column.name)
        return sql.SQL(" AND c.{} IS NOT DISTINCT FROM {}").format(
            sql.Identifier(side), literals(stored, [value], self.span.using)
        )


#: What a version has changed is not known if the version before it has been pruned.
_CHANGES: Final = """
    SELECT v.revision_id, {columns}
      FROM {history} v
      LEFT JOIN LATERAL (
           SELECT p.* FROM {history} p WHERE {same_row} AND p.version < v.version AND p.version >= {since}
            ORDER BY p.version DESC LIMIT 1) p ON true
     CROSS JOIN LATERAL (
           SELECT CASE WHEN v.operation IN ('D', 'T') THEN {own}
                       WHEN p.operation NOT IN ('D', 'T') THEN {previous} END AS old,
                  CASE WHEN v.operation NOT IN ('D', 'T') THEN {own} END AS new) c
      LEFT JOIN audittrail.revision r ON r.id = v.revision_id
     WHERE {within} AND (p.version IS NOT NULL OR v.operation IN ('I', 'D', 'T'))
       AND ROW(c.old)::record *<> ROW(c.new)::record {wanted}
     ORDER BY r.committed, v.version, {keys}
"""


def column_named(model: type[models.Model], name: str) -> RowColumn:
    """Return the column of a model's own table that a field has; raise `UnknownFieldError` if there is none."""
    for part in parts_of(model):
        for column in part.columns:
            if column.field.name == name:
                if part.child is None:
                    return column
                owner = part.model.__name__
                raise UnknownFieldError(
                    f"{model._meta.label} inherits {name!r}; ask for its changes in {owner}.history.field_changes({name!r})."
                )
    known = ", ".join(column.field.name for column in parts_of(model)[0].columns)
    raise UnknownFieldError(
        f"{model._meta.label} has no column of a field {name!r} in its history, which knows {known}. The changes of a many-to-many "
        "field are those of the rows of its through model."
    )
