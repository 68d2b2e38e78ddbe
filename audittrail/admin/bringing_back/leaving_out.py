"""What an act leaves out of its plan, because its user could not write it with the admin's own pages; and how the preview says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.utils.translation import gettext as _

from audittrail.admin.bringing_back.preview_rows import ShownRow, first, label_of, shown_row
from audittrail.admin.display.names import Names
from audittrail.admin.permissions import writes
from audittrail.admin.permissions.columns import ShownFields, shown_of_rows
from audittrail.admin.permissions.lacks import Lack, Reason, Reasons, Why, Writing
from audittrail.admin.permissions.plan_rows import counts_of
from audittrail.admin.permissions.readers import Reader
from audittrail.restore.plan import NOTHING, OnConflict, Plan


@dataclass(frozen=True)
class ShownLeftRow:
    """A row that stays as it is, or fields of it, and why."""

    row: ShownRow
    reason: str


@dataclass(frozen=True)
class ShownLeftTable:
    """The rows of a table that are left out: the first of them, and how many more there are."""

    label: str
    rows: tuple[ShownLeftRow, ...]
    more: int


@dataclass(frozen=True)
class Permitted:
    """A plan without what its user may not write, what that was, and what comes back because they may undelete completely."""

    plan: Plan
    lacks: Sequence[Lack] = ()
    completed: Sequence[str] = ()


def permitted(
    reader: Reader, plan: Plan, page: ModelAdmin[Any] | None, on_conflict: OnConflict
) -> Permitted:
    """Return a plan without what its user may not write; takes the ModelAdmin on whose pages it is carried out, if it is about its objects.

    What is left out keeps other rows from coming along, or from being written on the page of an object: so the rest is asked about
    again. It keeps no others from being written by a conflict with it, so it is left out before conflicts are.
    """
    found: list[Lack] = []
    if on_conflict == "skip" and plan.conflicts:
        before = _without(reader, plan.again(NOTHING, "refuse"), page, found)
        plan = before.plan.again(NOTHING, on_conflict)
    return _without(reader, plan, page, found)


def _without(
    reader: Reader, plan: Plan, page: ModelAdmin[Any] | None, found: list[Lack]
) -> Permitted:
    while True:
        writing = Writing(reader, plan)
        lacking = writes.lacks(writing, page)
        if not lacking:
            return Permitted(plan, _merged(found), writes.completed(writing))
        found += lacking
        left_out = NOTHING
        for lack in lacking:
            left_out |= lack.left_out
        if plan.left_out | left_out == plan.left_out:
            # It was left out, and would be written all the same: then nothing is.
            raise PermissionDenied
        plan = plan.again(left_out)


def _merged(found: Sequence[Lack]) -> list[Lack]:
    """Return what is lacking by tables; of rows that were told more than once as they were told first."""
    by_table: dict[int, Lack] = {}
    for lack in found:
        known = by_table.get(lack.table.relation)
        if known is None:
            by_table[lack.table.relation] = lack
            continue
        rows = {(row.action, row.place): row for row in (*lack.table.rows, *known.table.rows)}
        reasons: Reasons = lack.reasons | known.reasons
        table = replace(known.table, rows=tuple(rows.values()))
        by_table[lack.table.relation] = Lack(table, reasons)
    return [*by_table.values()]


def shown_left_out(reader: Reader, names: Names, lacks: Sequence[Lack]) -> list[ShownLeftTable]:
    """Return how what is left out is shown: rows that appear to the user alone, so of others not even their number is told."""
    found = []
    for lack in lacks:
        assert lack.table.model is not None
        visible = reader.visible[lack.table.model]
        rows = first(lack.rows)
        fields = shown_of_rows(reader, visible, [row.pk for row in rows])
        shown = tuple(
            ShownLeftRow(
                shown_row(names, visible, row, fields), _text(lack.reason_of(row), fields, row.pk)
            )
            for row in rows
        )
        untold = 0 if reader.is_guarded(visible) else _untold(lack)
        found.append(ShownLeftTable(label_of(visible), shown, len(lack.rows) - len(shown) + untold))
    return found


def _untold(lack: Lack) -> int:
    """Return how many rows are left out that the plan does not tell."""
    told = [row.action for row in lack.rows]
    return sum(
        max(number - told.count(action), 0)
        for action, number in counts_of(lack.table).items()
        if (action, "") in lack.reasons
    )


def _text(reason: Reason | None, shown: Mapping[Any, ShownFields], key: Any) -> str:
    if reason is None:
        return ""
    fields = {"fields": ", ".join(writes.labels_of(reason.fields, [shown[key]]))}
    match reason.why:
        case Why.FIELDS:
            return _("You may not write these fields, which stay as they are: %(fields)s.") % fields
        case Why.COMPLETENESS:
            return _("You may not write these values when you add an object: %(fields)s.") % fields
        case Why.PART:
            return _("Another part of the same object is left out.")
        case Why.MANY:
            return _("These are too many to ask about each whether you may write it.")
    return _("You may not write it.")
