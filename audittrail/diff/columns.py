"""The columns that a row is compared by: the stored fields of a model's own table."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from django.db import models

from audittrail.capture import tracking
from audittrail.revisions.versions import version_model, version_name

#: Classes of fields whose values are equal in Python exactly if they are equal in PostgreSQL. Values of other fields are compared by
#: their texts: Python takes different ones for equal, such as 1 and 1.00 in JSON, or 30 days and a month, and can't hold dates that
#: are before Christ or infinite.
_EXACT: Final = frozenset(
    (
        *(models.SmallIntegerField, models.IntegerField, models.BigIntegerField),
        *(models.PositiveSmallIntegerField, models.PositiveIntegerField),
        *(models.PositiveBigIntegerField, models.BooleanField, models.UUIDField),
        *(models.CharField, models.TextField, models.SlugField, models.EmailField),
        *(models.URLField, models.FileField, models.ImageField, models.FilePathField),
        *(models.TimeField, models.BinaryField),
    )
)


@dataclass(frozen=True, eq=False)
class RowColumn:
    """A column of a model's own table: its field, its name as an attribute of versions, and its name in the history table."""

    field: models.Field[Any, Any]
    name: str
    stored: str
    masked: bool
    #: Whether values are different if and only if Python says so.
    is_exact: bool


def columns_of(model: type[models.Model]) -> tuple[RowColumn, ...]:
    """Return the columns of a model's own table that are stored, in the order of its fields.

    A proxy has those of its concrete model, whose parents' fields are not among them. Raises `NotTrackedError`.
    """
    version: Any = version_model(model)
    return _columns(version, tracking.options_of(version.tracked_model))


@cache
def _columns(version: Any, options: tracking.Options) -> tuple[RowColumn, ...]:
    model = version.tracked_model
    stored: dict[str, Any] = {field.name: field for field in version._meta.concrete_fields}
    return tuple(
        RowColumn(
            field,
            name,
            stored[name].column,
            field.name in options.mask,
            bool(model._meta.managed) and type(stored[name]) in _EXACT,
        )
        for field in model._meta.local_concrete_fields
        if field.name not in options.exclude and (name := version_name(field.attname)) in stored
    )
