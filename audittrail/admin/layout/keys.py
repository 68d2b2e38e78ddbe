"""The keys and numbers in addresses and forms, which give them as texts: how they are read, and how they are written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import models

from audittrail.diff.states import pk_of
from audittrail.revisions.versions import version_model

#: Digits of a number of a revision or a version, at most. PostgreSQL's bigint has 19, but does not hold every number of 19 digits.
DIGITS: Final = 18


def read_number(text: Any) -> int | None:
    """Return the number of a revision, a version or a tick that is given as text; None for what can't be one."""
    number = str(text)
    # What was imported has negative numbers.
    digits = number.removeprefix("-")
    return int(number) if digits.isdecimal() and len(digits) <= DIGITS else None


def read_key(model: type[models.Model], texts: Sequence[str]) -> Any:
    """Return the primary key of a model that is given as texts, a tuple only if it has several fields; None for what can't be one."""
    values = read_values(model._meta.pk_fields, texts)
    return None if values is None else pk_of(values)


def read_keys(model: type[models.Model], texts: Iterable[str]) -> list[Any]:
    """Return the primary keys of objects, each once; texts that can't be keys of the model name no objects, and are left out."""
    keys = dict.fromkeys(read_key(model, [text]) for text in texts)
    return [key for key in keys if key is not None]


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


def read_row_key(model: type[models.Model], text: str) -> dict[str, Any] | None:
    """Return the key of a row, as `key_text` writes it, by the attributes of its versions; None for what can't be one."""
    version: Any = version_model(model)
    names = version.key_names
    texts = [part.strip() for part in text.split(",")] if len(names) > 1 else [text.strip()]
    values = read_values([version._meta.get_field(name) for name in names], texts)
    return None if values is None else dict(zip(names, values, strict=True))


def key_text(key: Any) -> str:
    """Return a primary key as one text; the parts of one of several stand between commas."""
    return ", ".join(map(str, key)) if isinstance(key, tuple | list) else str(key)
