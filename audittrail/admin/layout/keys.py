"""Read the keys that addresses and forms give as texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models


def read_key(model: type[models.Model], texts: Sequence[str]) -> Any:
    """Return the primary key of a model that is given as texts, a tuple only if it has several fields; None for what can't be one."""
    values = read_values(model._meta.pk_fields, texts)
    return values[0] if values is not None and len(values) == 1 else values


def read_values(fields: Sequence[Any], texts: Sequence[str]) -> tuple[Any, ...] | None:
    """Return the values of some fields that are given as texts, None for what can't be theirs."""
    # No text in the database has null characters, and psycopg refuses to ask for one.
    if len(fields) != len(texts) or any("\0" in text for text in texts):
        return None
    values = []
    try:
        for field, text in zip(fields, texts, strict=True):
            while field.remote_field is not None:
                field = field.target_field  # whose validators know the limits of its type
            values.append(field.to_python(text))
            field.run_validators(values[-1])
    except (ValidationError, ValueError, TypeError, OverflowError):
        return None
    return tuple(values)
