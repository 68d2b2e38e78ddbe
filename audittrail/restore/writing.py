"""Write staged rows into a live table: one statement for each of insert, update and delete."""

from __future__ import annotations

from typing import Any, Final

from audittrail.exceptions import RestoreError
from audittrail.restore.catalog import LiveTable
from audittrail.restore.staging import Staging, differs
from audittrail.restore.statements import composed, joined, listed, literal, name_of, raw, run, same

#: How many values of a sequence are taken at most, to move it where it can't be set.
STEPS: Final = 10_000


def insert(staging: Staging, table: LiveTable) -> None:
    """Insert the staged rows that are not there; raise `RestoreError` if the table lets fewer in."""
    names = [found.name for found in table.writable]
    expected = _staged(staging, table, "I")
    if not expected:
        return
    written = run(
        staging.cursor,
        "INSERT INTO {live} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM {stage} WHERE audittrail_action = 'I'",
        live=name_of(table),
        columns=listed(names),
        stage=staging.name(table),
    ).rowcount
    _require_all(table, "inserted", written, expected)


def update(staging: Staging, table: LiveTable) -> None:
    """Update the staged rows that are there; raise `RestoreError` if the table lets fewer be updated."""
    expected = _staged(staging, table, "U")
    if not expected:
        return
    changed = changed_columns(staging, table)
    if not changed:
        return
    written = run(
        staging.cursor,
        "UPDATE {live} l SET {assignments} FROM {stage} s WHERE {same} AND s.audittrail_action = 'U'",
        live=name_of(table),
        assignments=joined(composed("{name} = s.{name}", name=name) for name in changed),
        stage=staging.name(table),
        same=same(table.key, "l", "s"),
    ).rowcount
    _require_all(table, "updated", written, expected)


def changed_columns(staging: Staging, table: LiveTable) -> list[str]:
    """Return the columns that change in any updated row: no statement names another one, so no trigger on others fires."""
    candidates = [
        found.name
        for found in table.writable
        if found.name not in table.key and found.identity != "a"
    ]
    if not candidates:
        return []
    row = run(
        staging.cursor,
        "SELECT {differing} FROM {stage} s JOIN {live} l ON {same} WHERE s.audittrail_action = 'U'",
        differing=joined(
            composed("bool_or({differs})", differs=differs(table, [name], "s", "l"))
            for name in candidates
        ),
        stage=staging.name(table),
        live=name_of(table),
        same=same(table.key, "l", "s"),
    ).fetchone()
    return [name for name, changes in zip(candidates, row, strict=True) if changes]


def delete(staging: Staging, table: LiveTable, way: str | None = None) -> None:
    """Delete the rows that are staged to go, or those of them whose keys are in a temporary table.

    Raises `RestoreError` if the table keeps any of them.
    """
    only = raw("")
    if way is not None:
        only = composed(
            " AND EXISTS (SELECT FROM {way} k WHERE {same})",
            way=way,
            same=same(table.key, "k", "s"),
        )
    if not _staged(staging, table, "D"):
        return
    parts = {
        "live": name_of(table),
        "stage": staging.name(table),
        "same": same(table.key, "l", "s"),
        "only": only,
    }
    there = "SELECT count(*) FROM {live} l JOIN {stage} s ON {same} WHERE s.audittrail_action = 'D'{only}"
    expected = int(staging.value(there, **parts))
    run(
        staging.cursor,
        "DELETE FROM {live} l USING {stage} s WHERE {same} AND s.audittrail_action = 'D'{only}",
        **parts,
    )
    # Not how many the statement deleted: a row may have gone by a cascade of the database before it came to it.
    kept = int(staging.value(there, **parts))
    _require_all(table, "deleted", expected - kept, expected)


def _staged(staging: Staging, table: LiveTable, action: str) -> int:
    return int(
        staging.value(
            "SELECT count(*) FROM {stage} WHERE audittrail_action = {action}",
            stage=staging.name(table),
            action=literal(action),
        )
    )


def _require_all(table: LiveTable, what: str, written: int, expected: int) -> None:
    if written < expected:
        raise RestoreError(
            f"Only {written} of {expected} rows of {table} were {what}: a trigger, rule or policy of the table left the others out. Nothing was changed."
        )


def advance_sequences(staging: Staging, table: LiveTable) -> None:
    """Move the sequences of a table's columns past the values that came back; never backwards, which others could notice."""
    cursor = staging.cursor
    if not _staged(staging, table, "I"):
        return
    for found in table.writable:
        if not found.identity and "nextval(" not in (found.default or ""):
            continue
        cursor.execute(
            "SELECT pg_get_serial_sequence(%s, %s)",
            [name_of(table).as_string(cursor.cursor), found.name],
        )
        (sequence,) = cursor.fetchone()
        if sequence is None:
            continue
        highest = staging.value(
            "SELECT max({name}) FROM {stage} WHERE audittrail_action = 'I'",
            name=found.name,
            stage=staging.name(table),
        )
        _advance(cursor, sequence, highest)


def _advance(cursor: Any, sequence: str, highest: int | None) -> None:
    """Move a sequence past a value, as far as the role may: to insert into an identity column it needs no right on the sequence.

    Values that come back were given by the sequence as a rule, which is past them then.
    """
    if highest is None:
        return
    cursor.execute(
        "SELECT has_sequence_privilege(s, 'SELECT') AND has_sequence_privilege(s, 'UPDATE'), has_sequence_privilege(s, 'USAGE'),"
        " (SELECT q.seqstart - 1 FROM pg_sequence q WHERE q.seqrelid = s) FROM (SELECT %s::regclass AS s) named",
        [sequence],
    )
    may_set, may_use, before = cursor.fetchone()
    if may_set:
        run(
            cursor,
            "SELECT setval({sequence}::regclass, {highest}) FROM {relation}"
            " WHERE {highest} > CASE WHEN is_called THEN last_value ELSE last_value - 1 END",
            sequence=literal(sequence),
            highest=literal(highest),
            relation=raw(sequence),
        )
    elif may_use:
        # A role that may use the sequence, but not set it, takes its values up to the highest.
        cursor.execute("SELECT pg_sequence_last_value(%s::regclass)", [sequence])
        (last,) = cursor.fetchone()
        missing = highest - (before if last is None else last)
        if 0 < missing <= STEPS:
            cursor.execute(
                "SELECT count(nextval(%s::regclass)) FROM generate_series(1, %s)",
                [sequence, missing],
            )
