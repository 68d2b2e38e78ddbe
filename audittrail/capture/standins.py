"""Stand-ins for the capture functions, so that a dump without the schema `audittrail` can be restored."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.psycopg_any import sql

_CALLED = """
    SELECT DISTINCT p.proname
      FROM pg_trigger g
      JOIN pg_proc p ON p.oid = g.tgfoid AND p.pronamespace = to_regnamespace('audittrail')
      JOIN pg_class c ON c.oid = g.tgrelid AND c.relnamespace <> p.pronamespace
     WHERE NOT g.tgisinternal
     ORDER BY p.proname
"""


def stand_ins(connection: BaseDatabaseWrapper) -> Iterator[str]:
    """Yield the SQL that makes functions which do nothing, named as the triggers of a database's tables call them.

    A dump of the tables alone creates these triggers, and fails where there are no such functions.
    """
    yield "CREATE SCHEMA audittrail;"
    with connection.cursor() as cursor:
        cursor.execute(_CALLED)
        for (name,) in cursor.fetchall():
            statement = sql.SQL(
                "CREATE FUNCTION audittrail.{}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
            )
            yield statement.format(sql.Identifier(name)).as_string(cursor.cursor)
