"""How times, numbers and others' errors are written in errors and in the output of commands."""

from __future__ import annotations

from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import models


def spelled(at: datetime | None) -> str:
    """Return a time as people read it, with its time zone if it has one; "an unknown time" for None."""
    return "an unknown time" if at is None else f"{at:%Y-%m-%d %H:%M:%S %Z}".rstrip()


def counted(number: int, thing: str) -> str:
    """Return a number of things, by their name in the singular: "1 row", "2 rows"."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def said(error: Exception) -> str:
    """Return what an error of Python's or Django's says, with one full stop at its end."""
    text = " ".join(error.messages) if isinstance(error, ValidationError) else str(error)
    return f"{text.rstrip('.')}."


def unreadable(error: OSError | ValueError) -> str:
    """Return why a file could not be read as text, or written: in the system's words, without number and name."""
    return (isinstance(error, OSError) and error.strerror) or "it does not hold such text"


def named(value: object) -> str:
    """Return what an error calls a value: an object by model and key, since its own `__str__` may query, and raise."""
    if isinstance(value, models.Model):
        return f"{type(value).__name__} {value.pk!r}"
    if isinstance(value, models.QuerySet):
        return f"a queryset of {value.model.__name__}"
    if isinstance(value, list | tuple | set):
        return f"[{', '.join(named(part) for part in value)}]"
    return repr(value)
