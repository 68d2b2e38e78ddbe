"""Rows and revisions that are chosen on the command line, by `--filter NAME=VALUE` or `--user KEY`, and what is said if there are none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from django.core.exceptions import FieldDoesNotExist, FieldError, ValidationError
from django.core.management.base import CommandError
from django.db.models import JSONField, Q

from audittrail.revisions.wording import said

#: The exit code of a command whose filters, keys or age match nothing: neither done (0) nor wrong (1, 2).
NOTHING_MATCHED: Final = 3

#: Lookups of JSON values that compare text, or keys, and never a number or a list.
_TEXTUAL: Final = frozenset(
    ["has_key", "icontains", "startswith", "istartswith", "endswith", "iendswith", "regex", "iregex", "iexact"]
)  # fmt: skip


def nothing_matched(text: str) -> CommandError:
    """Return the error for a choice that matches nothing, which ends the command with an exit code of its own."""
    return CommandError(text, returncode=NOTHING_MATCHED)


def filtered(queryset: Any, filters: Sequence[str]) -> Any:
    """Return the rows of a queryset that all of the filters match, each written NAME=VALUE.

    In JSON fields a value is looked for as JSON and as text: `details__n=5` finds the number 5 and the string "5".

    Raises `CommandError` for a filter that is not written so, and for names and values that mean nothing.
    """
    for text in filters:
        name, sign, value = text.partition("=")
        if not (name and sign):
            raise CommandError(
                f"--filter {text!r} has no value; write NAME=VALUE, such as email=ada@example.org."
            )
        try:
            queryset = queryset.filter(_condition(queryset.model, name, value))
        except (FieldError, ValueError, ValidationError) as error:
            raise CommandError(f"--filter {text!r} can't be understood: {said(error)}") from error
    return queryset


def of_user(revisions: Any, key: str) -> Any:
    """Return those of some revisions that a user made, by the user's primary key; raise `CommandError` for what can't be one."""
    try:
        return revisions.by_user(key)
    except (ValueError, ValidationError) as error:
        raise CommandError(
            f"--user {key!r} can't be understood as a primary key of a user: {said(error)}"
        ) from error


def _condition(model: Any, name: str, value: str) -> Q:
    as_text = Q(**{name: value})
    lookup = _json_lookup(model, name)
    if lookup is None or lookup in _TEXTUAL:
        return as_text
    try:
        as_json = json.loads(value)
    except ValueError:
        return as_text
    if lookup == "exact":
        return Q(**{name: as_json}) | as_text
    return Q(**{name: as_json})


def _json_lookup(model: Any, name: str) -> str | None:
    """Return the lookup by which a filter compares a value of a JSON field; None for fields of other types."""
    field_name, *path = name.split("__")
    try:
        field = model._meta.get_field(field_name)
    except FieldDoesNotExist:
        return None
    if not isinstance(field, JSONField):
        return None
    is_lookup = bool(path) and path[-1] in field.get_lookups()
    return path[-1] if is_lookup else "exact"
