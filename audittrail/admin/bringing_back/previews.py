"""What a plan shows to its reader: the rows of models that they may see, with what changes; of all others only how many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.utils.html import format_html_join
from django.utils.text import capfirst

from audittrail.admin.bringing_back.conflicts import conflict_text, note_text
from audittrail.admin.display.names import Names
from audittrail.admin.display.operations import Badge
from audittrail.admin.display.values import Shown
from audittrail.admin.layout.links import Link, database_parameter, object_url, site_url
from audittrail.admin.permissions import plan_rows
from audittrail.admin.permissions.fields import hidden_fields
from audittrail.admin.permissions.models import VisibleModel
from audittrail.admin.permissions.readers import Reader
from audittrail.admin.permissions.rows import attributes
from audittrail.restore.plan import Change, Conflict, Note, Plan, RowPlan, TablePlan

#: Rows of a table, and conflicts, that a page shows; of the others it says how many there are.
ROWS: Final = 24
CONFLICTS: Final = 20


@dataclass(frozen=True)
class ShownChange:
    """A field of a row that changes: its values as text, None on the side on which the row is not there."""

    label: str
    old: Shown | None
    new: Shown | None
    masked: bool


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


@dataclass(frozen=True)
class ShownConflict:
    """Something that stands in the way of a row."""

    name: str
    url: str | None
    text: str
    #: How many more rows have the same conflict.
    more: int = 0


@dataclass(frozen=True)
class ShownNote:
    """Something else to know, with the revisions that it is about."""

    text: str
    revisions: tuple[Link, ...]


@dataclass(frozen=True)
class Preview:
    """A plan as its reader sees it; `others` counts the rows that they may not see, `other_conflicts` those in the way there."""

    plan: Plan
    badges: tuple[Badge, ...]
    tables: tuple[ShownTable, ...]
    others: int
    conflicts: tuple[ShownConflict, ...]
    more_conflicts: int
    other_conflicts: int
    notes: tuple[ShownNote, ...]

    @property
    def has_conflicts(self) -> bool:
        """Whether anything stands in the way."""
        return bool(self.plan.conflicts)


def preview(reader: Reader, plan: Plan, names: Names) -> Preview:
    """Return what a reader sees of a plan; takes a few queries for each model that it is about."""
    seen = [found for table in plan.tables if (found := _visible_rows(reader, table)) is not None]
    for _visible, table, rows in seen:
        for row in _first(rows):
            _want(names, table, row)
    conflicts = [found for found in plan.conflicts if _appears(reader, found)]
    for conflict in conflicts[:CONFLICTS]:
        assert conflict.model is not None
        names.want(conflict.model, _conflict_key(conflict), then=False)
    shown = tuple(_shown_table(reader, names, *found) for found in seen)
    others = (
        plan.inserted
        + plan.updated
        + plan.deleted
        - sum(badge.count or 0 for table in shown for badge in table.badges)
    )
    return Preview(
        plan,
        _badges(plan.counts),
        shown,
        others,
        tuple(_shown_conflict(reader, names, found) for found in conflicts[:CONFLICTS]),
        sum(found.rows for found in conflicts[CONFLICTS:]),
        sum(found.rows for found in plan.conflicts if found not in conflicts),
        tuple(
            _shown_note(reader, note)
            for note in plan.notes
            if note.model is None or note.model in reader.visible
        ),
    )


def _visible_rows(
    reader: Reader, table: TablePlan
) -> tuple[VisibleModel, TablePlan, Sequence[RowPlan]] | None:
    visible = None if table.model is None else reader.visible.get(table.model)
    if visible is None:
        return None
    if not reader.is_guarded(visible):
        return visible, table, table.rows
    values = plan_rows.values(reader, table, table.rows, attributes(visible))
    seen = reader.may_see_rows(visible, values)
    rows = [row for row, is_seen in zip(table.rows, seen, strict=True) if is_seen]
    return (visible, table, rows) if rows else None


def _want(names: Names, table: TablePlan, row: RowPlan) -> None:
    assert table.model is not None
    names.want(table.model, plan_rows.key_of(row), then=row.action == "I")
    for change in row.changes:
        if change.field is not None:
            names.want_value(change.field, change.old, then=False)
            names.want_value(change.field, change.new, then=True)


def _shown_table(
    reader: Reader, names: Names, visible: VisibleModel, table: TablePlan, rows: Sequence[RowPlan]
) -> ShownTable:
    if reader.is_guarded(visible):
        counts = {
            name: sum(row.action == action for row in rows)
            for name, action in (("inserted", "I"), ("updated", "U"), ("deleted", "D"))
        }
    else:
        counts = {"inserted": table.inserted, "updated": table.updated, "deleted": table.deleted}
    shown = tuple(_shown_row(names, visible, row) for row in _first(rows))
    return ShownTable(_label(visible), _badges(counts), shown, sum(counts.values()) - len(shown))


def _first(rows: Sequence[RowPlan]) -> list[RowPlan]:
    """Return the first rows of each kind: of those inserted, updated and deleted, some of all."""
    by_action = {action: [row for row in rows if row.action == action] for action in "IUD"}
    share = ROWS // max(sum(bool(found) for found in by_action.values()), 1)
    return [row for found in by_action.values() for row in found[:share]]


def _shown_row(names: Names, visible: VisibleModel, row: RowPlan) -> ShownRow:
    hidden = hidden_fields(visible.model_admin)
    key = plan_rows.key_of(row)
    url = None
    if visible.model_admin is not None:
        url = object_url(visible.model_admin, "history", key)
    changes = [
        change for change in row.changes if change.field is None or change.field.name not in hidden
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
                    names.of_value(change.field, change.old, then=False).text
                    if row.action == "D"
                    else names.of_value(change.field, change.new, then=True).text,
                )
                for change in ends
            ),
        )
        return ShownRow(Badge(row.action), both, None, ())
    name = names.of(visible.model, key, then=row.action == "I")
    shown = tuple(_shown_change(names, row, change) for change in changes)
    return ShownRow(Badge(row.action), name, url, shown)


def _shown_change(names: Names, row: RowPlan, change: Change) -> ShownChange:
    old = new = None
    if not change.masked:
        if row.action != "I":
            old = names.of_value(change.field, change.old, then=False)
        if row.action != "D":
            new = names.of_value(change.field, change.new, then=True)
    return ShownChange(field_label(change), old, new, change.masked)


def field_label(change: Change) -> str:
    """Return the name of the field of a change as people read it, or of the column."""
    return str(capfirst(change.field.verbose_name)) if change.field is not None else change.column


def _label(visible: VisibleModel) -> str:
    """Return the name of a model in the plural; that of a many-to-many field for its rows."""
    if visible.model._meta.auto_created:
        owner: Any = visible.model._meta.auto_created
        for field in owner._meta.local_many_to_many:
            if field.remote_field.through is visible.model:
                return f"{capfirst(owner._meta.verbose_name_plural)}: {field.verbose_name}"
    return str(capfirst(visible.model._meta.verbose_name_plural))


def _badges(counts: dict[str, int]) -> tuple[Badge, ...]:
    actions = (("I", "inserted"), ("U", "updated"), ("D", "deleted"))
    return tuple(Badge(action, counts[name]) for action, name in actions if counts[name])


def _appears(reader: Reader, conflict: Conflict) -> bool:
    visible = None if conflict.model is None else reader.visible.get(conflict.model)
    if visible is None or conflict.model is None:
        return False
    if not reader.is_guarded(visible):
        return True
    names = attributes(visible)
    key = _conflict_key(conflict)
    found = conflict.model._base_manager.using(reader.database).filter(pk=key)
    rows = [*found.values_list(*names)] or [(key,) * len(names)]
    return reader.may_see_rows(visible, rows)[0]


def _shown_note(reader: Reader, note: Note) -> ShownNote:
    database = database_parameter(reader.database)
    links = [
        Link(number, site_url(reader.site, "audittrail_revision", number, database=database))
        for number in sorted(note.revisions)
    ]
    return ShownNote(note_text(note), tuple(links))


def _conflict_key(conflict: Conflict) -> Any:
    assert conflict.model is not None
    key = plan_rows.typed_key(conflict.model, conflict.key)
    return conflict.key if key is None else key


def _shown_conflict(reader: Reader, names: Names, conflict: Conflict) -> ShownConflict:
    assert conflict.model is not None
    visible = reader.visible[conflict.model]
    text = conflict_text(conflict, can_name_other=conflict.other in reader.visible)
    if not conflict.key:
        return ShownConflict(_label(visible), None, text)
    key = _conflict_key(conflict)
    url = None
    if visible.model_admin is not None:
        url = object_url(visible.model_admin, "history", key)
    name = names.of(conflict.model, key, then=False)
    label = f"{capfirst(visible.model._meta.verbose_name)} {name}"
    return ShownConflict(label, url, text, conflict.rows - 1)
