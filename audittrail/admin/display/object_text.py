"""How objects of the past are called: by their own text, without what is masked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any, Final

from django.db import connections, models
from django.utils.text import Truncator, capfirst

from audittrail.admin.layout.keys import key_text
from audittrail.admin.permissions.fields import is_masked
from audittrail.exceptions import AuditTrailError
from audittrail.timetravel.moment import live_alias

#: What stands for the text of a masked field.
MASK: Final = "•••"

#: Letters of an object's text that are shown: a project's `__str__` may return a megabyte.
LETTERS: Final = 200

#: Queries that the texts of all objects of a page may send themselves: a project's `__str__` may ask for related objects.
QUERIES: Final = 20


#: Marks that turn the direction of all that follows (Unicode Standard Annex 9, section 2).
_TURNING: Final = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])


class TooManyQueriesError(AuditTrailError):
    """The texts of a page's objects have sent as many queries as they may."""


@contextmanager
def at_most(using: str, queries: int = QUERIES) -> Iterator[None]:
    """Let project code send only so many queries inside a `with` block; the next raises `TooManyQueriesError`, unsent."""
    sent = 0

    def count(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        nonlocal sent
        sent += 1
        if sent > queries:
            raise TooManyQueriesError(f"More than {queries} queries were sent to name objects.")
        return execute(sql, params, many, context)

    with connections[live_alias(using)].execute_wrapper(count):
        yield


def without_masked(obj: models.Model) -> models.Model:
    """Return an object of the past whose masked fields say nothing, since project code is going to show it."""
    for field in obj._meta.concrete_fields:
        if is_masked(field) and not field.primary_key:
            is_text = isinstance(field, models.CharField | models.TextField)
            obj.__dict__[field.attname] = MASK if is_text else None
    return obj


def name_of(obj: models.Model) -> str:
    """Return what an object is called, without what is masked: its text as one line, not too long; its model and key where it has none.

    It may need what is not there any more, and fail.
    """
    try:
        # The masked fields of a copy are overwritten: the object itself may still be used elsewhere.
        text = " ".join(str(without_masked(copy(obj))).split())
    except Exception:  # noqa: BLE001 - project code, which knows nothing of the past
        text = ""
    return Truncator(text).chars(LETTERS) or unnamed(type(obj), obj.pk)


def name_in_sentence(obj: models.Model) -> str:
    """Return the name of an object as a sentence may hold it: without marks that turn the words behind it."""
    return name_of(obj).translate(_TURNING)


def unnamed(model: type[models.Model], key: Any) -> str:
    """Return how an object is called of which only the key is known or may be shown."""
    return f"{capfirst(str(model._meta.verbose_name))} {key_text(key)}"
