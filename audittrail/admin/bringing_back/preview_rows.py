"""The rows of a plan as its reader sees them: those that appear, with what changes in each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db import models
from django.utils.html import format_html_join
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from audittrail.admin.display.differences import Difference
from audittrail.admin.display.names import Names
from audittrail.admin.display.operations import Badge
from audittrail.admin.display.slight_changes import compared
from audittrail.admin.display.values import ShownValue, field_label
from audittrail.admin.layout.links import history_url
from audittrail.admin.permissions.columns import ShownFields, shown_of_rows
from audittrail.admin.permissions.fields import hidden_fields
from audittrail.admin.permissions.models import VisibleModel
from audittrail.admin.permissions.plan_rows import counts_of
from audittrail.admin.permissions.readers import Reader
from audittrail.restore.plan import ColumnChange, RowPlan, TablePlan

#: Rows of a table that a page shows; of the others it says how many there are.
ROWS: Final = 24


@dataclass(frozen=True)
class ShownChange:
    """A field of a row that changes: its values as text, None on the side on which the row is not there."""

    label: str
    old: ShownValue | None
    new: ShownValue | None
    masked: bool
    #: What differs between them, where that tells more than both.
    difference: Difference | None = None


@dataclass(frozen=True)
class ShownRow:
    """A row, what happens to it, and what changes in it."""

    badge: Badge
    name: str
    url: str | None
    changes: tuple[ShownChange, ...]

    @property
    def is_update(self) -> bool:
        """Whether the row stays, so that its changes are what matters."""
        return self.badge.operation == "U"


@dataclass(frozen=True)
class ShownTable:
    """The rows of a table: numbers by what happens to them, the first rows, and how many more there are."""

    label: str
    badges: tuple[Badge, ...]
    rows: tuple[ShownRow, ...]
    more: int


def badges(counts: Mapping[str, int]) -> tuple[Badge, ...]:
    """Return a badge for each action that is done, with its number of rows."""
    return tuple(Badge(action, number) for action, number in counts.items() if number)


def want(names: Names, table: TablePlan, rows: Sequence[RowPlan]) -> None:
    """Ask for the names that the rows which are shown have."""
    assert table.model is not None
    for row in first(rows):
        _want_row(names, table.model, row)


def _want_row(names: Names, model: type[models.Model], row: RowPlan) -> None:
    names.want_object(model, row.pk, _named_as_of(names, row))
    for change in row.changes:
        names.want_change(change, None, names.then)


def _named_as_of(names: Names, row: RowPlan) -> int | None:
    """Return the tick as of which a row is named: what comes back by the name that it had then."""
    return names.then if row.action == "I" else None


def shown_table(
    reader: Reader, names: Names, visible: VisibleModel, table: TablePlan, rows: Sequence[RowPlan]
) -> ShownTable:
    """Return what is shown of a table."""
    counts = counts_of(table)
    if reader.is_guarded(visible):
        counts = {action: sum(row.action == action for row in rows) for action in counts}
    told = first(rows)
    fields = shown_of_rows(reader, visible, [row.pk for row in told])
    shown = tuple(shown_row(names, visible, row, fields) for row in told)
    return ShownTable(label_of(visible), badges(counts), shown, sum(counts.values()) - len(shown))


def first(rows: Sequence[RowPlan]) -> list[RowPlan]:
    """Return the first rows of each kind: of those inserted, updated and deleted, some of all."""
    by_action = {action: [row for row in rows if row.action == action] for action in "IUD"}
    share = ROWS // max(sum(bool(found) for found in by_action.values()), 1)
    return [row for found in by_action.values() for row in found[:share]]


def shown_row(
    names: Names, visible: VisibleModel, row: RowPlan, fields: Mapping[Any, ShownFields]
) -> ShownRow:
    """Return what is shown of a row; takes the fields that may be, by keys."""
    hidden = hidden_fields(visible.model_admin)
    url = history_url(visible.model_admin, row.pk)
    told = [
        change for change in row.changes if change.field is None or change.field.name not in hidden
    ]
    changes = [
        one for one in told if (one.field.name if one.field else one.column) in fields[row.pk]
    ]
    if visible.model._meta.auto_created:
        ends = [
            change for change in changes if change.field is not None and change.field.remote_field
        ]
        both = format_html_join(
            " – ",  # noqa: RUF001 (an en dash, between the two sides)
            "<bdi>{}</bdi>",
            (
                (
                    names.shown(change.field, change.old, None).text
                    if row.action == "D"
                    else names.shown(change.field, change.new, names.then).text,
                )
                for change in ends
            ),
        )
        return ShownRow(Badge(row.action), both, None, ())
    name = names.name(visible.model, row.pk, _named_as_of(names, row))
    shown = tuple(_shown_change(names, row, change) for change in changes)
    if len(changes) < len(told):
        shown = (*shown, ShownChange(str(capfirst(_("other fields"))), None, None, masked=True))
    return ShownRow(Badge(row.action), name, url, shown)


def _shown_change(names: Names, row: RowPlan, change: ColumnChange) -> ShownChange:
    if row.action == "U" and not change.masked:
        found = column_difference(change, names)
        detailed = found if found.is_detailed else None
        return ShownChange(found.label, found.old, found.new, False, detailed)
    old = new = None
    if not change.masked:
        if row.action != "I":
            old = names.shown(change.field, change.old, None)
        if row.action != "D":
            new = names.shown(change.field, change.new, names.then)
    return ShownChange(field_label(change.field, change.column), old, new, change.masked)


def column_difference(change: ColumnChange, names: Names) -> Difference:
    """Return how a column of a row changes that stays, with what it refers to named as plans are: now, and as it comes back."""
    label = field_label(change.field, change.column)
    if change.masked:
        return Difference(change.column, label, is_masked=True)
    old = names.shown(change.field, change.old, None)
    new = names.shown(change.field, change.new, names.then)
    if old.is_label or new.is_label or getattr(change.field, "remote_field", None) is not None:
        return Difference(change.column, label, old, new)
    parts, note = compared(change.old, change.new, names.room)
    return Difference(change.column, label, old, new, parts, note=note)


def label_of(visible: VisibleModel) -> str:
    """Return the name of a model in the plural; that of a many-to-many field for its rows."""
    if visible.model._meta.auto_created:
        owner: Any = visible.model._meta.auto_created
        for field in owner._meta.local_many_to_many:
            if field.remote_field.through is visible.model:
                return f"{capfirst(owner._meta.verbose_name_plural)}: {field.verbose_name}"
    return str(capfirst(visible.model._meta.verbose_name_plural))
