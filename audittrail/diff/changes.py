"""Changes: what happened to one attribute of an object."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import models

from audittrail.revisions.models import BaseRevision


@dataclass(frozen=True)
class FieldChange:
    """One attribute of an object before and after: a field of its own, or the keys of a many-to-many field.

    Values are typed as the model's field gives them; a foreign key is the key, a many-to-many field a tuple of keys.
    Where there was no object before, or is none after, the value of that side is None; null in JSON is `JSON_NULL`. Of a masked field it is told that
    it changed, never what: `old`, `new`, `added` and `removed` are empty then.

    Iterates as attribute, new value and revision: `for attribute, value, revision in User.history.diff(pk=1234): ...`
    """

    attribute: str
    old: Any
    new: Any
    revision: BaseRevision | None
    #: None for a column that no field of the model has any more.
    field: models.Field[Any, Any] | None
    added: tuple[Any, ...] = ()
    removed: tuple[Any, ...] = ()
    masked: bool = False

    def __iter__(self) -> Iterator[Any]:
        return iter((self.attribute, self.new, self.revision))
