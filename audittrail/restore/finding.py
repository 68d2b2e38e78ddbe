"""What is asked of staged rows: queries for the places (`ctid`) of those that something stands in the way of.

So they can be listed, counted and left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.db import models

from audittrail.restore.catalog import LiveTable
from audittrail.restore.statements import raw

#: The condition that a staged row will be in the table.
WRITTEN: Final = raw("audittrail_action IN ('I', 'U')")


@dataclass(frozen=True)
class Finder:
    """One thing to ask of the staged rows of a table: `places` is the query, which also gives a `detail`."""

    kind: str
    table: LiveTable
    columns: tuple[str, ...]
    #: What is said of a row, behind the table and its key; with `after`, its detail comes between the two.
    text: str
    places: Any
    #: The model of the rows on the other side, if it is about others.
    other: type[models.Model] | None = None
    after: str | None = None

    def message(self, key: str, detail: str) -> str:
        """Return what is said of a row. Nothing is looked for in names and values: they may hold any sign."""
        told = "" if self.after is None else f"{detail}{self.after}"
        return f"{self.table} {key}{self.text}{told}"
