"""Find revisions, the newest first, among millions of them.

What a revision changed stands in the history tables, which have no index on the revision. So the list is gone through in windows
of revisions that grow until a page is full: within a window the versions lie in few ranges, and the database joins them with
the revisions as it likes. What no window is needed for is read by the index on the time of commits.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

from django.contrib.postgres.expressions import ArraySubquery
from django.db import models
from django.db.models import F, Q
from django.http import QueryDict

from audittrail.admin.display.times import RevisionTime
from audittrail.admin.lists import paging
from audittrail.admin.lists.model_changes import (
    IsAny,
    ListedRevision,
    ModelChanges,
    TickRange,
    model_changes,
    within,
)
from audittrail.admin.lists.paging import ListPage, Position
from audittrail.admin.lists.windows import ORDER, window
from audittrail.admin.permissions.readers import Reader
from audittrail.revisions.models import BaseRevision
from audittrail.revisions.versions import Operation, version_model

#: Revisions of the first window, of the largest one, and how windows grow.
FIRST_WINDOW = 1_000
LARGEST_WINDOW = 32_000
GROWTH = 8
#: So many windows are gone through for a page at most; the page says how far it has come.
WINDOWS = 12
#: So few revisions are asked directly what they changed.
FEW = 500
#: After so many seconds no further window is begun either.
PATIENCE = 0.3
#: Times that a page is filled up with further revisions in place of those that turned out not to appear.
ROUNDS = 20

#: A truncated row is a deleted one.
_ALSO: Final = {Operation.DELETE.value: (Operation.DELETE.value, Operation.TRUNCATE.value)}


@dataclass(frozen=True)
class FoundRevisions:
    """A part of a list, and where to go on; `is_done` unless patience ended before as many were found as wanted."""

    entries: list[ListedRevision]
    position: Position | None
    is_done: bool


@dataclass(frozen=True)
class SearchContinuation:
    """The query string to search further back than the moment until which a search has come."""

    query: str
    until: RevisionTime


@dataclass(frozen=True)
class Search:
    """Which revisions to find, of those that changed rows which appear to the reader.

    `span` are those of the time that is searched, `conditions` those of them that are wanted, the same if all are. `model` limits them to one
    model, `key` to one of its rows (values by the attributes of its versions), `operation` to a kind of change. `is_slow` says
    that no index helps with the conditions.
    """

    reader: Reader
    span: Any
    conditions: Any
    model: type[models.Model] | None = None
    key: Mapping[str, Any] | None = None
    operation: str = ""
    is_slow: bool = False

    def page(
        self, size: int, parameters: QueryDict
    ) -> tuple[ListPage[ListedRevision], SearchContinuation | None]:
        """Return the page that a request asks for, and how to search further back, None if all was searched."""
        before, after = ORDER.positions(parameters)
        found = self.find(size + 1, before or after, is_newer=after is not None)
        page = ORDER.cut(found.entries, size, parameters, before, after)
        if found.is_done or found.position is None or after is not None:
            return page, None
        query = paging.query(parameters, paging.BEFORE, ORDER.text(found.position))
        return page, SearchContinuation(query, RevisionTime(found.position[0]))

    def find(
        self, want: int, position: Position | None, *, is_newer: bool = False
    ) -> FoundRevisions:
        """Return up to `want` entries beyond a position, in the order in which one goes away from it."""
        entries: list[ListedRevision] = []
        begin, rounds = monotonic(), 0
        for number, (revisions, end) in enumerate(self._windows(position, is_newer), 1):
            size = want - len(entries)
            while True:
                rows = [*ORDER.beyond(revisions, position, is_newer)[:size]]
                entries += self._entries(rows)
                if len(entries) >= want:
                    return FoundRevisions(
                        entries[:want], _position(entries[want - 1].revision), True
                    )
                if rows:
                    position = _position(rows[-1])
                if len(rows) < size:
                    break
                size, rounds = min(2 * size, FEW), rounds + 1
                if rounds > ROUNDS:
                    return FoundRevisions(entries, position, False)
            if end is None:
                return FoundRevisions(entries, position, True)
            position = end
            if number >= WINDOWS or monotonic() - begin > PATIENCE:
                return FoundRevisions(entries, position, False)
        return FoundRevisions(entries, position, True)

    def recent(self, want: int) -> list[ListedRevision]:
        """Return the newest entries, as many as are found in reasonable time."""
        return self.find(want, None).entries

    def next(self, position: Position, *, is_newer: bool = False) -> BaseRevision | None:
        """Return the first revision beyond a position; what it changed is asked only where something may not appear."""
        if not self.needs_versions:
            found: BaseRevision | None = ORDER.beyond(self.conditions, position, is_newer).first()
            return found
        entries = self.find(1, position, is_newer=is_newer).entries
        return entries[0].revision if entries else None

    def everything(self, size: int) -> Iterator[list[ListedRevision]]:
        """Yield all entries, newest first, some at a time."""
        position: Position | None = None
        while True:
            found = self.find(size, position)
            if found.entries:
                yield found.entries
            if found.is_done and len(found.entries) < size:
                return
            position = found.position

    def touching(
        self, spans: Sequence[TickRange], tables: Iterable[type[models.Model]] | None = None
    ) -> Q:
        """Return the condition that revisions whose versions lie in some ranges, if any, changed what is searched for.

        Takes the models that count, by default those that are searched.
        """
        if not self.needs_versions:
            return Q()
        arms = []
        for model in self._models if tables is None else tables:
            versions = version_model(model).objects.using(self.reader.database)
            condition = within(spans) if self.key is None else Q(**self.key)
            if self.operation:
                condition &= Q(operation__in=_kinds(self.operation))
            arms.append(versions.filter(condition).order_by().values("revision_id"))
        if not arms:
            return Q(pk__in=())
        numbers = arms[0] if len(arms) == 1 else arms[0].union(*arms[1:], all=True)
        if spans and self.key is None:
            return Q(pk__in=numbers)
        # As a join, PostgreSQL would go through all revisions in their order if none of them fits; an array is looked up in the index.
        return Q(IsAny(F("pk"), ArraySubquery(numbers)))

    @property
    def _models(self) -> Collection[type[models.Model]]:
        return self.reader.visible if self.model is None else (self.model,)

    @property
    def needs_versions(self) -> bool:
        """Whether it has to be asked what a revision changed to know that it is one of those to find."""
        return self.model is not None or bool(self.operation) or not self.reader.sees_everything

    def _windows(
        self, position: Position | None, is_newer: bool
    ) -> Iterator[tuple[Any, Position | None]]:
        """Yield revisions to look at, and the position at which the next ones begin, None after the last."""
        if self.conditions.query.is_empty():
            return
        if self.key is not None:
            # The index on the key finds them all at once.
            if self._key_appears():
                yield self.conditions.filter(self.touching(())), None
            return
        if not self.needs_versions and not self.is_slow:
            yield self.conditions, None
            return
        if self.needs_versions and self.reader.are_small(self._models):
            yield self.conditions.filter(self.touching(())), None
            return
        if not self.is_slow and self.conditions is not self.span:
            few = window(self.conditions, FEW, position, is_newer)
            if few is None or few.is_last:
                if few is not None:
                    yield self.conditions.filter(self.touching(few.ranges)), None
                return
        size = FIRST_WINDOW
        while (found := window(self.span, size, position, is_newer)) is not None:
            revisions = self.conditions.filter(self.touching(found.ranges), **found.condition)
            yield revisions, None if found.is_last else found.end
            if found.is_last:
                return
            position, size = found.end, min(size * GROWTH, LARGEST_WINDOW)

    def _key_appears(self) -> bool:
        assert self.model is not None and self.key is not None
        visible = self.reader.visible.get(self.model)
        if visible is None or not self.reader.is_guarded(visible):
            return visible is not None
        versions = version_model(self.model).objects.using(self.reader.database)
        newest = versions.filter(**self.key).order_by("-version")[:1]
        return bool(self.reader.seen_versions(visible, newest))

    def _entries(self, rows: Sequence[BaseRevision]) -> list[ListedRevision]:
        found = model_changes(self.reader, rows)
        everything = self.reader.sees_everything
        return [
            ListedRevision(row, found[row.pk])
            for row in rows
            if everything or self._appears(found[row.pk])
        ]

    def _appears(self, seen: Sequence[ModelChanges]) -> bool:
        kinds = _kinds(self.operation)
        return any(
            (self.model is None or touch.model is self.model)
            and (not self.operation or any(kind in touch.counts for kind in kinds))
            for touch in seen
        )


def _position(revision: Any) -> Position:
    return revision.committed_at, revision.committed


def _kinds(operation: str) -> tuple[str, ...]:
    return _ALSO.get(operation, (operation,))
