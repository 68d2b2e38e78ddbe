"""Values as people read them, as of then: an object is named as it was named at the time, and not by its key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, models

from audittrail.diff.changes import FieldChange
from audittrail.diff.display import display
from audittrail.diff.references import (
    LookupTime,
    ReferencedObject,
    names_of,
    previous_ticks,
    references_of,
)
from audittrail.exceptions import MomentError
from audittrail.revisions.models import BaseRevision
from audittrail.timetravel import moment as moments
from audittrail.timetravel import settled
from audittrail.timetravel.moment import Moment

Point = Moment | BaseRevision | datetime


@dataclass(frozen=True)
class ChangeLabels:
    """The texts of a change: of its values, and of the keys that were added and removed. Of a masked field they are empty."""

    old: str = ""
    new: str = ""
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


def label(field: Any, value: Any, moment: Point, *, using: str = DEFAULT_DB_ALIAS) -> str:
    """Return the text of a value of a field as of a moment: of a foreign key the name of the object, of a tuple of keys their names.

    Takes the database if the moment is a datetime.
    """
    change = FieldChange(field.name, None, value, None, field)
    return labels([change], moment, using=using)[0].new


def labels(
    changes: Iterable[FieldChange],
    moment: Point | None = None,
    later: Point | None = None,
    *,
    using: str = DEFAULT_DB_ALIAS,
    may_see: Callable[[type[models.Model]], bool] = lambda model: True,
) -> list[ChangeLabels]:
    """Return the texts of some changes, a page of them, in their order.

    Values are named as of a moment, new ones as of a later one if that is given; by default old ones as of just before the
    change's revision, new ones as of the revision. Objects of models that `may_see` says no to, that were not there then, or of
    which nothing is known are named by their keys.

    Sends at most one query for each table that values lead to, and two more; an object's own `__str__` may send others, which
    read as of the same moment.

    Raises `MomentError` for what is no moment, and for a change without a revision if no moment is given.
    """
    changes = list(changes)
    sides = _sides(changes, moment, later, using)
    references = [
        reference
        for change, side in zip(changes, sides, strict=True)
        for values, time in zip((change.old, change.new), side, strict=True)
        for reference in references_of(change.field, values, time)
    ]
    names = names_of(references, may_see)
    return [_labels_of(change, *side, names) for change, side in zip(changes, sides, strict=True)]


def _sides(
    changes: list[FieldChange], moment: Point | None, later: Point | None, using: str
) -> list[tuple[LookupTime, LookupTime]]:
    """Return the times as of which the values of each change are named: the old one and the new one."""
    if moment is not None:
        before = _time(moment, using)
        after = before if later is None else _time(later, using)
        return [(before, after)] * len(changes)
    revisions = {}
    for change in changes:
        revision: Any = change.revision
        if revision is None:
            raise MomentError(
                f"The change of {change.attribute!r} is of no revision. Say as of which moment its values are to be named."
            )
        revisions[revision.pk, moments.live_alias(revision._state.db)] = revision
    times = {}
    for (number, database), previous in previous_ticks(revisions).items():
        tick = revisions[number, database].committed
        times[number, database] = (
            LookupTime(Moment(database, previous or tick), tick - 1),
            LookupTime(Moment(database, tick), tick),
        )
    return [
        times[change.revision.pk, moments.live_alias(change.revision._state.db)]  # type: ignore[union-attr, arg-type]
        for change in changes
    ]


def _time(point: Point, using: str) -> LookupTime:
    found = point if isinstance(point, Moment) else moments.resolve(point, _database(point, using))
    settled.ensure(connections[found.using], found)
    return LookupTime(found, found.tick)


def _database(point: BaseRevision | datetime, using: str) -> str | None:
    return None if isinstance(point, BaseRevision) else using


def _labels_of(
    change: FieldChange,
    before: LookupTime,
    after: LookupTime,
    names: Mapping[ReferencedObject, str],
) -> ChangeLabels:
    if change.masked:
        return ChangeLabels()
    field: Any = change.field

    def named(values: Sequence[Any], time: LookupTime) -> tuple[str, ...]:
        found = []
        for value in values:
            for reference in references_of(field, (value,), time):
                found.append(names.get(reference) or display(None, str(value)))
        return tuple(found)

    if field is not None and field.many_to_many:
        return ChangeLabels(
            ", ".join(named(change.old or (), before)),
            ", ".join(named(change.new or (), after)),
            named(change.added, after),
            named(change.removed, before),
        )
    old, new = (
        "".join(named((value,), time)) or display(field, value)
        for value, time in ((change.old, before), (change.new, after))
    )
    return ChangeLabels(old, new)
