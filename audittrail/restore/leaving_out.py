"""Leave staged rows, and columns of them, as they are in the live table, because whoever restores was told to.

A row is marked as soon as it is staged, so that nothing is brought along with it, and stays staged until all are, so that it is not
staged anew.
"""

from __future__ import annotations

from typing import Any, Final

from audittrail.restore.catalog import LiveTable
from audittrail.restore.plan import LeftAlone
from audittrail.restore.statements import (
    ACTION,
    composed,
    differ,
    labelled,
    listed,
    literal,
    name_of,
    run,
    same,
)

#: The action of a row that is left out.
MARKED: Final = "-"


def mark(cursor: Any, table: LiveTable, stage: str, left_out: LeftAlone) -> None:
    """Mark the rows of a table that are left out, in its temporary table, and give columns that are left out the values that they have."""
    relation = table.relation
    actions = sorted(action for oid, action in left_out.actions if oid == relation)
    rows = sorted(place for oid, place in left_out.rows if oid == relation)
    if actions or rows:
        run(
            cursor,
            "UPDATE {stage} s SET {action} = {marked}, audittrail_fields = NULL"
            " WHERE s.{action}::text = ANY ({actions}::text[]) OR {place} = ANY ({rows}::text[])",
            stage=stage,
            action=ACTION,
            marked=literal(MARKED),
            actions=literal(actions),
            place=place_of(table, "s"),
            rows=literal(rows),
        )
    columns: dict[str, list[str]] = {}
    for oid, place, name in sorted(left_out.columns):
        if oid == relation:
            columns.setdefault(name, []).append(place)
    for name, places in columns.items():
        _keep(cursor, table, stage, name, places)


def sweep(cursor: Any, stage: str) -> None:
    """Delete the marked rows of a temporary table."""
    run(
        cursor,
        "DELETE FROM {stage} WHERE {action} = {marked}",
        stage=stage,
        action=ACTION,
        marked=literal(MARKED),
    )


def place_of(table: LiveTable, alias: str) -> Any:
    """Return the key of a row as text, as SQL."""
    return composed("ROW({key})::text", key=listed(table.key, alias))


def _keep(cursor: Any, table: LiveTable, stage: str, name: str, places: list[str]) -> None:
    """Let updated rows keep what a column holds; those of which nothing else changes are left out, or wait for their conflicts."""
    parts = {
        "stage": stage,
        "action": ACTION,
        "name": name,
        "live": name_of(table),
        "same": same(table.key, "l", "s"),
        "place": place_of(table, "s"),
        "places": literal(places),
    }
    which = "FROM {live} l WHERE {same} AND s.{action} = 'U' AND {place} = ANY ({places}::text[])"
    run(
        cursor,
        "UPDATE {stage} s SET {name} = l.{name},"
        " audittrail_fields = nullif(array_remove(s.audittrail_fields, {label}), '{{}}') " + which,
        label=literal(labelled(table, name)),
        **parts,
    )
    others = [
        found.name for found in table.writable if found.stored and found.name not in table.key
    ]
    run(
        cursor,
        "UPDATE {stage} s SET {action} = CASE WHEN s.audittrail_fields IS NULL THEN {marked} ELSE '=' END "
        + which
        + " AND NOT ({differ})",
        marked=literal(MARKED),
        differ=differ([table.column(found) for found in others], "s", "l"),
        **parts,
    )
