"""Reading along: code that was called for an object of the past, and does not ask for its database itself, reads as of its moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from django.db import models

from audittrail.capture.tracking import concrete
from audittrail.timetravel.moment import Moment


@dataclass(frozen=True)
class Along:
    """The moment of the object that code was called for."""

    moment: Moment
    #: The model whose queryset or manager the project's own code was called for; None for code of Django's, which asks only for what is in
    #: the database of the object. Code of the project may also ask for what the routers send elsewhere.
    owner: type[models.Model] | None = None

    def owns(self, model: type[models.Model]) -> bool:
        """Return whether a model is in the database of the moment, whatever routers say: the owner, its parents and children."""
        if self.owner is None:
            return True
        return issubclass(self.owner, model) or issubclass(model, concrete(self.owner))


_along: ContextVar[Along | None] = ContextVar("audittrail_along", default=None)

#: Return what the present block of code was called for, None outside of any.
going: Final = _along.get


def current() -> Moment | None:
    """Return the moment of the object that the present block of code was called for, None outside of any."""
    found = _along.get()
    return None if found is None else found.moment


@contextmanager
def reading_along(along: Along | None) -> Iterator[None]:
    """Read as of a moment, inside a `with` block, whatever names no database itself; None for the present again."""
    token = _along.set(along)
    try:
        yield
    finally:
        _along.reset(token)
