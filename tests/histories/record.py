"""Read what the tables hold, and what history says that they held."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any

from django.db.backends.postgresql.psycopg_any import is_psycopg3

from tests.histories.schemas import Schema, Table

#: A row: its columns, known by their number, which stays the same when they are renamed.
Row = dict[int, Any]
#: The rows of a table by primary key, each value as text.
Content = dict[tuple[Any, ...], Row]
GONE = ("D", "T")


@dataclass(frozen=True)
class Version:
    """A row of a history table."""

    version: int
    revision: int
    operation: str
    key: tuple[Any, ...]
    row: Row


def fetch(connection: Any, query: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query."""
    with connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


def execute(connection: Any, text: str) -> None:
    """Execute a statement; what follows the first line of a COPY is its data."""
    with connection.cursor() as cursor:
        if not text.startswith("COPY"):
            cursor.execute(text)
            return
        command, _, data = text.partition("\n")
        if is_psycopg3:
            with cursor.copy(command) as copy:
                copy.write(data)
        else:
            cursor.copy_expert(command, StringIO(data))


def columns(connection: Any, table: Table) -> dict[int, tuple[str, str]]:
    """Return name and type of each column by its number, as this connection sees them now."""
    found = fetch(
        connection,
        "SELECT attnum, attname, format_type(atttypid, NULL), format_type(atttypid, atttypmod) FROM pg_attribute"
        f" WHERE attrelid = '{table.name}'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
    )
    return {number: (name, full) for number, name, _, full in found}


def live(connection: Any, table: Table) -> Content:
    """Return what a table holds, as this connection sees it now."""
    present = columns(connection, table)
    numbers = {name: number for number, (name, _) in present.items()}
    values = ", ".join(f"{name}::text" for name, _ in present.values())
    content: Content = {}
    for (found,) in fetch(connection, f"SELECT ARRAY[{values}] FROM {table.name}"):
        row = dict(zip(present, found, strict=True))
        content[tuple(row[numbers[name]] for name in table.key)] = row
    return content


def locked(observer: Any, own: Any) -> set[str]:
    """Return the tables that somebody else has locked so that a connection, `own`, can't read them."""
    ((number,),) = fetch(own, "SELECT pg_backend_pid()")
    # A partition that is locked makes its table unreadable as well; a prepared transaction has no process.
    found = fetch(
        observer,
        "SELECT DISTINCT split_part(c.relname, '_', 1) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation"
        " WHERE l.mode = 'AccessExclusiveLock' AND c.relnamespace = 'public'::regnamespace"
        f" AND c.relkind IN ('r', 'p') AND l.pid IS DISTINCT FROM {number}",
    )
    return {name for (name,) in found}


def versions(connection: Any, table: Table, names: Mapping[int, str]) -> list[Version]:
    """Return the versions of a table in their order; `names` has the history's column for each column's number."""
    numbers = {name: number for number, name in names.items()}
    listed = ", ".join(
        f"audittrail.stored_name('{name}')::text || '::text'" for name in names.values()
    )
    values = ", ".join(fetch(connection, f"SELECT {listed}")[0])
    result = []
    for version, revision, operation, found in fetch(
        connection,
        f"SELECT version, revision_id, operation::text, ARRAY[{values}] FROM audittrail.{table.name}_history ORDER BY version",
    ):
        row = dict(zip(names, found, strict=True))
        key = tuple(row[numbers[name]] for name in table.key)
        result.append(Version(version, revision, operation, key, row))
    return result


def commits(connection: Any) -> dict[int, int]:
    """Return the commit tick of every committed revision by its number."""
    return dict(
        fetch(
            connection, "SELECT id, committed FROM audittrail.revision WHERE committed IS NOT NULL"
        )
    )


def as_of(tick: int, made: Sequence[Version], ticks: Mapping[int, int], rest: Content) -> Content:
    """Return a table's content as a moment left it: each row's last version of the revisions committed by then.

    `made` is in version order. `rest` is the table now: a row without any version is as it always was.
    """
    last = {
        version.key: version
        for version in made
        if version.revision in ticks and ticks[version.revision] <= tick
    }
    recorded = {version.key for version in made}
    return {key: row for key, row in rest.items() if key not in recorded} | {
        key: version.row for key, version in last.items() if version.operation not in GONE
    }


def by_key(changes: Iterable[tuple[tuple[Any, ...], Any]]) -> dict[tuple[Any, ...], list[Any]]:
    """Return the second elements by the first, in their order."""
    result: dict[tuple[Any, ...], list[Any]] = {}
    for key, change in changes:
        result.setdefault(key, []).append(change)
    return result


def tables_without(schema: Schema, names: Iterable[str]) -> list[Table]:
    """Return the tables of a schema but for the named ones."""
    left_out = set(names)
    return [table for table in schema.tables if table.name not in left_out]
