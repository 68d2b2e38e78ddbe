"""What revisions changed, by model and operation: for a page of them, or for whole spans of time, in one statement over all tables.

History tables have an index over ranges of versions and none on the revision. All versions of a revision lie between its
number and the tick of its commit, so those of a page of revisions are found in a few ranges.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from typing import Any

from django.db import models
from django.db.backends.postgresql.psycopg_any import sql
from django.db.models import Func, Q
from django.utils.text import capfirst

from audittrail.admin.display.operations import Badge
from audittrail.admin.permissions.models import VisibleModel
from audittrail.admin.permissions.readers import Reader
from audittrail.admin.permissions.rows import attributes
from audittrail.diff.statements import fetch, history_table
from audittrail.revisions.models import BaseRevision
from audittrail.revisions.versions import Operation, version_model, version_name

#: Versions of one table that are counted for a page of revisions; where there are more, each revision's are up to MANY.
COUNTED = 50_000
MANY = 1_000
#: How many ranges of versions one condition has at most, and how many ticks may lie between two ranges that are taken for one.
RANGES = 64
GAP = 2_000

TickRange = tuple[int, int]


class IsAny(Func):
    """The condition that a value is one of an array's, by which PostgreSQL looks up each in an index, or tests each row."""

    arity = 2
    template = "(%(expressions)s))"
    arg_joiner = " = ANY ("
    output_field = models.BooleanField()


@dataclass(frozen=True)
class ModelChanges:
    """What a revision did to the rows of one model that appear to the reader: numbers of rows by operation."""

    visible: VisibleModel
    counts: Mapping[str, int]
    #: Whether there are more than the numbers say.
    is_more: bool = False

    @property
    def model(self) -> type[models.Model]:
        """The model."""
        return self.visible.model

    @property
    def label(self) -> str:
        """The name of the model in the plural."""
        return str(capfirst(self.model._meta.verbose_name_plural))

    @property
    def model_label(self) -> str:
        """What an address calls the model."""
        return self.model._meta.label_lower

    @property
    def badges(self) -> list[Badge]:
        """A badge for each operation, with its number of rows."""
        return [
            Badge(operation, self.counts[operation], self.is_more)
            for operation in Operation.values
            if operation in self.counts
        ]


@dataclass(frozen=True)
class ListedRevision:
    """A revision in a list, with what it did to the models that appear to the reader."""

    revision: BaseRevision
    changes: Sequence[ModelChanges]


def ranges(revisions: Iterable[BaseRevision]) -> list[TickRange]:
    """Return the ranges of ticks that hold the versions of some revisions, the nearest ones taken together."""
    return merged([(revision.pk, revision.committed or revision.pk) for revision in revisions])


def merged(given: Iterable[TickRange]) -> list[TickRange]:
    """Return ranges that cover the given ones: at most RANGES, with the widest gaps between them."""
    joined: list[TickRange] = []
    for low, high in sorted(given):
        if joined and low <= joined[-1][1] + GAP:
            joined[-1] = joined[-1][0], max(joined[-1][1], high)
        else:
            joined.append((low, high))
    while len(joined) > RANGES:
        gaps = [after[0] - before[1] for before, after in pairwise(joined)]
        nearest = gaps.index(min(gaps))
        joined[nearest : nearest + 2] = [(joined[nearest][0], joined[nearest + 1][1])]
    return joined


def within(spans: Sequence[TickRange]) -> Q:
    """Return the condition that a version is in one of the ranges."""
    return reduce(
        lambda condition, span: condition | Q(version__gte=span[0], version__lte=span[1]),
        spans,
        Q(),
    )


def model_changes(
    reader: Reader,
    revisions: Sequence[BaseRevision],
    only: type[models.Model] | None = None,
) -> dict[int, list[ModelChanges]]:
    """Return what each revision did to the models that appear to the reader, by its number.

    Takes one statement over all tables, one more where a table has too many versions to be counted, and those of
    `row_permissions` for models whose rows have to be asked about.
    """
    spans = ranges(revisions)
    shown = [visible for model, visible in reader.visible.items() if only in (None, model)]
    open_models = [visible for visible in shown if not reader.is_guarded(visible)]
    found: dict[int, dict[type[models.Model], dict[str, int]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(int))
    )
    numbers = [revision.pk for revision in revisions]
    more: set[type[models.Model]] = set()
    if numbers and open_models:
        totals: dict[int, int] = defaultdict(int)
        counted = _count(reader.database, open_models, spans, numbers)
        for position, _number, _operation, count in counted:
            totals[position] += count
        too_many = [position for position, total in totals.items() if total > COUNTED]
        if too_many:
            more = {open_models[position].model for position in too_many}
            counted = [row for row in counted if row[0] not in too_many]
            counted += _count_some(reader.database, open_models, too_many, revisions)
        for position, number, operation, count in counted:
            found[number][open_models[position].model][operation] += count
    for visible in shown if numbers else ():
        if reader.is_guarded(visible):
            for number, operation in _rows_seen(reader, visible, spans, numbers):
                found[number][visible.model][operation] += 1
    return {
        number: [
            ModelChanges(
                visible,
                dict(by_model[visible.model]),
                visible.model in more and sum(by_model[visible.model].values()) >= MANY,
            )
            for visible in shown
            if visible.model in by_model
        ]
        for number, by_model in ((number, found[number]) for number in numbers)
    }


def appearing(reader: Reader, revisions: Iterable[BaseRevision | None]) -> set[int]:
    """Return the numbers of the revisions that appear to the reader: of which they may see something that was changed.

    Of others nothing is said: who made them, why, from where, when, or that they are there.
    """
    found = [revision for revision in revisions if revision is not None]
    if reader.sees_everything or not found:
        return {revision.pk for revision in found}
    return {number for number, changes in model_changes(reader, found).items() if changes}


_COUNT = """
    SELECT {position}, revision_id, operation::text, count(*)
      FROM (SELECT revision_id, operation FROM {history} WHERE ({ranges}) AND revision_id = ANY ({numbers}) LIMIT {limit}) v
     GROUP BY revision_id, operation
"""

_COUNT_SOME = """
    SELECT {position}, r.id, v.operation, count(*)
      FROM unnest({numbers}, {ends}) r (id, committed)
     CROSS JOIN LATERAL (SELECT operation::text FROM {history} h
            WHERE h.version >= r.id AND h.version <= r.committed AND h.revision_id = r.id LIMIT {limit}) v
     GROUP BY r.id, v.operation
"""


def _count(
    database: str, shown: Sequence[VisibleModel], spans: Sequence[TickRange], numbers: Sequence[int]
) -> list[tuple[int, int, str, int]]:
    condition = sql.SQL(" OR ").join(
        sql.SQL("version BETWEEN {} AND {}").format(sql.Literal(low), sql.Literal(high))
        for low, high in spans
    )
    arms = [
        sql.SQL(_COUNT).format(
            position=sql.Literal(position),
            history=history_table(version_model(visible.model)),
            ranges=condition,
            numbers=_array(numbers),
            limit=sql.Literal(COUNTED + 1),
        )
        for position, visible in enumerate(shown)
    ]
    return fetch(database, sql.SQL(" UNION ALL ").join(arms))


def _count_some(
    database: str,
    shown: Sequence[VisibleModel],
    positions: Sequence[int],
    revisions: Sequence[BaseRevision],
) -> list[tuple[int, int, str, int]]:
    arms = [
        sql.SQL(_COUNT_SOME).format(
            position=sql.Literal(position),
            history=history_table(version_model(shown[position].model)),
            numbers=_array([revision.pk for revision in revisions]),
            ends=_array([revision.committed or revision.pk for revision in revisions]),
            limit=sql.Literal(MANY),
        )
        for position in positions
    ]
    return fetch(database, sql.SQL(" UNION ALL ").join(arms))


def _rows_seen(
    reader: Reader, visible: VisibleModel, spans: Sequence[TickRange], numbers: Sequence[int]
) -> list[tuple[int, str]]:
    """Return revision and operation of the versions that the reader may see; of very many only the first."""
    versions = version_model(visible.model).objects.using(reader.database)
    found = versions.filter(within(spans), revision_id__in=numbers)
    names = map(version_name, attributes(visible))
    rows = found.values("revision_id", "operation", *names)[:MANY]
    seen = reader.seen(visible, rows, lambda row, name: row[version_name(name)])
    return [(row["revision_id"], row["operation"]) for row in seen]


def _array(numbers: Sequence[int]) -> Any:
    return sql.SQL("{}::bigint[]").format(sql.Literal(list(numbers)))
