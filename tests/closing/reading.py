"""Read tables as of ticks over a raw connection, with what was known of their closing at some time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from audittrail.timetravel import tables
from audittrail.timetravel.moment import Moment
from audittrail.timetravel.tables import FEW_TABLES, PastTable
from tests.builders.sending import send

#: How many tables a statement reads: so few that the tail is joined, so many that it is a subplan.
COUNTS = (1, FEW_TABLES + 1)


def known(connection: Any, names: Iterable[str]) -> dict[str, PastTable]:
    """Return what time travel knows of tables now."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM audittrail.tracked_table WHERE table_name = ANY (%s)", [[*names]]
        )
        found = tables.load(cursor, [number for (number,) in cursor.fetchall()])
    return {table.name: table for table in found.values()}


def as_of(connection: Any, past: PastTable, tick: int, columns: str, count: int = 1) -> list[Any]:
    """Return a table's rows as of a tick, each the text of a row of `columns`, sorted."""
    query = past.as_of(Moment("default", tick), count)
    opened = f"audittrail_open AS MATERIALIZED (SELECT o AS id FROM audittrail.open_at({tick}) o)"
    found = send(connection, f"WITH {opened} SELECT ARRAY[{columns}] FROM ({query}) past")
    return sorted((row for (row,) in found), key=repr)


def close(connection: Any, table: str, ticks: int | None = None) -> tuple[Any, ...]:
    """Close so many ticks of a table (all by default); return versions, through, settled, tail."""
    number = "NULL" if ticks is None else ticks
    return send(
        connection,
        f"SELECT looked, through, settled, tail FROM audittrail.tracked_table t, audittrail.close_versions(t.id, {number})"
        f" WHERE t.table_name = '{table}'",
    )[0]


def reopen(connection: Any, table: str) -> None:
    """Make a table as if it had never been closed."""
    send(connection, "SELECT set_config('audittrail.unguarded', 'on', false)")
    send(connection, f'UPDATE audittrail."{table}_history" SET superseded = NULL')
    send(connection, "SELECT set_config('audittrail.unguarded', '', false)")
    send(
        connection,
        f"UPDATE audittrail.tracked_table SET closed_through = 0, tail_from = 0 WHERE table_name = '{table}'",
    )
