"""Models, tables and objects as the command line names them: a label or the name of a table, and a primary key as text."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.core.management.base import CommandError
from django.db import models

from audittrail.capture import tracking
from audittrail.capture.tables import SCHEMA_TRICK
from audittrail.management.arguments import parts_of_key


def model_of(name: str) -> type[models.Model]:
    """Return the model of a label, or of a table; raise `CommandError` if there is none."""
    try:
        return apps.get_model(name)
    except (LookupError, ValueError):
        for model in tracking.candidates():
            if name in (model._meta.db_table, table_of(model)):
                return model
    raise CommandError(
        f"{name!r} is not a model of this project; give its label, such as shop.Order, or its table."
    )


def table_named(name: str) -> str:
    """Return the table of the model that a name is the label of; other names are those of tables, and stay."""
    try:
        return table_of(apps.get_model(name))
    except (LookupError, ValueError):
        return name


def table_of(model: type[models.Model]) -> str:
    """Return a model's table as people write it: with a schema, if it names one, but without quotes."""
    return model._meta.db_table.strip('"').replace(SCHEMA_TRICK, ".")


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
