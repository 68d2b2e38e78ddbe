"""The fields of a version: those of the tracked model, as its history table stores them."""

from __future__ import annotations

import re
from copy import copy
from typing import Any, Final

from django.db import models
from django.utils.functional import cached_property

#: The columns that a history table has beside those of the tracked one.
OWN_COLUMNS: Final = ("version", "revision_id", "superseded", "operation")


def stored_column(column: str) -> str:
    """Return the column of the history table that holds a column of the tracked one (`audittrail.stored_name`)."""
    base = column
    while base.startswith("row_"):
        base = base.removeprefix("row_")
    return f"row_{column}" if base in OWN_COLUMNS else column


_WITHOUT_SEQUENCE = {
    "AutoField": models.IntegerField,
    "BigAutoField": models.BigIntegerField,
    "SmallAutoField": models.SmallIntegerField,
}

#: What a field has before it belongs to a model, and without constraints and defaults.
_PLAIN: dict[str, Any] = {
    **dict.fromkeys(("name", "model", "remote_field", "db_tablespace", "db_comment")),
    **dict.fromkeys(("unique_for_date", "unique_for_month", "unique_for_year")),
    **dict.fromkeys(
        ("primary_key", "_unique", "db_index", "editable", "auto_created", "serialize"), False
    ),
    **dict.fromkeys(("auto_now", "auto_now_add"), False),
    **dict.fromkeys(("default", "db_default"), models.NOT_PROVIDED),
    **dict.fromkeys(("null", "blank"), True),
}


def stored_copy(field: Any) -> Any:
    """Return a field that reads the same column without constraints, defaults or relations; None if it isn't stored.

    It is a copy, since the class of somebody else's field may take other arguments than Django's do.
    """
    column = stored_column(field.column)
    label = field.verbose_name
    while field.remote_field:
        field = field.target_field
    if isinstance(field, models.GeneratedField):
        if not field.db_persist:  # type: ignore[attr-defined]
            return None
        field = field.output_field
    plain = _WITHOUT_SEQUENCE.get(field.get_internal_type())
    if plain is not None:
        return plain(null=True, blank=True, db_column=column, verbose_name=label, editable=False)
    stored = copy(field)
    for name in list(vars(stored)):
        # What the field has worked out for its own model: its column, its validators, its text.
        if isinstance(getattr(type(stored), name, None), cached_property):
            delattr(stored, name)
    own = vars(stored)
    own.update({name: value for name, value in _PLAIN.items() if name in own})
    own.update(db_column=column, verbose_name=label, _verbose_name=label)
    if _may_be_composite(field):
        kind = type(stored)
        stored.__class__ = type(kind.__name__, (InItsType, kind), {"__module__": kind.__module__})
    # Fields stand in the order of their creation.
    stored.creation_counter = models.Field.creation_counter
    models.Field.creation_counter += 1
    return stored


#: The name of a type, or of an array of it, that may be composite: history holds such columns as text.
_TYPE_NAME: Final = re.compile(r'[\w."]+(\[\])*')


class InItsType(models.Field):  # type: ignore[type-arg]
    """A field of a type that may be composite, whose values are selected in that type."""

    def select_format(self, compiler: Any, sql: str, params: Any) -> Any:
        """Return the SQL for the value of a column."""
        sql, params = super().select_format(compiler, sql, params)
        name = self.cast_db_type(compiler.connection) or ""
        return (f"{sql}::{name}" if _TYPE_NAME.fullmatch(name) else sql), params


def _may_be_composite(field: Any) -> bool:
    """Return whether a field is of a class that is not Django's, or an array of such fields."""
    field = getattr(field, "base_field", field)
    return not type(field).__module__.startswith("django.")
