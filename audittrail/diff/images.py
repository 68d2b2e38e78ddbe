"""Row images: what a version holds, as typed values, and how the images of two versions differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import models

from audittrail.capture.tables import has_made_room
from audittrail.diff.changes import FieldChange
from audittrail.diff.columns import RowColumn
from audittrail.diff.json_null import told_apart
from audittrail.diff.structure import mark
from audittrail.revisions.models import BaseRevision
from audittrail.revisions.versions import Operation, Version

#: The operations after which the row is not there any more.
GONE = (Operation.DELETE, Operation.TRUNCATE)


@dataclass(frozen=True, eq=False)
class RowImage:
    """The image of a row: an object with its values, and the text of those that Python's equality can't tell apart."""

    row: models.Model
    #: By the names of columns.
    texts: Mapping[str, str | None] = field(default_factory=dict)
    #: What it holds in columns that no field of the model has any more, if that was asked for.
    dropped: Mapping[str, Any] = field(default_factory=dict)

    def holds(self, column: RowColumn) -> bool:
        """Return whether a column is not NULL; null is a value in JSON."""
        if column.is_exact:
            return self.value(column) is not None
        return self.texts.get(column.name) is not None

    def value(self, column: RowColumn) -> Any:
        """Return the value of a column as the model's field gives it; None for NULL, `JSON_NULL` for null in JSON.

        A date or time that Python doesn't have, such as "infinity", is its text (see `beyond_python`).
        """
        # A file field makes an object of NULL, which nobody could tell from an empty name.
        is_null = column.name in self.row.__dict__ and self.row.__dict__[column.name] is None
        value = None if is_null else getattr(self.row, column.name)
        return told_apart(column.field, value, self.texts.get(column.name))


def is_gone(version: Version) -> bool:
    """Return whether the row is not there after the version."""
    return version.operation in GONE  # type: ignore[attr-defined]


def differs(column: RowColumn, old: RowImage | None, new: RowImage | None) -> bool:
    """Return whether a column differs between two images, as the database compares them (`*<>`); None is no row, without values."""
    if old is None or new is None:
        return any(image is not None and image.holds(column) for image in (old, new))
    if column.is_exact:
        return bool(old.value(column) != new.value(column))
    return old.texts.get(column.name) != new.texts.get(column.name)


def changes_between(
    columns: tuple[RowColumn, ...],
    old: RowImage | None,
    new: RowImage | None,
    revision: BaseRevision | None,
) -> tuple[FieldChange, ...]:
    """Return the changes of a row from one image to another; None stands for a row that is not there."""
    changes = []
    for column in columns:
        if not differs(column, old, new):
            continue
        before = None if old is None or column.masked else old.value(column)
        after = None if new is None or column.masked else new.value(column)
        name = column.field.name
        change = FieldChange(name, before, after, revision, column.field, masked=column.masked)
        changes.append(change)
    changes += dropped_changes(old, new, revision, {c.stored for c in columns if c.masked})
    return tuple(changes)


def dropped_changes(
    old: RowImage | None,
    new: RowImage | None,
    revision: BaseRevision | None,
    masked: set[str],
) -> Iterator[FieldChange]:
    """Yield the changes of columns that no field has any more; what has made room for a masked column is masked as well."""
    before: Mapping[str, Any] = {} if old is None else old.dropped
    after: Mapping[str, Any] = {} if new is None else new.dropped
    for name in dict.fromkeys([*before, *after]):
        values = before.get(name), after.get(name)
        if mark(values[0]) == mark(values[1]):
            continue
        if name in masked or has_made_room(name, masked):
            yield FieldChange(name, None, None, revision, None, masked=True)
        else:
            yield FieldChange(name, *values, revision, None)
