"""Tell what is staged as a plan, before it is carried out."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from audittrail.capture import tracking
from audittrail.diff.json_null import told_apart
from audittrail.restore import leaving_out
from audittrail.restore.catalog import LiveTable
from audittrail.restore.plan import DETAILS, ColumnChange, RowPlan, TablePlan
from audittrail.restore.staging import Staging, columns_of, differs
from audittrail.restore.statements import joined, listed, literal, name_of, raw, run, same
from audittrail.restore.writing import changed_columns
from audittrail.revisions import beyond_python


def table_plans(staging: Staging) -> tuple[TablePlan, ...]:
    """Return what happens to each staged table, without those to which nothing does."""
    return tuple(plan for table in staging if (plan := _table_plan(staging, table)).total)


def _table_plan(staging: Staging, table: LiveTable) -> TablePlan:
    run(
        staging.cursor,
        "SELECT count(*) FILTER (WHERE audittrail_action = 'I'), count(*) FILTER (WHERE audittrail_action = 'U'),"
        " count(*) FILTER (WHERE audittrail_action = 'D') FROM {stage}",
        stage=staging.name(table),
    )
    inserted, updated, deleted = staging.cursor.fetchone()
    rows = _rows(staging, table, "IUD") if inserted or updated or deleted else ()
    return TablePlan(
        table.name, table.model, inserted, updated, deleted, tuple(rows), table.relation
    )


def held_rows(staging: Staging) -> tuple[TablePlan, ...]:
    """Return the staged rows with which nothing is done because of a conflict, by their tables, as if they were updated."""
    found = []
    for table in staging:
        count = staging.value(
            "SELECT count(*) FROM {stage} WHERE audittrail_action = '='", stage=staging.name(table)
        )
        if count:
            rows = tuple(_rows(staging, table, "="))
            found.append(TablePlan(table.name, table.model, 0, count, 0, rows, table.relation))
    return tuple(found)


def _rows(staging: Staging, table: LiveTable, actions: str) -> list[RowPlan]:
    names = columns_of(table)
    changing = changed_columns(staging, table)
    beyond_python.let_through(staging.cursor.cursor)
    cursor = run(
        staging.cursor,
        "SELECT s.audittrail_action::text, {place}, {mine}, {live_columns}, {differing} FROM {stage} s LEFT JOIN {live} l ON {same}"
        " WHERE s.audittrail_action::text = ANY ({actions}) ORDER BY s.audittrail_action, {key} LIMIT {limit}",
        place=leaving_out.place_of(table, "s"),
        mine=listed(names, "s"),
        live_columns=listed(names, "l"),
        differing=joined([*(differs(table, [name], "s", "l") for name in changing), raw("NULL")]),
        stage=staging.name(table),
        live=name_of(table),
        same=same(table.key, "l", "s"),
        actions=literal([*actions]),
        key=listed(table.key, "s"),
        limit=raw(str(DETAILS)),
    )
    rows = cursor.fetchall()
    values = ColumnReader(staging.live, table, names)
    count = len(names)
    plans = []
    for action, place, *columns in rows:
        mine = values.typed(columns[:count])
        theirs = values.typed(columns[count : 2 * count])
        differing = dict(zip(changing, columns[2 * count :], strict=False))
        key = tuple((theirs if action == "D" else mine)[name] for name in table.key)
        if action == "U":
            shown = [name for name in changing if differing[name]]
        else:
            shown = [found.name for found in table.columns if found.stored and found.name in mine]
        plans.append(
            RowPlan(
                action,
                key,
                tuple(
                    values.change(
                        name,
                        None if action == "I" else theirs[name],
                        None if action == "D" else mine[name],
                    )
                    for name in shown
                ),
                place,
            )
        )
    return plans


class ColumnReader:
    """The values of a table's columns as the model's fields give them."""

    def __init__(self, live: Any, table: LiveTable, names: Sequence[str]) -> None:
        self.live = live
        self.names = names
        self.fields = {name: table.field(name) for name in names}
        options = tracking.options_of(table.model) if table.model else tracking.Options()
        self.masked = {
            n for n, field in self.fields.items() if field and field.name in options.mask
        }
        self._converters = {
            name: self._converters_of(field) for name, field in self.fields.items() if field
        }

    def _converters_of(self, field: Any) -> tuple[Any, list[Any]]:
        expression = field.get_col(field.model._meta.db_table)
        operations = self.live.ops.get_db_converters(expression)
        return expression, [*operations, *expression.get_db_converters(self.live)]

    def typed(self, values: Sequence[Any]) -> dict[str, Any]:
        """Return values by column, as the fields give them."""
        typed: dict[str, Any] = {}
        for name, stored in zip(self.names, values, strict=True):
            expression, converters = self._converters.get(name, (None, []))
            value = stored
            for convert in converters:
                value = convert(value, expression, self.live)
            typed[name] = told_apart(self.fields[name], value, stored)
        return typed

    def change(self, name: str, old: Any, new: Any) -> ColumnChange:
        """Return a change of a column, which never tells the values of a masked one."""
        masked = name in self.masked
        return ColumnChange(
            name, None if masked else old, None if masked else new, self.fields[name], masked
        )


def digest(staging: Staging, erased: tuple[int, int] | None) -> str:
    """Return what tells two plans apart: what is to be done to which rows, from which images to which, and what is erased."""
    parts = [] if erased is None else [f"erased:{erased[0]}:{erased[1]}"]
    for table in staging:
        run(
            staging.cursor,
            "SELECT count(*), coalesce(sum(hashtextextended(concat(s.audittrail_action, ROW({mine})::text, ROW({live_columns})::text), 0)::numeric), 0)"
            " FROM {stage} s LEFT JOIN {live} l ON {same}",
            mine=listed(columns_of(table), "s"),
            live_columns=listed(columns_of(table), "l"),
            stage=staging.name(table),
            live=name_of(table),
            same=same(table.key, "l", "s"),
        )
        count, total = staging.cursor.fetchone()
        if count:
            parts.append(f"{table.relation}:{count}:{total}")
    return sha256("/".join(parts).encode()).hexdigest()[:32]
