"""Read which versions a source of a timeline has, and nothing else of them: the newest of very many in bounded time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final

from django.db import models
from django.db.models import Case, F, OuterRef, Q, Subquery, Value, When

from audittrail.admin.objects.sources import OWN, UNORDERED, Source
from audittrail.diff.images import GONE
from audittrail.revisions.models import revision_model
from audittrail.revisions.versions import version_name, versions_of

#: The parts of all ticks that are searched one after another: the nearest 1/2⁸, the nearest 1/2⁴, all (2⁰).
SPANS: Final = (8, 4, 0)

#: Takes a source and a queryset of its versions, and keeps those that are wanted; None if the source has none of these.
Narrow = Callable[[Source, Any], Any]


@dataclass(frozen=True, slots=True)
class RowVersion:
    """A version that belongs to a timeline; `member` is the key of the other side in a many-to-many table."""

    source: Source
    version: int
    revision: int
    operation: str
    key: tuple[Any, ...]
    member: Any = None

    @property
    def pk(self) -> tuple[Any, ...]:
        """The primary key of the version."""
        return (self.version, *self.key)


@dataclass(frozen=True)
class VersionRange:
    """Versions from one tick on, before another: the newest or the oldest `limit` of them.

    Those of the revisions `excluded` don't count; `only`, those alone that it names.
    """

    low: int
    high: int
    limit: int
    newest: bool = True
    excluded: Collection[int] = ()
    only: Collection[int] | None = None

    def of(self, queryset: Any) -> Any:
        """Return the versions of a queryset that are in it."""
        queryset = queryset.filter(version__gte=self.low, version__lt=self.high)
        if self.excluded:
            queryset = queryset.exclude(revision_id__in=self.excluded)
        return queryset if self.only is None else queryset.filter(revision_id__in=self.only)

    def has(self, row: RowVersion) -> bool:
        """Return whether a row is in it."""
        return (
            self.low <= row.version < self.high
            and row.revision not in self.excluded
            and (self.only is None or row.revision in self.only)
        )

    def cut(self, rows: list[RowVersion]) -> list[RowVersion]:
        """Return the newest or the oldest of some rows, in order."""
        rows.sort(key=lambda row: row.version, reverse=self.newest)
        return rows[: self.limit]


class VersionReader:
    """The rows of the sources of one database that are wanted."""

    def __init__(self, database: str, narrow: Narrow) -> None:
        self._database = database
        self._narrow = narrow

    def read(self, source: Source, wanted: VersionRange) -> list[RowVersion]:
        """Return the rows of a source within a range, in order."""
        versions = source.versions
        queryset = self._narrow(source, versions)
        if queryset is None or source.is_out_of_reach:
            return []
        if source.kind == OWN or wanted.only is not None:
            return _in_order(source, queryset, wanted)
        # A row that came before the range may have been moved to another object within it: that version counts as well.
        came = versions.filter(version__lt=wanted.high).annotate(audittrail_left=_left(source))
        found = [*_rows(source, came.order_by()[: UNORDERED + 1], "audittrail_left")]
        if len(found) > UNORDERED:
            return self._in_spans(source, queryset, wanted)
        rows = [row for row, _left_at in found if wanted.has(row)]
        if queryset is not versions:
            rows = [row for row, _ in _rows(source, wanted.of(queryset).order_by())]
        left = [(at, *row.key) for row, (at,) in found if at and wanted.low <= at < wanted.high]
        if left:
            versions = versions_of(source.model, source.database).filter(pk__in=left)
            rows += [row for row, _ in _rows(source, wanted.of(self._narrow(source, versions)))]
        return wanted.cut(rows)

    def _in_spans(self, source: Source, queryset: Any, wanted: VersionRange) -> list[RowVersion]:
        """Return the same, looked for in ever larger spans: an index tells where the versions of a span lie."""
        low, high = max(wanted.low, 0), min(wanted.high, self._last + 1)
        found: list[RowVersion] = []
        if wanted.low < 0 and (high <= 0 or not wanted.newest):
            # What was imported lies in spans of another size.
            found = _in_order(source, queryset, replace(wanted, high=min(wanted.high, 0)))
            if len(found) >= wanted.limit or high <= 0:
                return found
        for shift in SPANS:
            width = (high - low >> shift) + 1
            if wanted.newest:
                part = replace(wanted, low=max(high - width, low) if shift else wanted.low)
            else:
                part = replace(wanted, high=min(low + width, wanted.high) if shift else wanted.high)
            found = _in_order(source, queryset, part)
            if len(found) >= wanted.limit:
                break
        return found

    @cached_property
    def _last(self) -> int:
        """The last tick of a commit."""
        newest = revision_model().objects.using(self._database).newest()
        return (newest.committed or 0) if newest else 0


def _in_order(source: Source, queryset: Any, wanted: VersionRange) -> list[RowVersion]:
    order = "-version" if wanted.newest else "version"
    ordered = wanted.of(queryset).order_by(order)[: wanted.limit]
    return [row for row, _ in _rows(source, ordered)]


def _left(source: Source) -> Any:
    """Return the version by which a row ceased to belong to the object, because its foreign key leads elsewhere since; else NULL."""
    number = models.BigIntegerField()
    nothing = Value(None, output_field=number)
    same_row = {name: OuterRef(name) for name in source.key_names}
    belongs = When(Q(**source.condition), then=nothing)
    following = (
        versions_of(source.model, source.database)
        .filter(version__gt=OuterRef("version"), **same_row)
        .order_by("version")
        .values(audittrail_left=Case(belongs, default=F("version"), output_field=number))[:1]
    )
    return Case(
        When(operation__in=GONE, then=nothing),
        default=Subquery(following, output_field=number),
        output_field=number,
    )


def _rows(
    source: Source, queryset: Any, *further: str
) -> Iterator[tuple[RowVersion, tuple[Any, ...]]]:
    """Yield the rows of a queryset, each with the values of further names."""
    names = ["version", "revision_id", "operation", *further, *source.key_names]
    if source.member is not None:
        names.append(version_name(source.member.attname))
    start = 3 + len(further)
    end = start + len(source.key_names)
    for values in queryset.values_list(*names):
        version, revision, operation = values[:3]
        key, member = tuple(values[start:end]), values[-1] if source.member else None
        row = RowVersion(source, version, revision, operation, key, member)
        yield row, tuple(values[3:start])
