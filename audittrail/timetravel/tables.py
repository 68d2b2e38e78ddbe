"""The tracked tables of a database as time travel needs them: the query for their rows as of a tick, and since when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from typing import Any, Final

from audittrail.exceptions import TimeTravelError, TrackedLaterError
from audittrail.revisions.wording import spelled
from audittrail.timetravel.moment import Moment
from audittrail.timetravel.past_query import PastQuery

#: How many tables a statement may read for the tail of each to be joined. With more, PostgreSQL does not try every order of joins any
#: more: `join_collapse_limit` is 8, and each table takes two places.
FEW_TABLES: Final = 4

#: For so many seconds what is known of how far a table is closed is used. Reading by old knowledge is right, but slower.
REFRESHED_AFTER: Final = 10.0


@dataclass(frozen=True)
class PastTable:
    """A table that was tracked: the ticks between which its history is complete, and the query for its rows."""

    name: str
    since: int
    since_at: datetime
    until: int | None
    until_at: datetime | None
    query: PastQuery
    #: The tick through which the table is closed, and the version from which on that need not be so (see `tracked_table`).
    closing: tuple[int, int]
    #: The tick before which the table has been pruned (0 if never), its time, and when that was done.
    kept_from: int
    kept_since: datetime | None
    pruned_at: datetime | None
    #: Whether another table has its name by now, so that it can't be told whose past is meant.
    replaced: bool
    #: The conditions that versions need which are read as of a moment beyond that tick: as a join, and as a subplan.
    not_followed: PastQuery
    not_followed_subplan: PastQuery
    looked_up: list[float] = field(default_factory=lambda: [monotonic()], compare=False)

    def as_of(self, moment: Moment, tables: int = 1) -> str:
        """Return the query for the rows as of a moment, for a statement that reads so many tables; raises what `require` does."""
        self.require(moment)
        tick, tail = moment.tick, self.closing[1]
        later = ""
        if tick > self.closing[0]:
            condition = self.not_followed if tables <= FEW_TABLES else self.not_followed_subplan
            later = condition.filled(tick=tick, tail=tail)
        return self.query.filled(tick=tick, later=later)

    def require(self, moment: Moment) -> None:
        """Raise `TrackedLaterError` for a moment at which the table was not tracked, or before which it has been pruned.

        Raises `TimeTravelError` if another table has its name by now: history is that of the one that had it when it was tracked.
        """
        if self.replaced:
            raise TimeTravelError(
                f"Table {self.name!r} is another one than the table of that name whose history is kept, which has been renamed or "
                "dropped. Run manage.py audittrail sync: history then goes on with the table that has the name now."
            )
        if moment.tick < self.kept_from and self.kept_from > self.since:
            raise TrackedLaterError(
                f"The history of table {self.name!r} is kept only since {spelled(self.kept_since)}: what it held before, as of {moment}, "
                f"was pruned on {spelled(self.pruned_at)}."
            )
        if moment.tick < self.since:
            raise TrackedLaterError(
                f"Table {self.name!r} is tracked only since {spelled(self.since_at)}; what it held before, as of {moment}, is not known."
            )
        if self.until is not None and self.until_at is not None and moment.tick > self.until:
            raise TrackedLaterError(
                f"Table {self.name!r} is not tracked any more since {spelled(self.until_at)}; what it held later, as of {moment}, is not known."
            )

    def may_be_behind(self, tick: int) -> bool:
        """Return whether to ask again: who has the name may be clear by now, or a moment be read faster, as the table was closed since."""
        return self.replaced or (
            tick > self.closing[0] and monotonic() > self.looked_up[0] + REFRESHED_AFTER
        )

    def renew(self) -> None:
        """Note that it is still closed as far as was known."""
        self.looked_up[0] = monotonic()


def load(cursor: Any, numbers: list[int]) -> dict[int, PastTable]:
    """Return the tables of some numbers in the registry."""
    cursor.execute(
        f"SELECT t.id, {_COLUMNS} FROM audittrail.tracked_table t WHERE t.id = ANY (%s)", [numbers]
    )
    return {number: _past_table(row) for number, *row in cursor.fetchall()}


_COLUMNS: Final = (
    "t.table_name, coalesce((SELECT r.committed FROM audittrail.revision r WHERE r.id = t.since_revision), t.since_version),"
    " t.since_at, t.until_version, t.until_at, audittrail.past_query(t, 'as_of'),"
    " t.closed_through, t.tail_from, t.kept_from, t.kept_since, t.pruned_at, audittrail.is_replaced(t),"
    " audittrail.past_query(t, 'later'), audittrail.past_query(t, 'later_subplan')"
)


def _past_table(row: Sequence[Any]) -> PastTable:
    name, since, since_at, until, until_at, query, through, tail, *rest, later, later_subplan = row
    conditions = (PastQuery(later), PastQuery(later_subplan))
    head = (name, since, since_at, until, until_at, PastQuery(query), (through, tail))
    values: tuple[Any, ...] = (*head, *rest, *conditions)
    return PastTable(*values)


def refuse_untracked(name: str) -> None:
    """Raise `TimeTravelError` for a table that can't be read in the past."""
    raise TimeTravelError(
        f"{name!r} is not a tracked table, so the query would mix past and present. Track it, leave it out, or allow "
        "it to be read as it is now with AUDITTRAIL_READ_LIVE."
    )
