"""What an import brought along, and what it could not, and why."""

from __future__ import annotations

from dataclasses import dataclass, field

from audittrail.revisions.wording import counted


@dataclass(frozen=True)
class ImportedTable:
    """How many versions the history of a table got, and of how many rows the source does not tell all."""

    table: str
    versions: int
    #: Rows that were otherwise when tracking began than was recorded last, and rows that were gone: both get a version that says so.
    differing: int
    gone: int
    #: Rows of which changes were recorded and no beginning, and rows of which nothing was: before that the past does not show them.
    begun: int
    unknown: int

    def __str__(self) -> str:
        """Return that as lines."""
        told = (
            (self.differing, "that had been changed since, unrecorded"),
            (self.gone, "that had been deleted since, unrecorded"),
            (
                self.begun,
                "of which the beginning was not recorded: before their first record they are not there",
            ),
            (
                self.unknown,
                "of which nothing was recorded: before tracking began they are not there",
            ),
        )
        lines = [f"  {counted(number, 'row')} {text}" for number, text in told if number]
        return "\n".join([f"{self.table}: {counted(self.versions, 'version')}", *lines])


@dataclass(frozen=True)
class LeftOut:
    """What was not imported of some tables, or of a model, and why."""

    of: str
    why: str

    def __str__(self) -> str:
        """Return that as a line."""
        return f"{self.of}: {self.why}"


@dataclass(frozen=True)
class Import:
    """What was imported from a source, or would be."""

    source: str
    revisions: int = 0
    tables: tuple[ImportedTable, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    #: The columns that the source has not recorded, which are empty in what was imported, by table.
    empty: dict[str, list[str]] = field(default_factory=dict)
    dry_run: bool = False

    @property
    def versions(self) -> int:
        """How many versions were imported, those of what happened unrecorded included."""
        return sum(table.versions + table.differing + table.gone for table in self.tables)
