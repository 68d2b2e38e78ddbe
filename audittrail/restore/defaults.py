"""What columns get that history has no value of, and that can't stay empty: their defaults, as a last resort that plans tell."""

from __future__ import annotations

from typing import Any

from audittrail.exceptions import RestoreError
from audittrail.restore import statements
from audittrail.restore.catalog import Column, LiveTable
from audittrail.restore.plan import Note
from audittrail.restore.statements import ACTION, column, composed, joined, raw, run
from audittrail.revisions.wording import counted


def take(live: Any, cursor: Any, table: LiveTable, stage: str) -> list[Note]:
    """Give the rows of a table in its temporary table, `stage`, the defaults of what they lack; return how many of them.

    No default is asked for that no row needs: that of a field may query the database, and fail.

    Raises `RestoreError` if a field's default raises.
    """
    notes = []
    for found, rows in _lacking(cursor, table, stage):
        default = _default(live, table, found)
        if default is None:
            continue
        run(
            cursor,
            "UPDATE {stage} SET {name} = {value} WHERE {lacking}",
            stage=stage,
            name=found.name,
            value=default,
            lacking=_lacks(found),
        )
        why = "had no value then" if found.stored else "is excluded from history"
        text = f"{table}.{found.name} {why}, so {counted(rows, 'row')} will have its default."
        notes.append(Note("default", str(table), rows, text, table.model, (found.name,)))
    return notes


def _lacking(cursor: Any, table: LiveTable, stage: str) -> list[tuple[Column, int]]:
    """Return the columns that staged rows can't do without and have no value of, with the numbers of these rows."""
    unknown = [c for c in table.writable if not c.stored and c.name not in table.key]
    needed = [c for c in table.writable if c.stored and c.not_null]
    asked = [*unknown, *needed]
    if not asked:
        return []
    counts = run(
        cursor,
        "SELECT {counts} FROM {stage}",
        counts=joined(
            composed("count(*) FILTER (WHERE {lacking})", lacking=_lacks(c)) for c in asked
        ),
        stage=stage,
    ).fetchone()
    return [(found, rows) for found, rows in zip(asked, counts, strict=True) if rows]


def _lacks(found: Column) -> Any:
    """Return the condition that a staged row lacks a value of a column."""
    return composed(
        "{name} IS NOT DISTINCT FROM NULL AND {action} IN ({actions})",
        name=found.name,
        action=column(ACTION),
        actions=raw("'I', 'U'" if found.stored else "'I'"),
    )


def _default(live: Any, table: LiveTable, found: Column) -> Any:
    """Return the default of a column as SQL, or None if it has none."""
    if found.default is not None:
        return raw(found.default)
    field = table.field(found.name)
    # All rows would get the same default here, which a unique column can't have.
    if field is None or field.primary_key or (field.unique and callable(field.default)):
        return None
    try:
        value = field.get_default()
    except Exception as error:
        raise RestoreError(
            f"{table}.{found.name} has no value in history, and its default raises {type(error).__name__}: {error}. "
            "Restore without these rows, or give the column a default in the database."
        ) from error
    if value is None:
        return None
    prepared = field.get_db_prep_save(value, live)
    return composed("{value}::{type}", value=statements.literal(prepared), type=raw(found.type))
