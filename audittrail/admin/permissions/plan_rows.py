"""The rows of a plan, and those that something stands in the way of: which of them appear to its reader, and what they hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from audittrail.admin.layout.keys import read_key
from audittrail.admin.permissions.models import VisibleModel
from audittrail.admin.permissions.readers import Reader
from audittrail.admin.permissions.rows import attributes, deleted_objects
from audittrail.restore.plan import Conflict, Plan, RowPlan, TablePlan


def counts_of(counted: Plan | TablePlan) -> dict[str, int]:
    """Return how many rows a plan, or a table of it, inserts, updates and deletes, by action."""
    return {"I": counted.inserted, "U": counted.updated, "D": counted.deleted}


def visible_rows(
    reader: Reader, table: TablePlan
) -> tuple[VisibleModel, TablePlan, Sequence[RowPlan]] | None:
    """Return how the reader sees a table of a plan, and those of its rows that appear; None if none of them does."""
    visible = None if table.model is None else reader.visible.get(table.model)
    if visible is None:
        return None
    if not reader.is_guarded(visible):
        return visible, table, table.rows
    found = values(reader, table, table.rows, attributes(visible))
    known = zip(table.rows, found, strict=True)
    rows = [row for row, _ in reader.seen(visible, known, lambda pair, name: pair[1].get(name))]
    return (visible, table, rows) if rows else None


def conflict_appears(reader: Reader, conflict: Conflict) -> bool:
    """Return whether the reader may know of a conflict: whether its row appears to them."""
    visible = None if conflict.model is None else reader.visible.get(conflict.model)
    if visible is None or conflict.model is None:
        return False
    if not conflict.key or not reader.is_guarded(visible):
        return True
    present = conflict.model._base_manager.using(reader.database)
    # One that is gone belongs to the object to which it last belonged.
    for source in (present, deleted_objects(conflict.model, reader.database)):
        found = source.filter(pk=conflict_key(conflict)).values(*attributes(visible))
        if reader.seen(visible, found, dict.__getitem__):
            return True
    return False


def conflict_key(conflict: Conflict) -> Any:
    """Return the key of the row that a conflict concerns, which it says as text."""
    assert conflict.model is not None
    key = read_key(conflict.model, conflict.key)
    return conflict.key if key is None else key


def values(
    reader: Reader, table: TablePlan, rows: Sequence[RowPlan], attributes: Sequence[str]
) -> list[dict[str, Any]]:
    """Return for each row the values of its attributes, "pk" for its key; with one query if the plan does not tell all that are wanted."""
    told = [{**_told(row), "pk": row.pk} for row in rows]
    unknown = [row.pk for row, known in zip(rows, told, strict=True) if {*attributes} - {*known}]
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
