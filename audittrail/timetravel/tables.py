"""The tracked tables of a database as time travel needs them: the query for their rows as of a tick, and since when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from audittrail.exceptions import TimeTravelError, TrackedLaterError
from audittrail.timetravel.moment import Moment

TICK = "{tick}"


@dataclass(frozen=True)
class PastTable:
    """A table that was tracked: the ticks between which its history is complete, and the query for its rows."""

    name: str
    since: int
    since_at: datetime
    until: int | None
    until_at: datetime | None
    query: str

    def as_of(self, moment: Moment) -> str:
        """Return the query for the rows as of a moment.

        Raises `TrackedLaterError` for a moment at which the table was not tracked.
        """
        if moment.tick < self.since:
            raise TrackedLaterError(
                f"Table {self.name!r} is tracked only since {self.since_at:%Y-%m-%d %H:%M:%S %Z}; what it held before, "
                f"at {moment}, is not known."
            )
        if self.until is not None and self.until_at is not None and moment.tick > self.until:
            raise TrackedLaterError(
                f"Table {self.name!r} is not tracked any more since {self.until_at:%Y-%m-%d %H:%M:%S %Z}, "
                f"which was before {moment}."
            )
        return self.query.replace(TICK, str(moment.tick))


def load(cursor: Any, names: frozenset[str]) -> dict[str, PastTable]:
    """Return the tables of the given names that are or were tracked.

    Of several tables of one name the one on the search path counts, otherwise the last that was tracked.
    """
    cursor.execute(
        "SELECT DISTINCT ON (t.table_name) t.table_name,"
        " coalesce((SELECT r.committed FROM audittrail.revision r WHERE r.id = t.since_revision), t.since_version),"
        " t.since_at, t.until_version, t.until_at, audittrail.as_of_query(t)"
        " FROM audittrail.tracked_table t WHERE t.table_name = ANY (%s)"
        " ORDER BY t.table_name, t.relation = to_regclass(quote_ident(t.table_name))::oid DESC NULLS LAST, t.id DESC",
        [sorted(names)],
    )
    return {row[0]: PastTable(*row) for row in cursor.fetchall()}


def refuse_untracked(name: str) -> None:
    """Raise `TimeTravelError` for a table that can't be read in the past."""
    raise TimeTravelError(
        f"{name!r} is not a tracked table, so the query would mix past and present. Track it, leave it out, or allow "
        "it to be read as it is now with AUDITTRAIL_READ_LIVE."
    )
