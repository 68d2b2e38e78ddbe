"""Fill the entries of a page of a timeline: load what their versions changed, and the names of what these refer to."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from django.http import HttpRequest
from django.utils.text import capfirst

from audittrail.admin.display.authors import Author, authors
from audittrail.admin.display.differences import Difference, of_members, untold, version_difference
from audittrail.admin.display.names import Names
from audittrail.admin.display.object_text import at_most, name_of
from audittrail.admin.display.restorings import restoring
from audittrail.admin.history.entries import EntryBlock, ShownEntry
from audittrail.admin.history.row_versions import RowVersion
from audittrail.admin.history.timeline import TimelineEntry
from audittrail.admin.layout.links import history_url, revision_url
from audittrail.admin.objects.lookup import Subject
from audittrail.admin.objects.sources import MEMBERS, OWN, RELATED, Source
from audittrail.diff.images import GONE
from audittrail.diff.states import past_object
from audittrail.diff.versions import VersionChanges, version_changes
from audittrail.revisions.versions import Operation, version_name, versions_of
from audittrail.timetravel.moment import Moment

#: Rows of a source that are shown of one revision, and objects of a many-to-many field.
ROWS: Final = 8
OBJECTS: Final = 50


#: A version of a source, by which what it changed is found.
_Place = tuple[int, tuple[Any, ...]]


class EntryContents:
    """What the entries of one page of an object's timeline show."""

    def __init__(
        self, subject: Subject, request: HttpRequest, entries: Sequence[TimelineEntry]
    ) -> None:
        self._subject = subject
        self._request = request
        self._entries = entries
        self._names = Names(subject.reader)
        self._rows: dict[int, dict[Source, list[RowVersion]]] = {
            entry.number: {source: _first(source, rows) for source, rows in entry.rows.items()}
            for entry in entries
        }
        self._changes: dict[_Place, VersionChanges] = {}

    def shown(self) -> list[ShownEntry]:
        """Return what is shown; a number of queries that depends on the sources and the models they refer to."""
        self._load()
        self._want_names()
        self._names.load()
        revisions = [entry.revision for entry in self._entries if entry.revision is not None]
        named = authors(self._subject.reader.site, self._request, revisions)
        with at_most(self._subject.database):
            found = [self._shown_entry(entry, named) for entry in self._entries]
        # An entry without blocks changed only rows that the reader may not see, so it is left out.
        return [entry for entry in found if entry.blocks]

    def _load(self) -> None:
        by_source: dict[Source, list[RowVersion]] = defaultdict(list)
        for rows in self._rows.values():
            for source, found in rows.items():
                # Both keys of a many-to-many row are read with it; only an update has to be compared with the version before.
                is_updated = any(row.operation == Operation.UPDATE for row in found)
                if source.kind != MEMBERS or is_updated:
                    by_source[source] += found
        revisions = {entry.number: entry.revision for entry in self._entries}
        for source, found in by_source.items():
            versions = versions_of(source.model, self._subject.database)
            loaded = [*versions.filter(pk__in=[row.pk for row in found])]
            for version in loaded:
                if (revision := revisions[version.revision_id]) is not None:
                    version.revision = revision
            for changes in version_changes(self._seen(source, loaded)):
                self._changes[id(source), tuple(changes.version.pk)] = changes

    def _seen(self, source: Source, versions: list[Any]) -> list[Any]:
        """Return the versions of rows that the reader may see."""
        if source.kind != RELATED or source.visible is None:
            return versions
        return source.seen(self._subject.reader, versions, versioned=True)

    def _want_names(self) -> None:
        for entry in self._entries:
            for source, rows in self._rows[entry.number].items():
                for row in rows:
                    if source.kind == MEMBERS:
                        added, removed = self._moved(row)
                        self._names.want(source.member, added + removed, entry.tick)
                    elif (changes := self._changes_of(row)) is not None:
                        for change in changes.changes:
                            self._names.want_change(change, entry.tick, entry.tick)

    def _shown_entry(self, entry: TimelineEntry, named: Mapping[Any, Author]) -> ShownEntry:
        blocks = [*self._own(entry)]
        for source, rows in self._rows[entry.number].items():
            if source.kind == MEMBERS:
                blocks += self._of_members(entry, source, rows)
            elif source.kind == RELATED:
                blocks += self._of_rows(entry, source, rows)
        revision, site = entry.revision, self._subject.reader.site
        if revision is None:
            return ShownEntry(entry, None, blocks)
        labels = [
            one.label
            for block in blocks
            if not block.text
            for one in block.differences
            if one.attribute
        ]
        return ShownEntry(
            entry,
            named.get(revision.author_key),
            blocks,
            revision_url(site, revision),
            restoring=restoring(site, revision, labels),
        )

    def _own(self, entry: TimelineEntry) -> Iterator[EntryBlock]:
        """Yield the steps in which the object's own rows changed; what each of its tables did once is one step."""
        own = {
            source: rows for source, rows in self._rows[entry.number].items() if source.kind == OWN
        }
        is_once = all(len(rows) == 1 for rows in own.values())
        steps: dict[int, list[RowVersion]] = defaultdict(list)
        for rows in own.values():
            for row in rows:
                if self._changes_of(row) is not None:
                    steps[0 if is_once else row.version].append(row)
        is_more = any(len(rows) < len(entry.rows[source]) for source, rows in own.items())
        for number in sorted(steps):
            # The first row is that of the model's own table, whose operation says what became of the object. Its fields are shown last,
            # after the inherited ones, as in the model.
            rows = steps[number]
            found = [one for row in reversed(rows) for one in self._differences(entry, row)]
            yield EntryBlock(
                rows[0].operation,
                found,
                is_more=is_more and number == max(steps),
                source=rows[0].source,
            )

    def _of_rows(
        self, entry: TimelineEntry, source: Source, rows: list[RowVersion]
    ) -> Iterator[EntryBlock]:
        assert source.visible is not None
        shown = [row for row in rows if self._changes_of(row) is not None]
        is_more = len(entry.rows[source]) > len(rows)
        for row in shown:
            changes = self._changes_of(row)
            assert changes is not None
            version: Any = changes.version
            moment = Moment(source.database, entry.tick)
            obj = past_object(source.model, {source.model: version}, moment)
            yield EntryBlock(
                row.operation,
                self._differences(entry, row),
                str(capfirst(str(source.model._meta.verbose_name))),
                name_of(obj),
                history_url(source.visible.model_admin, obj.pk),
                # Of rows that may be hidden from the reader it is not said that there are more.
                is_more=is_more and row is shown[-1] and not self._is_guarded(source),
                source=source,
                pk=obj.pk,
            )

    def _of_members(
        self, entry: TimelineEntry, source: Source, rows: list[RowVersion]
    ) -> Iterator[EntryBlock]:
        net: Counter[Any] = Counter()
        for row in rows:
            if row.operation != Operation.BASELINE:
                added, removed = self._moved(row)
                net.update(added)
                net.subtract(removed)
        added = [key for key, count in net.items() if count > 0]
        removed = [key for key, count in net.items() if count < 0]
        if added or removed:
            found = of_members(
                source.member, source.label, added, removed, self._names, (entry.tick, entry.tick)
            )
            is_more = len(entry.rows[source]) > len(rows)
            yield EntryBlock(
                Operation.UPDATE, [found], source.label, is_more=is_more, source=source
            )

    def _differences(self, entry: TimelineEntry, row: RowVersion) -> list[Difference]:
        changes = self._changes_of(row)
        assert changes is not None
        found = [
            version_difference(change, self._names, (entry.tick, entry.tick), row.operation)
            for change in changes.changes
            if not row.source.is_noise(change)
        ]
        is_update = row.operation == Operation.UPDATE
        return [*found, *untold(is_update and any(map(row.source.is_untold, changes.changes)))]

    def _moved(self, row: RowVersion) -> tuple[list[Any], list[Any]]:
        """Return which objects a version of a many-to-many row added to the object, and which it took away."""
        if row.operation in GONE:
            return [], [row.member]
        if row.operation != Operation.UPDATE:
            return [row.member], []
        changes, source = self._changes_of(row), row.source
        assert source.member is not None
        previous: Any = changes.previous if changes is not None else None
        name = version_name(source.member.attname)
        removed = [getattr(previous, name)] if _belongs(source, previous) else []
        belongs = changes is None or _belongs(source, changes.version)
        return [row.member] if belongs else [], removed

    def _changes_of(self, row: RowVersion) -> VersionChanges | None:
        return self._changes.get((id(row.source), row.pk))

    def _is_guarded(self, source: Source) -> bool:
        return source.visible is not None and self._subject.reader.is_guarded(source.visible)


def _first(source: Source, rows: list[RowVersion]) -> list[RowVersion]:
    """Return the rows that are shown of a revision, in the order of their versions."""
    limit = OBJECTS if source.kind == MEMBERS else ROWS
    return sorted(rows, key=lambda row: row.version)[:limit]


def _belongs(source: Source, version: Any) -> bool:
    return version is not None and all(
        getattr(version, name) == value for name, value in source.condition.items()
    )
