"""What the entries of a timeline say: who, when, why, from where, and what each row changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final

from audittrail.admin.display import origins
from audittrail.admin.display.authors import Author
from audittrail.admin.display.differences import Difference
from audittrail.admin.display.operations import Badge
from audittrail.admin.display.restorings import CONTEXT, ToldRestoring
from audittrail.admin.display.times import RevisionTime
from audittrail.admin.history.timeline import TimelineEntry
from audittrail.admin.layout.links import Link
from audittrail.admin.objects.sources import OWN, Source
from audittrail.diff.images import GONE
from audittrail.revisions.models import BaseRevision
from audittrail.revisions.versions import Operation

#: Parts of a context that are not told, or in words of their own.
UNTOLD: Final = frozenset({"request_id", CONTEXT})

#: Values of a row that came or went that are shown unfolded.
FEW: Final = 6


@dataclass(frozen=True)
class EntryBlock:
    """What a revision did to one row: the object itself (without `label`), a related row, or a many-to-many field."""

    operation: str
    differences: Sequence[Difference]
    label: str = ""
    text: str = ""
    url: str | None = None
    #: Of further rows of its table nothing is shown.
    is_more: bool = False
    #: The table of the row, and its key there.
    source: Source | None = None
    pk: Any = None
    #: The address that undoes it, where that is one of another object; and for each difference the one that undoes that alone.
    undo_url: str | None = None
    undo_urls: Sequence[str | None] = ()

    @property
    def told(self) -> Sequence[tuple[Difference, str | None]]:
        """The differences, each with the address that undoes it, None where there is none."""
        return [*zip_longest(self.differences, self.undo_urls)]

    @property
    def badge(self) -> Badge:
        """The badge of the operation."""
        return Badge(self.operation)

    @property
    def is_folded(self) -> bool:
        """Whether all values are told, since the row came or went, and they are many."""
        return self.operation != Operation.UPDATE and len(self.differences) > FEW

    @property
    def is_baseline(self) -> bool:
        """Whether the row was there before its table was tracked, and nothing had changed."""
        return self.operation == Operation.BASELINE


@dataclass(frozen=True)
class ShownEntry:
    """An entry as it is shown, with the addresses that lead on from it."""

    entry: TimelineEntry
    author: Author | None
    blocks: Sequence[EntryBlock]
    url: str | None = None
    actions: Sequence[Link] = ()
    #: What it brought back, if it was made by restoring something.
    restoring: ToldRestoring | None = None

    @property
    def revision(self) -> BaseRevision | None:
        """The revision; None if it has been erased."""
        return self.entry.revision

    @property
    def is_committed(self) -> bool:
        """Whether it has left a state that can be looked at."""
        return self.revision is not None and self.revision.committed is not None

    @property
    def is_deletion(self) -> bool:
        """Whether the object was gone after it."""
        own = [block.operation for block in self.blocks if not block.label]
        return bool(own) and own[-1] in GONE

    @property
    def made(self) -> bool:
        """Whether there was no object before it that could be gone back to, or nothing is known of it."""
        own = [one.operation for one in self.blocks if one.source and one.source.kind == OWN]
        return bool(own) and own[0] != Operation.UPDATE and own[0] not in GONE

    @property
    def is_insertion(self) -> bool:
        """Whether it made the object."""
        return any(block.operation == Operation.INSERT for block in self.blocks if not block.label)

    @property
    def when(self) -> RevisionTime:
        """When it was committed."""
        return RevisionTime(self.revision.committed_at if self.revision else None)

    @property
    def origin(self) -> Any:
        """From where it came."""
        return origins.origin(self.revision) if self.revision else None

    @property
    def details(self) -> Mapping[str, Any]:
        """What else its context says, but for what only machines read."""
        found = origins.details(self.revision) if self.revision else {}
        return {name: value for name, value in found.items() if name not in UNTOLD}

    @property
    def badges(self) -> Sequence[Badge]:
        """What it did to the object itself."""
        own = dict.fromkeys(block.operation for block in self.blocks if not block.label)
        return [Badge(operation) for operation in own]
