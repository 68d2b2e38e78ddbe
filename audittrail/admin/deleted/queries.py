"""Find the deleted objects of a model, the last deleted first, however long its history is.

No index tells which versions are deletions. So the list is gone through in windows of versions that grow until a page is full:
the versions of a window are few ranges of the history table. A search ends after some time, and says how far it has come.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from time import monotonic
from typing import Any, Final

from django.contrib.admin import ModelAdmin
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Exists, F, OuterRef, Q, Value
from django.db.models.expressions import RawSQL

from audittrail.admin.lists.model_changes import IsAny
from audittrail.admin.lists.paging import Keyset, Position
from audittrail.admin.lists.windows import FIRST_TICK
from audittrail.admin.permissions.models import VisibleModel
from audittrail.admin.permissions.readers import Reader
from audittrail.admin.permissions.rows import beginning_with
from audittrail.timetravel import changes, moment
from audittrail.timetravel.moment import Moment

#: Ticks of the first window, and by how much each is larger than the one before.
FIRST_WINDOW: Final = 2_000
GROWTH: Final = 8
#: After so many seconds no further window is begun, and after so many rounds of rows that the user may not see.
PATIENCE: Final = 0.5
ROUNDS: Final = 24


@dataclass(frozen=True)
class FoundDeletions:
    """Objects in the order of the list, and the tick up to which nothing was looked at yet, None if everything was."""

    objects: list[Any]
    further: int | None = None


@dataclass(frozen=True)
class Deletions:
    """Which deleted objects to find: those that a text is found in, and that revisions deleted which fulfil conditions.

    Takes a queryset of revisions, None for all, and the ticks between which the versions of these lie, as far as that is known.
    """

    model_admin: ModelAdmin[Any]
    reader: Reader
    text: str = ""
    revisions: Any = None
    first: int = FIRST_TICK
    last: int | None = None

    @property
    def order(self) -> Keyset:
        """The order of the list."""
        key: Any = self.model_admin.opts.pk
        return Keyset((("history_version", models.BigIntegerField()), ("pk", key)))

    def find(
        self,
        want: int,
        position: Position | None = None,
        *,
        is_newer: bool = False,
        tick: int | None = None,
    ) -> FoundDeletions:
        """Return up to `want` objects beyond a position, or up to a tick, in the order in which one goes away from it."""
        objects: list[Any] = []
        begin, rounds = monotonic(), 0
        edge = tick if position is None else position[0]
        for low, high in self._windows(edge, is_newer):
            window = self._window(low, high)
            while True:
                missing = want - len(objects)
                rows = [*self.order.beyond(window, position, is_newer)[:missing]]
                objects += self._seen(rows)
                if rows:
                    position = (rows[-1].history_version, rows[-1].pk)
                if len(objects) == want:
                    return FoundDeletions(objects)
                if len(rows) < missing:
                    break
                rounds += 1
                if rounds > ROUNDS:
                    # The search goes on before this version. If one statement deleted very many rows, the rest of them is skipped.
                    return FoundDeletions(objects, position[0] - 1 if position else None)
            if low > self.first and monotonic() - begin > PATIENCE:
                return FoundDeletions(objects, low - 1)
        return FoundDeletions(objects)

    @cached_property
    def newest(self) -> Moment | None:
        """The moment as of which objects are deleted: now."""
        return moment.newest(self.reader.database)

    @cached_property
    def queryset(self) -> Any:
        """All deleted objects that the ModelAdmin lets its user see and that the text is found in, as they last were."""
        assert self.newest is not None
        deleted = changes.deleted_objects(self.model_admin.model, self.newest, follows=True)
        request = self.reader.request
        with beginning_with(deleted):
            allowed = self.model_admin.get_queryset(request).all()
        if allowed.db != deleted.db:
            # A get_queryset that does not call its parent's starts from the live table, so it can't tell which deleted rows to show.
            return deleted.none()
        if not self.text:
            return allowed
        matching, has_duplicates = self.model_admin.get_search_results(request, allowed, self.text)
        if has_duplicates:
            matching = allowed.filter(Exists(matching.filter(pk=OuterRef("pk")).order_by()))
        return matching

    def _windows(self, edge: int | None, is_newer: bool) -> Iterator[tuple[int, int]]:
        """Yield the first and the last tick of each window, from an edge on."""
        if self.newest is None:
            return
        last = self.newest.tick if self.last is None else min(self.newest.tick, self.last)
        size = FIRST_WINDOW
        edge = last if edge is None else max(edge, self.first) if is_newer else min(edge, last)
        while self.first <= edge <= last:
            if edge < 0:  # what was imported, in a window of its own
                low, high = (edge, min(-1, last)) if is_newer else (self.first, edge)
            elif is_newer:
                low, high = edge, min(edge + size, last)
            else:
                low, high = max(edge - size, self.first, 0), edge
            yield low, high
            edge, size = (high + 1 if is_newer else low - 1), size * GROWTH

    def _window(self, low: int, high: int) -> Any:
        rows = self.queryset.filter(history_version__gte=low, history_version__lte=high)
        if self.revisions is None:
            return rows
        # A version of the window belongs to a revision that began within it, or was still open at its beginning.
        begun = Q(pk__gte=low, pk__lte=high)
        still_open = Q(pk__in=RawSQL("SELECT o FROM audittrail.open_at(%s) o", [low]))
        wanted = self.revisions.filter(begun | still_open).values_list("pk", flat=True)
        numbers = Value([*wanted], output_field=ArrayField(models.BigIntegerField()))
        return rows.filter(IsAny(F("history_revision"), numbers))

    def _seen(self, rows: list[Any]) -> list[Any]:
        visible = VisibleModel(self.model_admin.model, self.model_admin)
        return self.reader.seen(visible, rows)
