"""Build the indexes of history tables by which the past is filtered, without keeping writers waiting."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import md5
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.psycopg_any import sql

from audittrail.capture.tables import TrackedTable, tracked_tables

#: The comment by which an index is known to be ours to drop.
COMMENT = "Repeats an index of the tracked table; kept by audittrail."

_INDEXES = """
    SELECT c.relname, i.indisvalid, obj_description(c.oid, 'pg_class') = %s,
           i.indpred IS NULL AND i.indexprs IS NULL AND m.amname = 'btree',
           ARRAY(SELECT a.attname::text FROM unnest(i.indkey::int2[]) WITH ORDINALITY k (attnum, position)
                   JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum ORDER BY k.position)
      FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam
     WHERE i.indrelid = to_regclass(format('audittrail.%%I', %s::text))
"""


@dataclass(frozen=True)
class _Index:
    name: str
    valid: bool
    ours: bool
    plain: bool
    columns: list[str]

    def leads_with(self, columns: tuple[str, ...]) -> bool:
        """Return whether rows are found by these columns."""
        return self.valid and self.plain and tuple(self.columns[: len(columns)]) == columns


def build(using: str = DEFAULT_DB_ALIAS, *, tables: frozenset[str] = frozenset()) -> Iterator[str]:
    """Build the wanted indexes that history tables lack, and drop ours that are not wanted any more; yield what was done.

    Takes the database and the names of tables (all by default). Which are wanted, `history.register` says. Nobody is kept from
    writing meanwhile: each is built CONCURRENTLY, so not inside a transaction. One that was left unfinished is built again.
    """
    connection = connections[using]
    for table in tracked_tables(using):
        if not tables or table.table in tables:
            yield from _build(connection, table)


def _build(connection: BaseDatabaseWrapper, table: TrackedTable) -> Iterator[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT to_regclass(format('audittrail.%%I', %s::text)) IS NOT NULL", [table.history]
        )
        if not cursor.fetchone()[0]:
            return
        wanted = [_stored(cursor, columns) for columns in table.index]
        cursor.execute(_INDEXES, [COMMENT, table.history])
        present = [_Index(*row) for row in cursor.fetchall()]
        for index in present:
            unfinished = not index.valid and index.name == _name(table, tuple(index.columns))
            if unfinished or (index.ours and tuple(index.columns) not in wanted):
                _run(cursor, "DROP INDEX CONCURRENTLY IF EXISTS audittrail.{}", index.name)
                if not unfinished:
                    yield f"{table.table}: index on {', '.join(index.columns)} dropped"
        for columns in wanted:
            if any(index.leads_with(columns) for index in present):
                continue
            name = _name(table, columns)
            statement = "CREATE INDEX CONCURRENTLY {} ON audittrail.{} ({})"
            _run(cursor, statement, name, table.history, columns)
            _run(cursor, f"COMMENT ON INDEX audittrail.{{}} IS '{COMMENT}'", name)
            yield f"{table.table}: index on {', '.join(columns)} built"


def _stored(cursor: Any, columns: tuple[str, ...]) -> tuple[str, ...]:
    cursor.execute(
        "SELECT ARRAY(SELECT audittrail.stored_name(name) FROM unnest(%s::text[]) name)",
        [list(columns)],
    )
    return tuple(cursor.fetchone()[0])


def _name(table: TrackedTable, columns: tuple[str, ...]) -> str:
    digest = md5(",".join(columns).encode(), usedforsecurity=False).hexdigest()[:8]
    return f"{table.history}_{digest}"


def _run(cursor: Any, statement: str, *names: str | tuple[str, ...]) -> None:
    identifiers = [
        sql.Identifier(name)
        if isinstance(name, str)
        else sql.SQL(", ").join(sql.Identifier(column) for column in name)
        for name in names
    ]
    cursor.execute(sql.SQL(statement).format(*identifiers).as_string(cursor.cursor))
