"""Conflicts and notes of a plan in the reader's language: the plan itself says them in English, for programs and logs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django.db import models
from django.utils.formats import number_format
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from audittrail.admin.layout.keys import read_values
from audittrail.admin.permissions.columns import ShownFields
from audittrail.restore.changing_back import ROW
from audittrail.restore.plan import Conflict, Note

#: The kind of a conflict with what is referred to and not there any more.
MISSING: Final = "missing reference"


def missing_target(conflict: Conflict) -> tuple[Any, tuple[Any]] | None:
    """Return the foreign key of a missing reference and the value that it has; None of another conflict, and of several columns."""
    if conflict.kind != MISSING or len(conflict.columns) != 1 or not conflict.detail:
        return None
    for field in _own(conflict.model):
        if field.column == conflict.columns[0] and isinstance(field, models.ForeignKey):
            value = read_values([field.target_field], [conflict.detail])
            return None if value is None else (field, (value[0],))
    return None


def conflict_text(
    conflict: Conflict, shown: ShownFields, *, can_name_other: bool, named: str = ""
) -> str:
    """Return what stands in the way of a row; takes its fields that the reader may see, whether they may know of the other side, and its name."""
    other = _other(conflict, can_name_other)
    fields = _fields(conflict.model, conflict.columns, shown)
    match conflict.kind:
        case "missing reference":
            is_shown = can_name_other and _are_shown(conflict.model, conflict.columns, shown)
            detail = conflict.detail if is_shown else "…"
            if is_shown and named:
                return _("%(fields)s refers to %(named)s, which is not there any more.") % {
                    "fields": capfirst(fields),
                    "named": named if detail in named else f"{named} ({detail})",
                }
            return _("%(fields)s refers to %(other)s %(key)s, which is not there any more.") % {
                "fields": capfirst(fields),
                "other": other,
                "key": detail,
            }
        case "protected":
            return _("It would be deleted, but %(others)s still refer to it.") % {"others": other}
        case "unique":
            return _(
                "Another row has the same value by now, and it must be unique: %(fields)s."
            ) % {"fields": fields or _("(an expression)")}
        case "exclusion":
            return _("It clashes with another row, which an exclusion constraint forbids.")
        case "check":
            return _("It would violate a check constraint of the table.")
        case "missing value":
            return _("%(fields)s must have a value, and history has none for it.") % {
                "fields": capfirst(fields)
            }
        case "changed since" if conflict.columns == (ROW,):
            return _("A later revision has changed, inserted or deleted it again.")
        case "changed since":
            return _("A later revision has changed it again: %(fields)s.") % {
                "fields": _fields(conflict.model, conflict.columns, shown, "name")
            }
        case "not tracked then":
            return _("It was not tracked then, so what it held is not known.")
    return conflict.message


def note_text(note: Note, shown: ShownFields) -> str:
    """Return what else there is to know; takes the fields that the reader may see."""
    label = (
        note.table if note.model is None else str(capfirst(note.model._meta.verbose_name_plural))
    )
    values = {
        "table": label,
        "fields": _fields(note.model, note.columns, shown),
        "number": number_format(note.rows, force_grouping=True),
    }
    match note.kind:
        case "default":
            return (
                ngettext(
                    "%(table)s: history has no value of %(fields)s, so %(number)s row gets the default.",
                    "%(table)s: history has no value of %(fields)s, so %(number)s rows get the default.",
                    note.rows,
                )
                % values
            )
        case "changed since":
            return (
                ngettext(
                    "%(table)s: %(number)s row was changed since:",
                    "%(table)s: %(number)s rows were changed since:",
                    note.rows,
                )
                % values
            )
        case "not restored" if note.rows and note.model is not None:
            return (
                ngettext(
                    "%(table)s: %(number)s row is not there any more, and is not brought back.",
                    "%(table)s: %(number)s rows are not there any more, and are not brought back.",
                    note.rows,
                )
                % values
            )
        case "not restored":
            return _("Not restored: %(reason)s") % {"reason": note.message}
    return note.message


def _other(conflict: Conflict, can_name: bool) -> str:
    if not can_name or conflict.other is None:
        return _("other rows") if conflict.kind == "protected" else _("another row")
    meta = conflict.other._meta
    return str(meta.verbose_name_plural if conflict.kind == "protected" else meta.verbose_name)


def _fields(
    model: type[models.Model] | None,
    names: tuple[str, ...],
    shown: ShownFields,
    attribute: str = "column",
) -> str:
    """Return what the fields are called that some columns belong to; other names are theirs by another attribute."""
    labels = {
        getattr(field, attribute): str(field.verbose_name)
        for field in _own(model)
        if field.name in shown
    }
    # A column that no field has any more has its own name, for who may see everything.
    found = [labels.get(name, name if name in shown else _("other fields")) for name in names]
    return ", ".join(dict.fromkeys(found))


def _are_shown(
    model: type[models.Model] | None, columns: tuple[str, ...], shown: ShownFields
) -> bool:
    return {*columns} <= {field.column for field in _own(model) if field.name in shown}


def _own(model: type[models.Model] | None) -> Sequence[Any]:
    return () if model is None else model._meta.local_concrete_fields
