"""Single values as people read them, without a look at the database: choices, booleans, dates, numbers, files."""

from __future__ import annotations

import datetime
import decimal
import json
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models.fields.files import FieldFile
from django.utils import formats, timezone
from django.utils.duration import duration_string
from django.utils.encoding import force_str
from django.utils.translation import gettext, ngettext

from audittrail.diff.json_null import is_json_null


def display(field: models.Field[Any, Any] | None, value: Any) -> str:
    """Return the text of a value of a field; "" for None.

    A choice that the field doesn't have any more is shown as it is stored. Texts are as they are, neither shortened nor escaped.
    """
    if value is None:
        return ""
    if is_json_null(value):
        return "null"
    if (choice := choice_text(field, value)) is not None:
        return choice
    if isinstance(field, models.JSONField):
        return json_text(value, field)
    if isinstance(value, list | tuple):
        inner = getattr(field, "base_field", None)
        return ", ".join(display(inner, item) for item in value)
    if field is not None and (field.primary_key or field.remote_field):
        return str(value)  # without marks between thousands
    return plain_text(value)


def choice_text(field: Any, value: Any) -> str | None:
    """Return the label of a value that is one of a field's choices, None for another value."""
    choices = dict(getattr(field, "flatchoices", None) or ())
    try:
        return force_str(choices[value], strings_only=False) if value in choices else None
    except TypeError:
        return None  # A list can't be looked up in a dictionary, and is no choice either.


def json_text(value: Any, field: Any = None) -> str:
    """Return a JSON document as readable text."""
    encoder = getattr(field, "encoder", None) or DjangoJSONEncoder
    return json.dumps(value, cls=encoder, ensure_ascii=False)


def plain_text(value: Any) -> str:
    """Return the text of a value of whatever field, in the present language."""
    match value:
        case bool():
            return gettext("Yes") if value else gettext("No")
        case datetime.datetime():
            local = timezone.localtime(value) if timezone.is_aware(value) else value
            return str(formats.localize(local))
        case datetime.date() | datetime.time() | int() | float() | decimal.Decimal():
            return str(formats.localize(value))
        case datetime.timedelta():
            return duration_string(value)
        case FieldFile():
            return value.name or ""
        case bytes() | bytearray() | memoryview():
            size = len(bytes(value))
            return ngettext("%(size)d byte", "%(size)d bytes", size) % {"size": size}
        case dict():
            return json_text(value)
        case _:
            return str(value)
