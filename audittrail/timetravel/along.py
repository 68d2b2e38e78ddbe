"""The moment along which code reads that was called for an object of the past, and that does not ask for the object's database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from audittrail.timetravel.moment import Moment

_along: ContextVar[Moment | None] = ContextVar("audittrail_along", default=None)

#: Return the moment of the object that the present block of code was called for, None outside of any.
current: Final = _along.get


@contextmanager
def reading_along(moment: Moment) -> Iterator[None]:
    """Read as of a moment, inside a `with` block, whatever names no database itself."""
    token = _along.set(moment)
    try:
        yield
    finally:
        _along.reset(token)
