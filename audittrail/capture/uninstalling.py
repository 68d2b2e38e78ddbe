"""Take audittrail out of a database, whichever release has put it there: nothing that is to go is asked for help."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.psycopg_any import sql

from audittrail import conf
from audittrail.capture.locking import patiently
from audittrail.capture.sync import LOCK_ATTEMPTS, TrackingChange


def uninstall(
    using: str = DEFAULT_DB_ALIAS, *, report: Callable[[TrackingChange], None] = lambda change: None
) -> None:
    """Remove audittrail from a database: triggers, functions and history; the user's tables stay as they are.

    All of it lives in the schema `audittrail`, and the triggers depend on its functions: dropping the schema
    takes everything along. One table at a time first, so that no lock is held for long.

    Raises `LockedError` for a table that stays locked by others.
    """
    connection = connections[using]
    for table, functions in _capturing(connection):
        _drop(connection, table, functions)
        report(TrackingChange(table, "ended"))
    with transaction.atomic(using=using), connection.cursor() as cursor:
        cursor.execute("SET LOCAL client_min_messages = warning")
        cursor.execute("DROP SCHEMA audittrail CASCADE")


def _capturing(connection: BaseDatabaseWrapper) -> Iterator[tuple[str, str]]:
    """Yield the tables with triggers of ours, and the functions that these run, spelled for a statement."""
    with connection.cursor() as cursor:
        cursor.execute(_CAPTURING)
        yield from cursor.fetchall()


def _drop(connection: BaseDatabaseWrapper, table: str, functions: str) -> None:
    def work(cursor: Any) -> None:
        cursor.execute("SET LOCAL client_min_messages = warning")
        # CASCADE takes the triggers along, on the partitions too.
        dropping = sql.SQL("DROP FUNCTION IF EXISTS {} CASCADE").format(sql.SQL(functions))
        cursor.execute(dropping.as_string(cursor.cursor))

    patiently(
        connection,
        work,
        timeout=conf.lock_timeout(),
        attempts=LOCK_ATTEMPTS,
        refusal=f"Table {table!r} stayed locked by other transactions; audittrail was not removed.",
    )


#: The functions of a table are run by triggers on its partitions, and on tables that inherit from it, as well. Of all these, the table
#: itself is the one that is no child of another.
_CAPTURING: Final = """
SELECT table_name, string_agg(function, ', ' ORDER BY function)
  FROM (SELECT DISTINCT ON (p.oid) p.oid::regprocedure::text, c.oid, c.relname::text
          FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
         WHERE NOT t.tgisinternal AND p.pronamespace = 'audittrail'::regnamespace AND c.relnamespace <> p.pronamespace
         ORDER BY p.oid, (SELECT count(*) FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid), c.oid) f (function, oid, table_name)
 GROUP BY oid, table_name ORDER BY table_name, oid
"""
