"""Write a context as the comment that travels with a statement."""

from __future__ import annotations

import json
import re
import reprlib
from collections.abc import Mapping
from typing import Final

from django.core.serializers.json import DjangoJSONEncoder

from audittrail.exceptions import ContextError

#: What the database looks for at the very start of a statement.
OPENING: Final = "/*audittrail:"
CLOSING: Final = "*/ "

# jsonb refuses NUL (PostgreSQL manual, section 8.14) and half a surrogate pair.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

# These could end the comment, open a nested one, or pass for a placeholder of the driver. JSON's
# own structure uses none of them: they only occur inside strings, where an escape means the same.
_ESCAPES = str.maketrans({character: f"\\u{ord(character):04x}" for character in "/*%?"})


def storable(text: str) -> str:
    """Return the text with what PostgreSQL can't store replaced by U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", text)


def json_text(name: str, value: object) -> str:
    """Return a metadata value as JSON in ASCII; raise `ContextError` if JSON can't hold it."""
    if type(value) is str:
        return json.dumps(storable(value))
    try:
        plain = json.loads(json.dumps(value, cls=DjangoJSONEncoder, allow_nan=False))
        return json.dumps(_cleaned(plain))
    except (TypeError, ValueError, RecursionError) as error:
        raise ContextError(
            f"The context metadata {name!r} can't be written as JSON: {reprlib.repr(value)} "
            f"({error}). Give strings, numbers, dates, UUIDs, or lists and dictionaries of them."
        ) from error


def encoded(user: str | None, reason: str | None, metadata: Mapping[str, str]) -> str:
    """Return the comment, or "" when there is nothing to say; metadata as `json_text` gives it."""
    said = {} if user is None else {"user": json.dumps(user)}
    if reason:
        said["reason"] = json.dumps(reason)
    said.update(metadata)
    if not said:
        return ""
    items = ",".join(f"{json.dumps(name)}:{text}" for name, text in said.items())
    return f"{OPENING}{{{items.translate(_ESCAPES)}}}{CLOSING}"


def without_comment(statement: bytes) -> bytes:
    """Return a statement as it was before the comment was put in front of it."""
    if statement.startswith(OPENING.encode()):
        return statement.partition(CLOSING.encode())[2]
    return statement


def _cleaned(value: object) -> object:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if isinstance(value, dict):
        return {storable(key): _cleaned(item) for key, item in value.items()}
    return value
