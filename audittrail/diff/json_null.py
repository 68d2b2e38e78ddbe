"""JSON null, which Django reads as None like SQL NULL: here the two are told apart, since a row holds the one or the other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from django.db import models

#: What stands for JSON null: the expression by which Django stores it, `JSONNull()` since Django 6.1.
JSON_NULL: Final[models.Value] = (
    models.JSONNull() if hasattr(models, "JSONNull") else models.Value(None, models.JSONField())
)


def is_json_null(value: Any) -> bool:
    """Return whether a value stands for JSON null."""
    # Other classes of values need not have an equality that says yes or no.
    return isinstance(value, models.Value) and value == JSON_NULL


def told_apart(field: Any, value: Any, stored: Any) -> Any:
    """Return a value as Django reads it, but `JSON_NULL` for JSON null, also in arrays.

    Takes what the database holds: the text of the value, or what the driver makes of an array; None for NULL.
    """
    field = getattr(field, "output_field", field)
    if holds_json(field):
        return _told_apart(field, value, iter(_elements(stored)))
    is_null = isinstance(field, models.JSONField) and _is_null(value, stored)
    return JSON_NULL if is_null else value


def prepared(field: Any, value: Any, connection: Any) -> Any:
    """Return a value, which may be one that was `told_apart`, as a field has it stored."""
    if holds_json(field) and isinstance(value, list | tuple):
        # Django would store None in an array of JSON as JSON null.
        return [prepared(field.base_field, item, connection) for item in value]
    return field.get_db_prep_save(value, connection)


def holds_json(field: Any) -> bool:
    """Return whether the values of a field are arrays of JSON, of whatever dimensions."""
    element = getattr(field, "base_field", None)
    return isinstance(element, models.JSONField) or (element is not None and holds_json(element))


def _told_apart(field: Any, value: Any, stored: Iterator[Any]) -> Any:
    if type(value) is list and hasattr(field, "base_field"):
        return [_told_apart(field.base_field, item, stored) for item in value]
    return JSON_NULL if _is_null(value, next(stored, None)) else value


def _is_null(value: Any, stored: Any) -> bool:
    return value is None and isinstance(stored, str) and stored.strip() == "null"


#: An element in the text of an array: NULL is one without marks (PostgreSQL manual, section 8.15.6).
_ELEMENT: Final = re.compile(r'"((?:[^"\\]|\\.)*)"|([^{},"]+)', re.DOTALL)


def _elements(array: Any) -> Iterator[Any]:
    """Yield the elements of an array, of whatever dimensions: of its text, or of lists."""
    if isinstance(array, str):
        for quoted, bare in _ELEMENT.findall(array[array.index("{") :]):
            yield quoted or (None if bare == "NULL" else bare)
    for one in array if isinstance(array, list) else ():
        yield from _elements(one) if isinstance(one, list) else [one]
