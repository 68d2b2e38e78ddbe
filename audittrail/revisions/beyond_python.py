"""Dates, times and intervals that PostgreSQL has and Python has not: whatever tells of history shows their text.

These are infinite dates, those before Christ or after the year 9999, the time 24:00, intervals of more than 999,999,999 days. For some
of them a driver raises an error, and for others it gives another value: psycopg2 takes "infinity" for the last day of the year 9999. The
project's own queries get what the driver gives, also where they read the past.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any, Final

from django.db.backends.postgresql.psycopg_any import is_psycopg3

#: Types of dates, times and intervals, with ranges, multiranges and arrays of them, by their oids in pg_type.
_OIDS: Final = (
    *(1082, 1083, 1114, 1184, 1186, 1266),
    *(3908, 3910, 3912, 4533, 4534, 4535),
    *(1115, 1182, 1183, 1185, 1187, 1270, 3909, 3911, 3913),
)

#: By this one sees in the text of a value that Python has no such value, or that a driver takes it for another one.
_BEYOND: Final = re.compile(r"infinity|BC|\d{5}-\d\d-|(?<![:\d])24:00:00")

_wanted: ContextVar[bool] = ContextVar("audittrail_beyond_python", default=False)


@contextmanager
def as_texts() -> Iterator[None]:
    """Have such values read as their text inside the block, by all connections."""
    token = _wanted.set(True)
    try:
        yield
    finally:
        _wanted.reset(token)


def is_wanted() -> bool:
    """Return whether such values are to be read as text."""
    return _wanted.get()


def let_through(cursor: Any) -> None:
    """Have a cursor of the driver give such values as text."""
    if is_psycopg3:
        _let_through_psycopg3(cursor)
    else:
        _let_through_psycopg2(cursor)


def _read(read: Callable[[], Any], text: str, failures: tuple[type[Exception], ...]) -> Any:
    if _BEYOND.search(text):
        return text
    try:
        return read()
    except failures:
        return text


def _let_through_psycopg2(cursor: Any) -> None:
    from psycopg2.extensions import register_type

    for caster in _casters():
        register_type(caster, cursor)


@cache
def _casters() -> list[Any]:
    from psycopg2.extensions import string_types

    return [_caster(oid, string_types[oid]) for oid in _OIDS if oid in string_types]


def _caster(oid: int, usual: Any) -> Any:
    from psycopg2 import Error
    from psycopg2.extensions import new_type

    failures = (ValueError, OverflowError, Error)

    def cast(value: str | None, cursor: Any) -> Any:
        return None if value is None else _read(lambda: usual(value, cursor), value, failures)

    return new_type((oid,), "AUDITTRAIL_BEYOND_PYTHON", cast)


def _let_through_psycopg3(cursor: Any) -> None:
    from psycopg.pq import Format

    for oid in _OIDS:
        usual = cursor.adapters.get_loader(oid, Format.TEXT)
        if usual is not None and not getattr(usual, "is_audittrails", False):
            cursor.adapters.register_loader(oid, _loader(usual))


@cache
def _loader(usual: Any) -> Any:
    from psycopg import Error
    from psycopg.adapt import Loader

    failures = (ValueError, OverflowError, Error)

    class BeyondPythonLoader(Loader):
        is_audittrails = True

        def __init__(self, oid: int, context: Any = None) -> None:
            super().__init__(oid, context)
            self._usual = usual(oid, context)

        def load(self, data: Any) -> Any:
            return _read(lambda: self._usual.load(data), bytes(data).decode(), failures)

    return BeyondPythonLoader
