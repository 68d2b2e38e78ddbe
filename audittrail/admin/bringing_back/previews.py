"""What a plan shows to its reader: the rows of models that they may see, with what changes; of all others only how many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.utils.text import capfirst

from audittrail.admin.bringing_back.conflicts import conflict_text, note_text
from audittrail.admin.bringing_back.preview_rows import (
    ShownTable,
    badges,
    label_of,
    shown_table,
    visible_rows,
    want,
)
from audittrail.admin.display.names import Names
from audittrail.admin.display.operations import Badge
from audittrail.admin.layout.keys import read_key
from audittrail.admin.layout.links import Link, database_parameter, history_url, site_url
from audittrail.admin.permissions import plan_rows
from audittrail.admin.permissions.columns import EVERYTHING, ShownFields, shown_of_model
from audittrail.admin.permissions.readers import Reader
from audittrail.admin.permissions.rows import attributes
from audittrail.restore.plan import Conflict, Note, Plan

#: Conflicts that a page shows; of the others it says how many there are.
CONFLICTS: Final = 20


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
    seen = [found for table in plan.tables if (found := visible_rows(reader, table)) is not None]
    for _visible, table, rows in seen:
        want(names, table, rows)
    conflicts = [found for found in plan.conflicts if _appears(reader, found)]
    for conflict in conflicts[:CONFLICTS]:
        if conflict.model is not None and conflict.key:
            names.want_object(conflict.model, _conflict_key(conflict), None)
    shown = tuple(shown_table(reader, names, *found) for found in seen)
    counts = plan_rows.counts_of(plan)
    others = sum(counts.values()) - sum(
        badge.count or 0 for table in shown for badge in table.badges
    )
    return Preview(
        plan,
        badges(counts),
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


def _appears(reader: Reader, conflict: Conflict) -> bool:
    visible = None if conflict.model is None else reader.visible.get(conflict.model)
    if visible is None or conflict.model is None:
        return False
    if not conflict.key or not reader.is_guarded(visible):
        return True
    names = attributes(visible)
    key = _conflict_key(conflict)
    found = conflict.model._base_manager.using(reader.database).filter(pk=key)
    rows = [*found.values(*names)] or [dict.fromkeys(names, key)]
    return bool(reader.seen(visible, rows, dict.__getitem__))


def _shown_note(reader: Reader, note: Note) -> ShownNote:
    database = database_parameter(reader.database)
    links = [
        Link(number, site_url(reader.site, "audittrail_revision", number, database=database))
        for number in sorted(note.revisions)
    ]
    return ShownNote(note_text(note, _shown_fields(reader, note.model)), tuple(links))


def _shown_fields(reader: Reader, model: Any) -> ShownFields:
    visible = reader.visible.get(model)
    return EVERYTHING if visible is None else shown_of_model(reader, visible)


def _conflict_key(conflict: Conflict) -> Any:
    assert conflict.model is not None
    key = read_key(conflict.model, conflict.key)
    return conflict.key if key is None else key


def _shown_conflict(reader: Reader, names: Names, conflict: Conflict) -> ShownConflict:
    assert conflict.model is not None
    visible = reader.visible[conflict.model]
    shown = _shown_fields(reader, conflict.model)
    text = conflict_text(conflict, shown, can_name_other=conflict.other in reader.visible)
    if not conflict.key:
        return ShownConflict(label_of(visible), None, text)
    key = _conflict_key(conflict)
    url = history_url(visible.model_admin, key)
    name = names.name(conflict.model, key, None)
    label = f"{capfirst(visible.model._meta.verbose_name)} {name}"
    return ShownConflict(label, url, text, conflict.rows - 1)
