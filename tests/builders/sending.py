"""Send a statement, and find the revision that it made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import DatabaseError, connections, transaction

from audittrail.models import Revision


def sql(statement: str, *parameters: Any, using: str = "default") -> list[tuple[Any, ...]]:
    """Execute a statement through Django; return its rows, none if it gives none."""
    return send(connections[using], statement, *parameters)


def send(connection: Any, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """Execute a statement on a connection, Django's or a raw one; return its rows, none if it gives none."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return list(cursor.fetchall()) if cursor.description else []


def try_to_send(connection: Any, statement: str) -> None:
    """Execute a statement on a raw connection, which may fail as it may in an application."""
    try:
        send(connection, statement)
    except Exception as error:
        code = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
        if isinstance(error, DatabaseError) or not code:
            raise


@contextmanager
def snapshot(isolation: str = "REPEATABLE READ", using: str = "default") -> Iterator[None]:
    """Begin a transaction whose snapshot is taken: what others commit within the block it does not see."""
    with transaction.atomic(using):
        sql(f"SET TRANSACTION ISOLATION LEVEL {isolation}", using=using)
        sql("SELECT 1", using=using)
        yield


def newest(using: str = "default") -> Any:
    """Return the newest revision in commit order; fail if there is none."""
    found = Revision.objects.using(using).newest()
    assert found is not None, f"no revision in {using!r} yet"
    return found
