"""Windows of a list of revisions: the next so many of them, with the ranges of ticks in which their versions lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.db import connections, models

from audittrail.admin.lists.model_changes import TickRange, merged
from audittrail.admin.lists.paging import Keyset, Position

#: The order of all lists of revisions.
ORDER: Final = Keyset(
    (("committed_at", models.DateTimeField()), ("committed", models.BigIntegerField())),
    lambda row: getattr(row, "revision", row),
)

#: Ticks before and after all others; those of what was imported are negative.
FIRST_TICK, LAST_TICK = -(2**62), 2**63 - 1

#: Revisions whose numbers differ in no more than so many of the last bits share a range of ticks.
_NEAR = 16


@dataclass(frozen=True)
class Window:
    """Revisions beyond a position: how many, between which moments, and where their versions lie."""

    size: int
    earliest: Any
    latest: Any
    ranges: list[TickRange]
    is_last: bool
    is_newer: bool

    @property
    def condition(self) -> dict[str, Any]:
        """What narrows revisions beyond the position down to the window, with all of its last moment."""
        if self.is_newer:
            return {"committed_at__lte": self.latest}
        return {"committed_at__gte": self.earliest}

    @property
    def end(self) -> Position:
        """The position at which the next window begins."""
        return (self.latest, LAST_TICK) if self.is_newer else (self.earliest, FIRST_TICK)


def window(
    queryset: Any, size: int, position: Position | None, is_newer: bool = False
) -> Window | None:
    """Return the window of the next `size` revisions of a queryset, None if there are none; takes one query."""
    rows = ORDER.beyond(queryset, position, is_newer).values_list("id", "committed", "committed_at")
    statement, parameters = rows[:size].query.sql_with_params()
    with connections[queryset.db].cursor() as cursor:
        cursor.execute(
            "SELECT min(id), max(committed), min(committed_at), max(committed_at), count(*)"
            f" FROM ({statement}) r (id, committed, committed_at) GROUP BY id >> {_NEAR}",
            parameters,
        )
        groups = cursor.fetchall()
    if not groups:
        return None
    found = sum(group[4] for group in groups)
    return Window(
        found,
        min(group[2] for group in groups),
        max(group[3] for group in groups),
        merged([group[:2] for group in groups]),
        found < size,
        is_newer,
    )
