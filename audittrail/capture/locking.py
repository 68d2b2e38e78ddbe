"""Work that needs a table's lock for a moment: it gives way to writers, and tries again."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from django.db import OperationalError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from audittrail.exceptions import LockedError

T = TypeVar("T")

#: SQLSTATE of what passes by itself: lock_not_available, deadlock_detected, serialization_failure.
PASSING = frozenset({"55P03", "40P01", "40001"})
LONGEST_PAUSE = 2.0


def patiently(
    connection: BaseDatabaseWrapper,
    work: Callable[[Any], T],
    *,
    timeout: int,
    attempts: int,
    refusal: str,
) -> T:
    """Do `work` in a transaction of its own, again and again while others hold a lock that it needs.

    `work` is called with a cursor; each attempt waits for a lock no longer than `timeout` milliseconds, and sees what others
    commit meanwhile, whatever isolation level the connection has otherwise. Returns what `work` returns.

    Raises `LockedError` with the text `refusal` when the attempts are used up, and inside a transaction at once.
    """
    for attempt in range(attempts):
        outermost = not connection.in_atomic_block
        try:
            with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
                if outermost:
                    cursor.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
                cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{timeout}ms"])
                return work(cursor)
        except OperationalError as error:
            if sqlstate(error) not in PASSING:
                raise
            if connection.in_atomic_block or attempt == attempts - 1:
                raise LockedError(refusal) from error
        time.sleep(min(0.1 * 2**attempt, LONGEST_PAUSE))
    raise AssertionError("unreachable")


def sqlstate(error: Exception) -> str | None:
    """Return the SQLSTATE of a database error that Django raised."""
    cause = error.__cause__  # psycopg2 and psycopg 3 call it differently
    return getattr(cause, "pgcode", None) or getattr(cause, "sqlstate", None)
