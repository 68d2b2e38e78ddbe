"""What a verification has found, and how it is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Finding:
    """Something that was done behind history's back: its kind, in words, and what it concerns as far as that can be told."""

    kind: str
    text: str
    revision: int | None = None
    table: str = ""
    row: str = ""

    def __str__(self) -> str:
        """Return the finding as a sentence."""
        return self.text


@dataclass(frozen=True)
class Erasure:
    """What a revision erased or changed on purpose, of one table: how many versions, of which so many still hold something else."""

    revision: int
    table: str
    erased: int
    changed: int
    said: str

    def __str__(self) -> str:
        """Return it as a sentence."""
        parts = []
        if self.erased > self.changed:
            parts.append(f"{self.erased - self.changed} erased")
        if self.changed:
            parts.append(f"{self.changed} changed")
        what = "revisions" if self.table == "revision" else f"versions of {self.table}"
        return f"{what}: {' and '.join(parts)} on purpose by revision {self.revision} ({self.said})"


@dataclass(frozen=True)
class Renamed:
    """A label of an enum that is called otherwise than in what was entered of a column."""

    table: str
    column: str
    former: str
    present: str

    def __str__(self) -> str:
        """Return it as a sentence."""
        return f"{self.table}: what was entered as {self.former!r} in column {self.column} is called {self.present!r} by now"


@dataclass(frozen=True)
class Compared:
    """A digest that history was compared with, and whether it agrees."""

    source: str
    size: int
    time: str
    agrees: bool


@dataclass
class Report:
    """All that a verification has to say."""

    size: int = 0
    through: int | None = None
    through_at: datetime | None = None
    findings: list[Finding] = field(default_factory=list)
    erasures: list[Erasure] = field(default_factory=list)
    renamed: list[Renamed] = field(default_factory=list)
    digests: list[Compared] = field(default_factory=list)
    #: Revisions that are entered and in none of the digests, and those that are not entered yet.
    beyond: int = 0

    @property
    def is_clean(self) -> bool:
        """Whether nothing was done behind history's back, as far as can be told."""
        return not self.findings

    def as_json(self) -> dict[str, Any]:
        """Return the report as `json.dumps` takes it."""
        return {
            "clean": self.is_clean,
            "size": self.size,
            "through": self.through,
            "through_at": None if self.through_at is None else self.through_at.isoformat(),
            "findings": [vars(finding) for finding in self.findings],
            "erasures": [vars(erasure) for erasure in self.erasures],
            "renamed": [vars(renamed) for renamed in self.renamed],
            "digests": [vars(digest) for digest in self.digests],
            "beyond": self.beyond,
        }
