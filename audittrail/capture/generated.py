"""Read the code that audittrail has generated for a table from the database that runs it."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.backends.base.base import BaseDatabaseWrapper

_FUNCTIONS = """
    SELECT p.oid::bigint, pg_get_functiondef(p.oid)
      FROM audittrail.tracked_table t
     CROSS JOIN unnest(audittrail.capture_functions()) WITH ORDINALITY e (event, position)
      JOIN pg_proc p ON p.oid = to_regproc(format('audittrail.%%I', t.history_name || '_' || e.event))
     WHERE t.id = %s
     ORDER BY e.position
"""
_TRIGGERS = """
    SELECT pg_get_triggerdef(g.oid)
      FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid
     WHERE g.tgfoid = %s::oid AND g.tgparentid = 0
     ORDER BY c.relispartition, g.tgrelid::regclass::text, g.tgname
"""


def statements(connection: BaseDatabaseWrapper, number: int) -> Iterator[str]:
    """Yield the statements that would make the capture functions of a table and their triggers as they are now.

    Takes the number of the table in the registry. A partitioned table's statement triggers are on its partitions too; those for each row
    PostgreSQL puts there by itself.
    """
    with connection.cursor() as cursor:
        cursor.execute(_FUNCTIONS, [number])
        for function, definition in cursor.fetchall():
            yield f"{definition.rstrip()};"
            cursor.execute(_TRIGGERS, [function])
            yield from (f"{trigger};" for (trigger,) in cursor.fetchall())
