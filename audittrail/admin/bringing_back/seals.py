"""Seal a preview: what its form posts back, so that what is carried out is what was seen, by the same person, on the same page.

It is keyed with the project's secret key, so nobody can try out what it was made of; and made of what the preview tells alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from django.utils.crypto import constant_time_compare, salted_hmac

from audittrail.admin.permissions.columns import shown_of_model, shown_of_rows
from audittrail.admin.permissions.fields import hidden_fields, is_masked
from audittrail.admin.permissions.plan_rows import visible_rows
from audittrail.admin.permissions.readers import Reader
from audittrail.restore.plan import ColumnChange, Plan, TablePlan

#: What keeps this use of the secret key apart from others.
_PURPOSE: Final = "audittrail.admin.bringing_back"


def seal(reader: Reader, plan: Plan, options: str) -> str:
    """Return the seal of a plan as its reader sees it: for this user, this page, and what was chosen."""
    request: Any = reader.request
    told = [
        str(request.user.pk),
        request.path,
        reader.database,
        options,
        plan.digest if _shows_all(reader, plan) else json.dumps([*_told(reader, plan)]),
    ]
    return salted_hmac(_PURPOSE, json.dumps(told), algorithm="sha256").hexdigest()


def is_sealed(given: str, reader: Reader, plan: Plan, options: str) -> bool:
    """Return whether a seal that was posted is that of the plan."""
    return constant_time_compare(given, seal(reader, plan, options))


def _shows_all(reader: Reader, plan: Plan) -> bool:
    """Return whether the reader may see every row and every column of the plan, so that its own digest tells nothing hidden."""
    return all(_shows_whole_table(reader, table) for table in plan.tables)


def _shows_whole_table(reader: Reader, table: TablePlan) -> bool:
    found = visible_rows(reader, table)
    if found is None or table.model is None:
        return False
    visible, _table, rows = found
    shown = shown_of_model(reader, visible)
    fields = table.model._meta.local_concrete_fields
    return (
        len(rows) == len(table.rows)
        and (table.complete or not reader.is_guarded(visible))
        and not hidden_fields(visible.model_admin)
        and all(field.name in shown and not is_masked(field) for field in fields)
    )


def _told(reader: Reader, plan: Plan) -> Iterator[Any]:
    """Yield what the plan does to each row that appears, as far as it may be seen."""
    yield [plan.erased]
    for table in plan.tables:
        found = visible_rows(reader, table)
        if found is None:
            continue
        visible, _table, rows = found
        hidden = hidden_fields(visible.model_admin)
        by_key = shown_of_rows(reader, visible, [row.pk for row in rows])
        if not reader.is_guarded(visible):
            yield [table.table, table.inserted, table.updated, table.deleted]
        for row in rows:
            shown = by_key[row.pk]
            yield [
                table.table,
                row.action,
                repr(row.key),
                [
                    _of_change(change)
                    for change in row.changes
                    if (name := change.field.name if change.field else change.column) in shown
                    and name not in hidden
                ],
            ]


def _of_change(change: ColumnChange) -> list[str]:
    return [change.column, _text(change.old), _text(change.new)]


def _text(value: Any) -> str:
    return repr(bytes(value) if isinstance(value, memoryview) else value)
