"""What revisions and versions have in common: the database records them, and nobody saves or deletes them."""

from __future__ import annotations

from typing import Any, NoReturn, TypeVar

from django.db import models

from audittrail.exceptions import EditingError
from audittrail.revisions.horizon import HistoryQuerySet

M = TypeVar("M", bound=models.Model)


class RecordedQuerySet(HistoryQuerySet[M]):
    """Rows of history. To correct them, `update()` and `delete()` work inside `history.editing()`."""

    def bulk_create(self, objs: Any, *args: Any, **kwargs: Any) -> Any:
        """Refuse: the database alone writes history."""
        _refuse(f"{len(list(objs))} objects of {self.model.__name__}", "created")


class RecordedModel(models.Model):
    """A row of history."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Refuse: the database alone writes history."""
        _refuse(repr(self), "saved")

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse: the database alone writes history."""
        _refuse(repr(self), "deleted")


def _refuse(what: str, done: str) -> NoReturn:
    raise EditingError(
        f"{what} can't be {done}: history is written by the database alone. To correct it on purpose, use "
        "history.editing(reason=...) and, inside, update() or delete() of a queryset."
    )
