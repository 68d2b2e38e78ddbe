"""Let rows that are changed or deleted give up a unique value that another row gets, where the constraint can't wait."""

from __future__ import annotations

from typing import Any

from audittrail.exceptions import RestoreError
from audittrail.restore import writing
from audittrail.restore.catalog import Column, LiveTable
from audittrail.restore.constraints import Constraints, UniqueIndex
from audittrail.restore.staging import Staging
from audittrail.restore.statements import column, composed, listed, literal, name_of, raw, run, same
from audittrail.restore.uniqueness import equal, valued


def make_way(staging: Staging, table: LiveTable, index: UniqueIndex, bound: Constraints) -> None:
    """Let rows that are changed or deleted give up a unique value that another row gets, before it does."""
    stage = staging.name(table)
    blocking = composed(
        "SELECT {key} FROM (SELECT {bare}, {values} FROM {live}{live_predicate}) l JOIN {stage} b ON {same} AND b.audittrail_action IN ('U', 'D')"
        " WHERE EXISTS (SELECT FROM (SELECT {bare}, {values} FROM {stage} WHERE audittrail_action IN ('I', 'U'){predicate}) s"
        " WHERE {equal} AND NOT ({own}))",
        key=listed(table.key, "l"),
        bare=listed(table.key),
        values=valued(index),
        live=name_of(table),
        live_predicate=raw(f" WHERE {index.predicate}" if index.predicate else ""),
        predicate=raw(f" AND ({index.predicate})" if index.predicate else ""),
        stage=stage,
        same=same(table.key, "b", "l"),
        equal=equal(index),
        own=same(table.key, "s", "l"),
    )
    way = staging.keys(table, "_way")
    run(staging.cursor, "TRUNCATE {way}", way=way)
    if not run(staging.cursor, "INSERT INTO {way} {blocking}", way=way, blocking=blocking).rowcount:
        return
    writing.delete(staging, table, way)
    if not _blocked_updates(staging, table, way):
        return
    nullable = [
        table.column(name)
        for name in index.columns
        if not table.column(name).not_null and name not in table.key
    ]
    if nullable and index.nulls_distinct:
        _give_up(staging, table, way, nullable[0].name, raw("NULL"))
    elif not any(
        key.target == table.relation and (key.acts or not key.deferrable)
        for key in bound.foreign_keys
    ):
        _take_out(staging, table, way)
    elif stand_in := next(
        (found for name in index.columns if (found := _stand_in(table.column(name)))), None
    ):
        _give_up(staging, table, way, *stand_in)
    else:
        raise RestoreError(
            f"Rows of {table} would have to swap their values of {', '.join(index.columns) or index.name}, and {index.name} forbids that two "
            "rows share one in between. Make that constraint deferrable, or change one of the rows first. Nothing was changed."
        )


def _blocked_updates(staging: Staging, table: LiveTable, way: str) -> bool:
    return bool(
        staging.value(
            "SELECT EXISTS (SELECT FROM {way} k JOIN {stage} s ON {same} WHERE s.audittrail_action = 'U')",
            way=way,
            stage=staging.name(table),
            same=same(table.key, "s", "k"),
        )
    )


def _give_up(staging: Staging, table: LiveTable, way: str, name: str, value: Any) -> None:
    run(
        staging.cursor,
        "UPDATE {live} l SET {name} = {value} FROM {way} k JOIN {stage} s ON {staged} WHERE {same} AND s.audittrail_action = 'U'",
        live=name_of(table),
        name=name,
        value=value,
        way=way,
        stage=staging.name(table),
        staged=same(table.key, "s", "k"),
        same=same(table.key, "l", "k"),
    )


def _take_out(staging: Staging, table: LiveTable, way: str) -> None:
    """Delete rows that come back as they are to be, in the same transaction: nothing refers to them that can't wait."""
    stage = staging.name(table)
    run(
        staging.cursor,
        "DELETE FROM {live} l USING {way} k JOIN {stage} s ON {staged} WHERE {same} AND s.audittrail_action = 'U'",
        live=name_of(table),
        way=way,
        stage=stage,
        staged=same(table.key, "s", "k"),
        same=same(table.key, "l", "k"),
    )
    run(
        staging.cursor,
        "UPDATE {stage} s SET audittrail_action = 'I' FROM {way} k WHERE {same} AND s.audittrail_action = 'U'",
        stage=stage,
        way=way,
        same=same(table.key, "s", "k"),
    )


def _stand_in(found: Column) -> tuple[str, Any] | None:
    """Return a column with an expression for a value that no row has, or None if there is none for its type."""
    base = found.stored_type.partition("(")[0]
    if base == "uuid":
        return found.name, raw("gen_random_uuid()")
    if base in ("text", "character varying"):
        length = found.stored_type.partition("(")[2].rstrip(")") or "36"
        return found.name, composed(
            "left(replace(gen_random_uuid()::text, '-', ''), {length})", length=literal(int(length))
        )
    if base in ("smallint", "integer", "bigint", "numeric"):
        return found.name, composed("-1 - {name}", name=column(found.name, "l"))
    return None
