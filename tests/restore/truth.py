"""What the tracked tables really hold, read past all of audittrail's Python."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import connections

Content = dict[str, list[str]]


def content(using: str = "default", tables: Iterable[str] | None = None) -> Content:
    """Return the rows of each tracked table as text, sorted, without columns that history does not follow exactly."""
    found: Content = {}
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT relation::regclass::text, table_name,"
            " (SELECT string_agg(quote_ident(c ->> 'name'), ', ' ORDER BY (c ->> 'attnum')::int) FROM jsonb_array_elements(columns) c"
            "   WHERE c ->> 'history' IS NOT NULL AND NOT (c ->> 'ignored')::boolean)"
            " FROM audittrail.tracked_table WHERE until_version IS NULL"
        )
        for relation, name, columns in cursor.fetchall():
            if tables is None or name in tables:
                cursor.execute(f"SELECT ROW({columns})::text FROM {relation}")
                if rows := sorted(row for (row,) in cursor.fetchall()):
                    found[relation] = rows
    return found


def verified(using: str = "default") -> list[Any]:
    """Return what `verify` finds wrong: nothing, if history and tables agree."""
    from audittrail.capture.verify import verify

    return [finding for _, findings in verify(using) for finding in findings]
