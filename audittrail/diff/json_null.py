"""JSON null, which Django reads as None like SQL NULL: here the two are told apart, since a row holds the one or the other."""

from __future__ import annotations

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
    """Return a value as Django reads it, but for JSON null `JSON_NULL`; takes the text that the database holds, None for NULL."""
    is_json = isinstance(getattr(field, "output_field", field), models.JSONField)
    if is_json and value is None and isinstance(stored, str) and stored.strip() == "null":
        return JSON_NULL
    return value
