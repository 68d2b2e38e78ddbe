"""Which columns and relations the names of fields mean, for a model and all that it inherits from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db import models

from audittrail.capture import tracking
from audittrail.diff.parts import many_to_many_of, tables_of
from audittrail.exceptions import RestoreError


@dataclass
class ChosenFields:
    """What is restored of a model's objects: columns by the model whose table has them, and many-to-many fields."""

    columns: dict[type[models.Model], set[str] | None] = field(default_factory=dict)
    relations: list[Any] = field(default_factory=list)
    #: Whether fields were named, so that what can't be restored is an error.
    named: bool = False


def chosen(model: type[models.Model], names: Iterable[str] | None) -> ChosenFields:
    """Return what the names of fields mean, or everything.

    Raises `RestoreError` for names that mean nothing, and for fields that can't be restored: keys, generated and excluded ones.
    """
    result = ChosenFields(named=names is not None)
    if names is None:
        result.columns = dict.fromkeys(tables_of(model))
        result.relations = [
            found for found in many_to_many_of(model) if found.model in tables_of(model)
        ]
        return result
    if isinstance(names, str):
        raise RestoreError(f"fields is {names!r}; give a list of field names, such as [{names!r}].")
    for found in tables_of(model):
        result.columns[found] = set()
    for name in names:
        _add(result, model, name)
    return result


def _add(result: ChosenFields, model: type[models.Model], name: str) -> None:
    found = _field(model, name)
    label = f"{model._meta.label}.{name}"
    if isinstance(found, models.ManyToManyField):
        result.relations.append(found)
        return
    if parts := _parts(model, found):
        for part in parts:
            _add(result, model, part)
        return
    if not isinstance(found, models.Field) or not found.concrete or found.column is None:
        raise RestoreError(
            f"{label} can't be restored: it belongs to rows of another model. Restore those."
        )
    if found in model._meta.pk_fields or found.primary_key:
        raise RestoreError(
            f"{label} can't be restored: it is the primary key, by which an object is known. Leave it out."
        )
    if isinstance(found, models.GeneratedField):
        raise RestoreError(
            f"{label} can't be restored: the database generates it. Restore the fields that it comes from."
        )
    if found.name in tracking.options_of(found.model).exclude:
        raise RestoreError(
            f"{label} is excluded from history, so nothing is known of its past. Leave it out."
        )
    columns = result.columns[found.model]
    assert columns is not None
    columns.add(found.column)


def _parts(model: type[models.Model], found: Any) -> list[str]:
    """Return the names of the fields whose columns a reference consists of that has none of its own."""
    if isinstance(found, models.ForeignKey | models.ForeignObjectRel):
        return []
    # A generic relation is a ForeignObject as well, but the columns are the other model's.
    if isinstance(found, models.ForeignObject) and found in model._meta.fields:
        return [ours.name for ours, _ in found.related_fields]
    parts = getattr(found, "ct_field", None), getattr(found, "fk_field", None)
    return list(map(str, parts)) if parts[0] and not isinstance(found, models.Field) else []


def _field(model: type[models.Model], name: str) -> Any:
    meta = model._meta
    try:
        return meta.get_field(name)
    except FieldDoesNotExist:
        for found in meta.concrete_fields:
            if found.attname == name:
                return found
        known = sorted(
            found.name
            for found in [*meta.concrete_fields, *many_to_many_of(model)]
            if not found.primary_key
        )
        raise RestoreError(
            f"{meta.label} has no field {name!r}; it has {', '.join(known)}."
        ) from None
