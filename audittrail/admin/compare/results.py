"""What a comparison of an object finds and shows, side by side: its fields, and rows that belong to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from audittrail.admin.display.differences import Difference
from audittrail.admin.display.operations import Badge
from audittrail.admin.display.values import ShownValue
from audittrail.admin.objects.sources import Source


@dataclass(frozen=True)
class ComparedKeys:
    """The keys of the objects of a many-to-many field at the two moments; `is_more` if there are more than were read."""

    source: Source
    before: Sequence[Any]
    after: Sequence[Any]
    is_more: bool


@dataclass(frozen=True)
class UnchangedField:
    """A field that has not changed, and its value."""

    label: str
    value: ShownValue


@dataclass(frozen=True)
class RowComparison:
    """A row that belongs to the object, and how it differs."""

    operation: str
    text: str
    url: str | None
    differences: Sequence[Difference]

    @property
    def badge(self) -> Badge:
        """The badge of what became of it."""
        return Badge(self.operation)


@dataclass(frozen=True)
class RelatedComparison:
    """The rows of one table that belong to the object; `is_known` unless the table was not tracked then."""

    label: str
    rows: Sequence[RowComparison] = ()
    is_more: bool = False
    is_known: bool = True


@dataclass(frozen=True)
class Comparison:
    """An object at two moments: what has changed, what has not, the rows that belong to it, and whether it was there at each moment."""

    operation: str
    changed: Sequence[Difference]
    same: Sequence[UnchangedField]
    related: Sequence[RelatedComparison]
    was_there: tuple[bool, bool]

    @property
    def badge(self) -> Badge | None:
        """The badge of what became of the object, None if nothing did."""
        return Badge(self.operation) if self.operation else None
