"""Queries for the past as the database makes them for a table, in pieces around the values that only a reader knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class PastQuery:
    """A query from `audittrail.past_query()`: text, the name of a value, text, and so on.

    Nothing is looked for in its text: a column of the table may have any name.
    """

    pieces: Sequence[str]

    def filled(self, **values: object) -> str:
        """Return the query with the values, each a number or SQL."""
        return "".join(
            str(values[piece]) if position % 2 else piece
            for position, piece in enumerate(self.pieces)
        )
