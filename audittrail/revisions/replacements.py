"""What takes the place of redacted values: fields and their replacements, as columns and text of the database."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import connections, models

from audittrail.capture import tracking
from audittrail.exceptions import EditingError
from audittrail.revisions.stored_fields import stored_column
from audittrail.revisions.targets import HistoryOf, Target, history_of
from audittrail.revisions.wording import said

ALL: Final = "__all__"

#: What revisions say of people, by the names that are given.
REVISION_FIELDS: Final = (
    "committed_by",
    "client_addr",
    "reason",
    "context",
    "db_user",
    "application_name",
)

Fields = Sequence[str] | Mapping[str, Any] | str


@dataclass(frozen=True)
class TableReplacements:
    """The columns of one table that are redacted, with their replacements as text; `model` is None for a table without one."""

    history: HistoryOf
    model: type[models.Model] | None
    columns: dict[str, str | None]

    @property
    def table(self) -> str:
        """The name of the table."""
        return self.history.table

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(self.columns)

    @property
    def masked(self) -> frozenset[str]:
        """The columns of the history table that are stored but never shown."""
        if self.model is None:
            return frozenset()
        fields = tracking.options_of(self.model).mask
        stored = (stored_column(tracking.column_of(self.model, name, "mask")) for name in fields)
        return frozenset(stored)

    def arguments(self, target: Target) -> tuple[list[Any], str]:
        """Return the arguments of our functions, and the SQL of the last one: the keys, an array for each column of them."""
        given: list[Any] = [self.history.id, list(self.columns), list(self.columns.values())]
        if target.keys is None:
            return given, "NULL"
        width = len(self.history.key)
        if wrong := [key for key in target.keys if len(key) != width]:
            raise EditingError(
                f"The rows of {self.table!r} are told apart by ({', '.join(self.history.key)}), not by {wrong[0]!r}."
            )
        connection = connections[target.using]
        fields = self.model._meta.pk_fields if self.model else ()
        for position in range(width):
            values = [key[position] for key in target.keys]
            if fields:
                values = [_prepared(fields[position], value, connection) for value in values]
            given.append(values)
        return given, f"ARRAY[{', '.join(['%s::text[]'] * width)}]"


def by_table(target: Target, fields: Fields, value: Any) -> list[TableReplacements]:
    """Return what is to be redacted in each table that the fields belong to.

    Raises `EditingError` for a field that can't be redacted, `NotTrackedError` for a table without history.
    """
    model = target.model
    if fields == ALL:
        chain = [model, *model._meta.all_parents] if model else [None]
        wanted: list[tuple[Any, str, Any]] = [(owner, ALL, value) for owner in chain]
    else:
        wanted = [
            _owner_and_column(model, name, replacement)
            for name, replacement in _pairs(fields, value).items()
        ]
    found: dict[Any, dict[str, Any]] = {}
    for owner, column, replacement in wanted:
        _require_same_key(model, owner)
        found.setdefault(owner, {})[column] = replacement
    return [_of_table(target, owner, columns) for owner, columns in found.items()]


def _pairs(fields: Fields, value: Any) -> Mapping[str, Any]:
    given: object = fields
    if isinstance(fields, str) or not isinstance(given, Iterable):
        example = fields if isinstance(fields, str) else "email"
        raise EditingError(
            f"fields is {fields!r}; give a list of names, such as [{example!r}], or {ALL!r}."
        )
    pairs = fields if isinstance(fields, Mapping) else dict.fromkeys(fields, value)
    if not pairs:
        raise EditingError(f"fields is {fields!r}; name the fields to redact, or give {ALL!r}.")
    return pairs


def _owner_and_column(model: Any, name: str, value: Any) -> tuple[Any, str, Any]:
    """Return the model whose table has a field, its column, and the field's replacement with it."""
    field = _field(model, name) if model else None
    if field is None:
        return model, name, value
    if field.many_to_many:
        through = f"{model.__name__}.{name}.through"
        raise EditingError(
            f"{name!r} is many-to-many, so it is rows of a table of its own. Redact the history of {through}, for example that of "
            f"the rows history.of({through}).versions.filter(...)."
        )
    if not getattr(field, "column", None):
        known = ", ".join(sorted(f.name for f in model._meta.concrete_fields))
        raise EditingError(
            f"{name!r} of {model._meta.label} is not a column, so history holds nothing of it; its columns are {known}."
        )
    return tracking.concrete(field.model), field.column, (field, value)


def _field(model: Any, name: str) -> Any:
    try:
        return model._meta.get_field(name)
    except FieldDoesNotExist:
        return next((f for f in model._meta.concrete_fields if f.attname == name), None)


def _require_same_key(model: Any, owner: Any) -> None:
    if owner is model or not model:
        return
    link = model._meta.get_ancestor_link(owner)
    if link is None or not link.primary_key:
        raise EditingError(
            f"{model._meta.label} and its parent {owner._meta.label} have different keys; redact the history of {owner.__name__}."
        )


def _of_table(target: Target, owner: Any, wanted: dict[str, Any]) -> TableReplacements:
    history = history_of(target.using, owner, owner._meta.db_table if owner else target.table)
    keys = {stored_column(name) for name in history.key}
    columns: dict[str, str | None] = {}
    if ALL in wanted:
        own = {field.column: field for field in owner._meta.local_concrete_fields} if owner else {}
        present = {stored_column(column): column for column in own}
        computed = {stored_column(column) for column in history.computed}
        value = wanted.pop(ALL)
        for stored in history.columns - keys - computed:
            name = present.get(stored, stored)
            wanted[name] = (own[name], value) if name in own else value
    for name in sorted(wanted):
        replacement = wanted[name]
        field, value = replacement if isinstance(replacement, tuple) else (None, replacement)
        stored = stored_column(name) if stored_column(name) in history.columns else name
        if stored in keys:
            raise EditingError(
                f"{name!r} is part of the primary key of {history.table!r}, by which versions are found. Redact other fields, or "
                "delete the versions inside history.editing()."
            )
        if name in history.computed:
            raise EditingError(
                f"{name!r} is computed from other columns of {history.table!r}; redact those, and it goes with them."
            )
        if stored not in history.columns:
            known = ", ".join(sorted(history.columns - keys))
            raise EditingError(
                f"The history of {history.table!r} holds no {name!r}; it has {known}."
            )
        columns[name] = _text(target, field, value)
    return TableReplacements(history, owner, columns)


def _text(target: Target, field: Any, value: Any) -> str | None:
    """Return a replacement as the database writes it."""
    if value is None:
        return None
    connection = connections[target.using]
    with connection.cursor() as cursor:
        prepared = _prepared(field, value, connection) if field else value
        cursor.execute("SELECT %s::text", [prepared])
        return str(cursor.fetchone()[0])


def _prepared(field: Any, value: Any, connection: Any) -> Any:
    try:
        return field.get_db_prep_save(value, connection=connection)
    except (TypeError, ValueError, ValidationError) as error:
        raise EditingError(
            f"{value!r} can't be a value of {field}: {said(error)} Give another replacement."
        ) from error


def revision_columns(fields: Fields, value: Any) -> dict[str, str | None]:
    """Return the columns of revisions that are meant, with their replacements as text.

    Raises `EditingError` for others.
    """
    pairs = dict.fromkeys(REVISION_FIELDS, value) if fields == ALL else _pairs(fields, value)
    columns: dict[str, str | None] = {}
    for name, replacement in pairs.items():
        if name.startswith("context__"):
            if "context" in pairs or replacement is not None:
                raise EditingError(
                    f"{name!r} is one key of the context: it can be taken out, not given a value ({replacement!r}), and not together "
                    "with 'context', which means all of them."
                )
            columns["context." + name.removeprefix("context__")] = None
        elif name not in REVISION_FIELDS:
            raise EditingError(
                f"{name!r} can't be redacted in revisions; {', '.join(REVISION_FIELDS)} can, and keys of the context such as "
                "'context__path'."
            )
        elif isinstance(replacement, models.Model):
            columns[name] = str(replacement.pk)
        elif name == "context" and replacement is not None:
            columns[name] = _json(replacement)
        else:
            columns[name] = None if replacement is None else str(replacement)
    return columns


def _json(replacement: Any) -> str:
    try:
        return json.dumps(replacement)
    except (TypeError, ValueError) as error:
        raise EditingError(
            f"The context can't become {replacement!r}: {said(error)} Give a dictionary of strings, numbers, lists and dictionaries."
        ) from error
