"""Two values of each kind of field, different ones, also where Python finds them equal."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.db.backends.postgresql.psycopg_any import DateRange, DateTimeTZRange, NumericRange

MOMENT = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)

#: Fields of `Specimen`, each with two values as Django writes and reads them.
VALUES: dict[str, tuple[Any, Any]] = {
    "name": ("old", "new"),
    "small": (1, 2),
    "big": (10**15, None),
    "real": (0.5, 0.25),
    "exact": (Decimal("1.5000000000"), Decimal("1.6000000000")),
    "flag": (None, False),
    "day": (date(2026, 1, 1), date(2026, 1, 2)),
    "moment": (MOMENT, MOMENT + timedelta(microseconds=1)),
    "clock": (time(9, 30), time(9, 30, 1)),
    "span": (timedelta(days=1), timedelta(days=1, microseconds=1)),
    "address": ("10.0.0.1", "::1"),
    "token": (uuid.UUID(int=1), uuid.UUID(int=2)),
    "data": ({"a": [1, None]}, {"a": [1, False]}),
    "blob": (b"\x00\xff", b"\x00"),
    "file": ("specimens/old.txt", "specimens/new.txt"),
    "numbers": ([1, 2], [2, 1]),
    "matrix": ([["a", "b"]], [["a", None]]),
    "int_range": (NumericRange(1, 5), NumericRange(1, 6)),
    "big_range": (NumericRange(1, None), None),
    "decimal_range": (NumericRange(Decimal(1), Decimal(2)), NumericRange(Decimal(1), Decimal(3))),
    "date_range": (
        DateRange(date(2026, 1, 1), date(2026, 2, 1)),
        DateRange(date(2026, 1, 1), None),
    ),
    "moment_range": (
        DateTimeTZRange(MOMENT, MOMENT + timedelta(days=1)),
        DateTimeTZRange(MOMENT, MOMENT + timedelta(days=2)),
    ),
    "created": (MOMENT, MOMENT + timedelta(days=1)),
}

#: The same as SQL, for values that Python can't tell apart, or Django can't write.
ALIKE: dict[str, tuple[str, str]] = {
    "real": ("'0'", "'-0'"),
    "span": ("'1 month'", "'30 days'"),
    "data": ("""'{"a": 1}'""", """'{"a": 1.00}'"""),
    "decimal_range": ("'[1,2)'", "'[1.0,2.00)'"),
    "numbers": ("'{1,2}'", "'[0:1]={1,2}'"),
    "search": ("'''a'':1'", "'''a'':2'"),
}
