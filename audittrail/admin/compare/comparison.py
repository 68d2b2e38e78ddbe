"""Compare an object between two moments: its fields, its many-to-many fields, and rows that belong to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

from audittrail.admin.compare.moments import ComparedMoment
from audittrail.admin.compare.results import (
    ComparedKeys,
    Comparison,
    RelatedComparison,
    RowComparison,
    UnchangedField,
)
from audittrail.admin.display.differences import (
    Difference,
    difference,
    of_members,
    shown_of,
    untold,
)
from audittrail.admin.display.names import Names
from audittrail.admin.display.object_text import at_most, name_of
from audittrail.admin.display.values import field_label, shown_labels
from audittrail.admin.layout.links import history_url
from audittrail.admin.objects.lookup import Subject
from audittrail.admin.objects.sources import MEMBERS, RELATED, Source, first
from audittrail.admin.permissions.fields import hidden_fields, is_excluded
from audittrail.diff import questions
from audittrail.diff.changes import FieldChange
from audittrail.diff.comparison import ObjectComparison
from audittrail.diff.parts import is_parent_link, parts_of
from audittrail.exceptions import TimeTravelError
from audittrail.revisions.models import BaseRevision
from audittrail.timetravel import moment
from audittrail.timetravel.queryset import past_queryset

#: Rows of a table that are compared, and objects of a many-to-many field.
ROWS: Final = 100
OBJECTS: Final = 500


class ObjectComparer:
    """Compare an object between two moments for one reader."""

    def __init__(
        self,
        subject: Subject,
        sources: Sequence[Source],
        earlier: ComparedMoment,
        later: ComparedMoment,
    ) -> None:
        self._subject = subject
        self._sources = sources
        self._points = earlier.revision, later.revision
        self._ticks = earlier.tick, later.tick
        self._names = Names(subject.reader)
        self._hidden = hidden_fields(subject.model_admin)

    def compare(self) -> Comparison:
        """Return how the object differs.

        Raises `TimeTravelError` if nothing is known of one of the moments.
        """
        # Many-to-many fields are read by their keys, since all that has happened to them in between does not matter here.
        names = {one.field.name for part in parts_of(self._subject.model) for one in part.columns}
        using = self._subject.database
        found: Any = questions.compare(
            self._subject.model, *self._points, using, pk=self._subject.pk, fields=names
        )
        members = [*self._members(found)]
        related = [
            (source, *self._rows(source)) for source in self._sources if source.kind == RELATED
        ]
        unchanged = self._unchanged(found)
        self._want(found, members, unchanged)
        for _source, rows, _is_more in related:
            for row in rows or ():
                self._want_changes(row)
        self._names.load()
        with at_most(self._subject.database):
            return self._comparison(found, members, unchanged, related)

    def _comparison(
        self,
        found: ObjectComparison,
        members: Sequence[ComparedKeys],
        unchanged: Sequence[tuple[Any, Any]],
        related: Sequence[tuple[Source, list[ObjectComparison] | None, bool]],
    ) -> Comparison:
        told = [
            change
            for change in found.changes
            if change.attribute not in self._hidden and not is_parent_link(change.field)
        ]
        shown_fields = self._subject.shown
        changed = [self._difference(found, one) for one in told if one.attribute in shown_fields]
        changed += untold(any(one.attribute not in shown_fields for one in told))
        same = [self._same(one, value, found) for one, value in unchanged]
        for one in members:
            if set(one.before) == set(one.after):
                same.append(self._same_members(one))
            else:
                changed.append(self._changed_members(one))
        operation = found.operation or ("U" if changed else "")
        shown = [self._related(*one) for one in related]
        was_there = (found.before is not None, found.after is not None)
        return Comparison(operation, changed, same, shown, was_there)

    def _members(self, found: ObjectComparison) -> Iterator[ComparedKeys]:
        """Yield the many-to-many fields at the two moments, those alone of which something is known then."""
        for source in self._sources:
            if source.kind == MEMBERS and not source.is_out_of_reach:
                with suppress(TimeTravelError):
                    before = self._keys(source, self._points[0]) if found.before else []
                    after = self._keys(source, self._points[1]) if found.after else []
                    is_more = max(len(before), len(after)) > OBJECTS
                    yield ComparedKeys(source, before[:OBJECTS], after[:OBJECTS], is_more)

    def _keys(self, source: Source, revision: BaseRevision | None) -> list[Any]:
        if revision is None or source.member is None:
            return []
        past = _as_of(source, revision)
        name = source.member.attname
        return [*past.order_by(name).values_list(name, flat=True).distinct()[: OBJECTS + 1]]

    def _rows(self, source: Source) -> tuple[list[ObjectComparison] | None, bool]:
        """Return the rows of a source that differ, None if nothing is known of them then, and whether there may be more."""
        keys: dict[Any, None] = {}
        using, reader = source.database, self._subject.reader
        assert source.visible is not None
        if source.is_out_of_reach:
            return None, False
        try:
            for revision in self._points:
                if revision is not None:
                    past = _as_of(source, revision)
                    keys |= dict.fromkeys(
                        row.pk for row in source.seen(reader, first(past, ROWS + 1))
                    )
            found: Any = questions.compare(
                source.model, *self._points, using, among=list(keys)[:ROWS]
            )
            return list(found), len(keys) > ROWS
        except TimeTravelError:
            return None, False

    def _unchanged(self, found: ObjectComparison) -> list[tuple[Any, Any]]:
        """Return the fields that are shown and have not changed, with their values."""
        obj = found.after or found.before
        changed = {change.attribute for change in found.changes} | self._hidden
        return [
            (one, getattr(obj, one.attname))
            for one in (obj._meta.concrete_fields if obj is not None else ())
            if one.name not in changed
            and one.name in self._subject.shown
            and not is_excluded(one)
            and not is_parent_link(one)
        ]

    def _want(
        self,
        found: ObjectComparison,
        members: Sequence[ComparedKeys],
        unchanged: Sequence[tuple[Any, Any]],
    ) -> None:
        self._want_changes(found)
        for one, value in unchanged:
            self._names.want(one, (value,), self._tick(found))
        for member in members:
            field = member.source.member
            self._names.want(field, member.before, self._ticks[0])
            self._names.want(field, member.after, self._ticks[1])

    def _want_changes(self, found: ObjectComparison) -> None:
        for change in found.changes:
            self._names.want_change(change, *self._ticks)

    def _difference(self, found: ObjectComparison, change: FieldChange) -> Difference:
        return difference(
            change,
            self._names,
            self._ticks,
            existed=found.before is not None,
            exists=found.after is not None,
        )

    def _changed_members(self, one: ComparedKeys) -> Difference:
        before, after = dict.fromkeys(one.before), dict.fromkeys(one.after)
        return of_members(
            one.source.member,
            one.source.label,
            [key for key in after if key not in before],
            [key for key in before if key not in after],
            self._names,
            self._ticks,
            [key for key in after if key in before],
            is_more=one.is_more,
        )

    def _same_members(self, one: ComparedKeys) -> UnchangedField:
        labels = [self._names.label(one.source.member, key, self._ticks[1]) for key in one.after]
        return UnchangedField(one.source.label, shown_labels(labels))

    def _same(self, one: Any, value: Any, found: ObjectComparison) -> UnchangedField:
        shown = shown_of(one, value, self._names, self._tick(found))
        return UnchangedField(field_label(one, one.name), shown)

    def _related(
        self, source: Source, rows: list[ObjectComparison] | None, is_more: bool
    ) -> RelatedComparison:
        if rows is None:
            return RelatedComparison(source.label, is_known=False)
        return RelatedComparison(source.label, [self._row(source, row) for row in rows], is_more)

    def _row(self, source: Source, row: ObjectComparison) -> RowComparison:
        obj = row.after or row.before
        assert obj is not None and source.visible is not None
        return RowComparison(
            row.operation,
            name_of(obj),
            history_url(source.visible.model_admin, obj.pk),
            [self._difference(row, change) for change in row.changes if not source.is_noise(change)]
            + untold(bool(row.before and row.after) and any(map(source.is_untold, row.changes))),
        )

    def _tick(self, found: ObjectComparison) -> int:
        return self._ticks[found.after is not None]


def _as_of(source: Source, revision: BaseRevision) -> Any:
    """Return the rows of a source as a revision left them."""
    past = past_queryset(source.model, moment.resolve(revision, source.database))
    return past.filter(**source.lookup)
