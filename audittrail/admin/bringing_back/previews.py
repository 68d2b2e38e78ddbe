"""What a plan shows to its reader: the rows of models that they may see, with what changes; of all others only how many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from audittrail.admin.bringing_back.conflicts import (
    MISSING,
    conflict_text,
    missing_target,
    note_text,
)
from audittrail.admin.bringing_back.leaving_out import ShownLeftTable, shown_left_out
from audittrail.admin.bringing_back.preview_rows import (
    ShownTable,
    badges,
    label_of,
    shown_table,
    want,
)
from audittrail.admin.display.names import Names
from audittrail.admin.display.operations import Badge
from audittrail.admin.layout.links import Link, database_parameter, history_url, site_url
from audittrail.admin.permissions.columns import EVERYTHING, ShownFields, shown_of_model
from audittrail.admin.permissions.lacks import Lack
from audittrail.admin.permissions.plan_rows import (
    conflict_appears,
    conflict_key,
    counts_of,
    visible_rows,
)
from audittrail.admin.permissions.readers import Reader
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
    #: What is left out because the reader may not write it, and appears to them.
    left_out: tuple[ShownLeftTable, ...] = ()

    @property
    def has_conflicts(self) -> bool:
        """Whether anything stands in the way."""
        return bool(self.plan.conflicts)

    @property
    def lacks_references(self) -> bool:
        """Whether rows refer to what is not there any more."""
        return any(found.kind == MISSING for found in self.plan.conflicts)


def preview(reader: Reader, plan: Plan, names: Names, left_out: Sequence[Lack] = ()) -> Preview:
    """Return what a reader sees of a plan; takes what is left out of it and appears to them, and a few queries for each model."""
    seen = [found for table in plan.tables if (found := visible_rows(reader, table)) is not None]
    for _seen, table, rows in seen:
        want(names, table, rows)
    for lack in left_out:
        want(names, lack.table, lack.rows)
    conflicts = [found for found in plan.conflicts if conflict_appears(reader, found)]
    for conflict in conflicts[:CONFLICTS]:
        if conflict.model is not None and conflict.key:
            names.want_object(conflict.model, conflict_key(conflict), None)
        if (target := missing_target(conflict)) is not None:
            names.want(*target, None)
    shown = tuple(shown_table(reader, names, *found) for found in seen)
    counts = counts_of(plan)
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
        tuple(shown_left_out(reader, names, left_out)),
    )


def _shown_note(reader: Reader, note: Note) -> ShownNote:
    database = database_parameter(reader.database)
    links = [
        Link(
            _("revision %(number)s") % {"number": number},
            site_url(reader.site, "audittrail_revision", number, database=database),
        )
        for number in sorted(note.revisions)
    ]
    return ShownNote(note_text(note, _shown_fields(reader, note.model)), tuple(links))


def _shown_fields(reader: Reader, model: Any) -> ShownFields:
    visible = reader.visible.get(model)
    return EVERYTHING if visible is None else shown_of_model(reader, visible)


def _shown_conflict(reader: Reader, names: Names, conflict: Conflict) -> ShownConflict:
    assert conflict.model is not None
    visible = reader.visible[conflict.model]
    shown = _shown_fields(reader, conflict.model)
    can_name_other = conflict.other in reader.visible
    target = missing_target(conflict) if can_name_other else None
    named = "" if target is None else names.label(target[0], target[1][0], None).text
    text = conflict_text(conflict, shown, can_name_other=can_name_other, named=named)
    if not conflict.key:
        return ShownConflict(label_of(visible), None, text)
    key = conflict_key(conflict)
    url = history_url(visible.model_admin, key)
    name = names.name(conflict.model, key, None)
    label = f"{capfirst(visible.model._meta.verbose_name)} {name}"
    return ShownConflict(label, url, text, conflict.rows - 1)
