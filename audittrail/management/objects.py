"""Models and objects as the command line names them: a label, and a primary key as text."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.core.management.base import CommandError
from django.db import models

from audittrail.management.arguments import parts_of_key


def model_of(label: str) -> type[models.Model]:
    """Return the model of a label; raise `CommandError` if there is none."""
    try:
        return apps.get_model(label)
    except (LookupError, ValueError) as error:
        raise CommandError(
            f"{label!r} is not a model of this project; give its label, such as shop.Order."
        ) from error


def key_of(model: type[models.Model], key: str) -> Any:
    """Return a primary key as the model has it; raise `ValidationError` or `ValueError` for what can't be one."""
    fields = model._meta.pk_fields
    if len(fields) == 1:
        return fields[0].to_python(key)
    parts = parts_of_key(key)
    if len(parts) != len(fields):
        names = ",".join(field.name for field in fields)
        raise ValueError(f"It has {len(fields)} parts; give them as {names}.")
    return tuple(field.to_python(part) for field, part in zip(fields, parts, strict=True))
