"""Find a page of the revisions that changed an object, newest first, and the versions that each of them made.

History tables find the versions of a row by its key, in order, and those of related rows by their foreign keys, without order;
nothing finds them by revision. So some of the newest versions of each source are read. As far back as all of them reach, the
revisions are known: those that made these versions, and those that were open at that point and had written before it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from django.db.models import BigIntegerField
from django.http import QueryDict

from audittrail.admin.history.row_versions import RowVersion, VersionRange, VersionReader
from audittrail.admin.lists import paging
from audittrail.admin.lists.paging import Keyset, ListPage, Position
from audittrail.admin.lists.windows import FIRST_TICK, LAST_TICK
from audittrail.admin.objects.sources import OWN, Source
from audittrail.diff.span import open_at
from audittrail.revisions.models import BaseRevision, revision_model

#: Revisions on a page.
SIZE: Final = 25

#: Versions of a source that are read at once. A page with more of them is shorter.
READ: Final = 400


@dataclass(frozen=True, eq=False)
class TimelineEntry:
    """A revision that changed the object, and the versions that it made: of each source the rows that were read."""

    number: int
    revision: BaseRevision | None
    tick: int
    rows: dict[Source, list[RowVersion]] = field(default_factory=dict)


@dataclass(frozen=True)
class SourceRows:
    """The rows of a source that were read, and the version beyond which there may be more, None if there are none."""

    rows: list[RowVersion]
    end: int | None


#: Commit order; the revisions of two commits are never at the same tick.
ORDER: Final = Keyset((("tick", BigIntegerField()),))


@dataclass(frozen=True)
class Timeline:
    """The timeline that the rows of some sources of one database make.

    Of the revisions only those count that were committed after the tick `since`, and before `until`.
    """

    database: str
    sources: Sequence[Source]
    rows: VersionReader
    since: int = FIRST_TICK
    until: int = LAST_TICK

    def page(self, parameters: QueryDict) -> ListPage[TimelineEntry]:
        """Return the page that the parameters of a request ask for.

        Takes a number of queries that depends on the sources alone.
        """
        before, after = map(_within_ticks, ORDER.positions(parameters))
        if after is not None:
            entries, is_complete = self._newer(max(after[0], self.since))
        else:
            entries, is_complete = self._older(min(before[0] if before else LAST_TICK, self.until))
        within = [entry for entry in entries if self.since < entry.tick < self.until]
        is_complete |= len(within) < len(entries)
        entries = within[: SIZE + 1]
        page = ORDER.cut([*entries], SIZE, parameters, before, after)
        if len(entries) > SIZE or is_complete or not entries:
            return page
        # Revisions with very many versions have used up what is read for a page, so there may be others beyond them.
        position = ORDER.encoded(entries[-1])
        if after:
            return replace(page, newer=paging.query(parameters, paging.AFTER, position))
        return replace(page, older=paging.query(parameters, paging.BEFORE, position))

    def _older(self, before: int) -> tuple[list[TimelineEntry], bool]:
        """Return entries committed before a tick, newest first, and whether there are no others."""
        # Revisions that were open at that tick have versions from before it, but were committed after it.
        excluded = (
            {*open_at(self.database, before - 1), before - 1} if before < LAST_TICK else set()
        )
        reaches = self._read(VersionRange(FIRST_TICK, before, READ + 1, excluded=excluded))
        rows = [row for reach in reaches.values() for row in reach.rows]
        ends = (reach.end for reach in reaches.values() if reach.end is not None)
        end = max(ends, default=FIRST_TICK)
        low = _cut([row for row in rows if row.version >= end], end, newest=True)
        is_complete = low == FIRST_TICK
        straddling = set() if is_complete else set(open_at(self.database, low)) - excluded
        for source, reach in reaches.items():
            if straddling and reach.end is not None:
                rows += self._of_revisions(source, straddling, reach.end)
        wanted = {row.revision for row in rows if row.version >= low} | straddling
        return sorted(self._entries(rows, wanted), key=lambda entry: -entry.tick), is_complete

    def _newer(self, after: int) -> tuple[list[TimelineEntry], bool]:
        """Return entries committed after a tick, oldest first, and whether there are no others."""
        reaches = self._read(VersionRange(after + 1, LAST_TICK, READ + 1, newest=False))
        rows = [row for reach in reaches.values() for row in reach.rows]
        end = min(
            (reach.end for reach in reaches.values() if reach.end is not None), default=LAST_TICK
        )
        high = _cut([row for row in rows if row.version <= end], end, newest=False)
        if straddling := set(open_at(self.database, after)):
            for source in self.sources:
                rows += self._of_revisions(source, straddling, after + 1)
        wanted = {row.revision for row in rows if row.version <= high}
        found = sorted(self._entries(rows, wanted), key=lambda entry: entry.tick)
        # A revision that was committed after the last version that was read may have further versions, which were not read.
        complete = [entry for entry in found if entry.tick <= high]
        return complete or found, high == LAST_TICK

    def _read(self, wanted: VersionRange) -> dict[Source, SourceRows]:
        return {source: _reach(self.rows.read(source, wanted)) for source in self.sources}

    def _of_revisions(self, source: Source, numbers: set[int], before: int) -> list[RowVersion]:
        """Return the rows that some revisions wrote before a version."""
        return self.rows.read(source, VersionRange(min(numbers), before, READ, only=numbers))

    def _entries(self, rows: Sequence[RowVersion], wanted: set[int]) -> list[TimelineEntry]:
        numbers = wanted & {row.revision for row in rows}
        revisions = revision_model().objects.using(self.database).in_bulk(numbers)
        by_number: dict[int, dict[Source, list[RowVersion]]] = defaultdict(
            lambda: defaultdict(list)
        )
        for row in rows:
            if row.revision in numbers:
                by_number[row.revision][row.source].append(row)
        return [
            TimelineEntry(
                number, revisions.get(number), _tick(revisions.get(number), found), dict(found)
            )
            for number, found in by_number.items()
        ]


def _within_ticks(position: Position | None) -> Position | None:
    """Return a position that is a tick, None for none and for another number."""
    return position if position is not None and FIRST_TICK < position[0] < LAST_TICK else None


def _reach(rows: list[RowVersion]) -> SourceRows:
    return SourceRows(rows[:READ], rows[READ - 1].version if len(rows) > READ else None)


def _cut(rows: list[RowVersion], end: int, *, newest: bool) -> int:
    """Return the version by which one revision more than fit a page are known, or the end of what was read."""
    seen: set[int] = set()
    for row in sorted(rows, key=lambda row: row.version, reverse=newest):
        seen.add(row.revision)
        if len(seen) > SIZE:
            return row.version
    return end


def _tick(revision: BaseRevision | None, rows: dict[Source, list[RowVersion]]) -> int:
    """Return where a revision stands in commit order; one that was erased, or is still open, by its last version."""
    if revision is not None and revision.committed is not None:
        return revision.committed
    return max(row.version for found in rows.values() for row in found)


def is_own(entry: TimelineEntry) -> bool:
    """Return whether a revision changed the object itself, and not only what belongs to it."""
    return any(source.kind == OWN for source in entry.rows)
