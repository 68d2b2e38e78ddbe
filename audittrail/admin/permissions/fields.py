"""What a ModelAdmin may say about its history: attributes of the project's own class, all optional.

class OrderAdmin(admin.ModelAdmin):
    audittrail_related = ["lines", "payments"]  # whose rows its timeline shows too; None: those of its inlines
    audittrail_hidden_fields = ["internal_note"]  # never shown on a page of history
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib.admin import ModelAdmin
from django.core.exceptions import FieldDoesNotExist

from audittrail.capture import tracking
from audittrail.exceptions import ConfigurationError


def hidden_fields(model_admin: ModelAdmin[Any] | None) -> frozenset[str]:
    """Return the names of the fields that a ModelAdmin shows on no page of history.

    Raises `ConfigurationError` for what is no list of field names.
    """
    if model_admin is None:
        return frozenset()
    return frozenset(_names(model_admin, "audittrail_hidden_fields") or ())


def related_names(model_admin: ModelAdmin[Any]) -> tuple[str, ...] | None:
    """Return the names of the relations whose rows belong to an object's timeline, None for the default.

    Raises `ConfigurationError` for what is no list of relations.
    """
    return _names(model_admin, "audittrail_related")


def is_masked(field: Any) -> bool:
    """Return whether history shows of a field that it changed, never what."""
    return field.name in tracking.options_of(tracking.concrete(field.model)).mask


def is_excluded(field: Any) -> bool:
    """Return whether history does not hold a field."""
    return field.name in tracking.options_of(tracking.concrete(field.model)).exclude


def _names(model_admin: ModelAdmin[Any], attribute: str) -> tuple[str, ...] | None:
    given: Any = getattr(model_admin, attribute, None)
    if given is None:
        return None
    where = f"{type(model_admin).__name__}.{attribute}"
    if not isinstance(given, Sequence | set | frozenset) or isinstance(given, str):
        raise ConfigurationError(f"{where} is {given!r}; give a list of names.")
    for name in given:
        try:
            model_admin.opts.get_field(name)
        except FieldDoesNotExist:
            known = ", ".join(sorted(field.name for field in model_admin.opts.get_fields()))
            raise ConfigurationError(
                f"{where} names {name!r}, which {model_admin.opts.label} does not have; it has {known}."
            ) from None
    return tuple(given)
