"""Rows of a plan, by the values of their attributes: those that the plan tells, and those that only the table has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from audittrail.admin.permissions.readers import Reader
from audittrail.restore.plan import Plan, RowPlan, TablePlan


def counts_of(counted: Plan | TablePlan) -> dict[str, int]:
    """Return how many rows a plan, or a table of it, inserts, updates and deletes, by action."""
    return {"I": counted.inserted, "U": counted.updated, "D": counted.deleted}


def key_of(row: RowPlan) -> Any:
    """Return the primary key of a row as its object has it: a tuple only if it has several columns."""
    return row.key[0] if len(row.key) == 1 else tuple(row.key)


def values(
    reader: Reader, table: TablePlan, rows: Sequence[RowPlan], attributes: Sequence[str]
) -> list[dict[str, Any]]:
    """Return for each row the values of its attributes, "pk" for its key; with one query if the plan does not tell all that are wanted."""
    told = [{**_told(row), "pk": key_of(row)} for row in rows]
    unknown = [
        key_of(row) for row, known in zip(rows, told, strict=True) if {*attributes} - {*known}
    ]
    if unknown and table.model is not None:
        present = table.model._base_manager.using(reader.database).filter(pk__in=unknown)
        names = [name for name in attributes if name != "pk"]
        found = {key: rest for key, *rest in present.values_list("pk", *names)}
        # What the plan tells counts: a row that it updates holds something else at present.
        told = [
            {**dict(zip(names, found.get(known["pk"], ()), strict=False)), **known}
            for known in told
        ]
    return told


def _told(row: RowPlan) -> dict[str, Any]:
    """Return what an inserted or deleted row holds, and what an updated one is about to."""
    return {
        change.field.attname: change.old if row.action == "D" else change.new
        for change in row.changes
        if change.field is not None and not change.masked
    }
