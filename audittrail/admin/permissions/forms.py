"""What the admin's own pages let a user write: the fields that a ModelAdmin's or an inline's form takes for an object, and their values.

The form is made as the page makes it, for this request and object, so whatever limits it there limits it here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib.admin import ModelAdmin
from django.contrib.admin.utils import flatten_fieldsets
from django.db import models
from django.db.models.fields import NOT_PROVIDED
from django.forms.models import apply_limit_choices_to_to_formfield
from django.http import HttpRequest

from audittrail.admin.permissions.models import has_own_beginning
from audittrail.diff.parts import is_parent_link

Fields = Mapping[str, forms.Field]


def page_fields(
    request: HttpRequest, model_admin: ModelAdmin[Any], obj: models.Model | None
) -> Fields:
    """Return the fields that the change page of an object lets the user write; None: those of the add page."""
    shown = flatten_fieldsets(model_admin.get_fieldsets(request, obj))
    made: Any = model_admin.get_form(request, obj, change=obj is not None, fields=shown)
    return _taken(made, obj)


def inline_fields(
    request: HttpRequest, inline: Any, parent: models.Model | None, row: models.Model | None
) -> Fields:
    """Return the fields of a row that an inline lets the user write on the page of an object; None: those of a new row, or object."""
    return _taken(inline.get_formset(request, parent).form, row)


def takes(fields: Fields, name: str, value: Any) -> bool:
    """Return whether a form takes a value: one of those that it offers, where it has a choice."""
    field: Any = fields.get(name)
    if field is None:
        return False
    if isinstance(field, forms.ModelChoiceField):
        if value is None:
            return not field.required
        offered: Any = field.queryset
        if not _leaves_out(offered):
            return True
        return bool(offered.filter(**{field.to_field_name or "pk": value}).exists())
    if isinstance(field, forms.MultipleChoiceField):
        return all(field.valid_value(one) for one in value or ())
    if isinstance(field, forms.ChoiceField):
        return not field.required if value in (None, "") else field.valid_value(value)
    return True


def takes_all(fields: Fields, name: str) -> bool:
    """Return whether a form takes every value of a field."""
    field: Any = fields.get(name)
    if isinstance(field, forms.ModelChoiceField):
        return not _leaves_out(field.queryset)
    return field is not None and not isinstance(field, forms.ChoiceField)


def is_the_rows_own(field: Any) -> bool:
    """Return whether no form lets anybody write a field, since it is of the row itself: its key, what is generated, its own times."""
    return (
        field.primary_key
        or is_parent_link(field)
        or isinstance(field, models.GeneratedField)
        or bool(getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False))
    )


def given_by_add_page(field: Any, value: Any) -> bool:
    """Return whether the add page gives a field that it does not let its user write this value: the default."""
    if field.has_default():
        return bool(field.get_default() == value)
    default: Any = getattr(field, "db_default", NOT_PROVIDED)
    if default is not NOT_PROVIDED:
        # That of a function, such as the present time, can't be foreseen.
        return isinstance(default, models.Value) and value in (default, default.value)
    return bool(field.get_default() == value)


def _leaves_out(queryset: Any) -> bool:
    query = queryset.query
    return bool(query.where or query.is_sliced or query.combinator or query.distinct_fields)


def _taken(made: Any, obj: models.Model | None) -> Fields:
    fields = made.base_fields
    if has_own_beginning(made):
        fields = made(instance=obj).fields
    only, without = made._meta.fields, made._meta.exclude or ()
    taken = {
        name: field
        for name, field in fields.items()
        if not field.disabled
        and (only in (None, "__all__") or name in only)
        and name not in without
    }
    for field in taken.values():
        apply_limit_choices_to_to_formfield(field)
    return taken
