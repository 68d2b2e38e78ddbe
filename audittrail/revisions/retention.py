"""Since when history is kept: what a pruning has left of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import connections

from audittrail.revisions.wording import spelled


@dataclass(frozen=True)
class Retention:
    """Since when history is kept, and when what was before has been pruned."""

    since: datetime
    pruned_at: datetime

    def __str__(self) -> str:
        """Return it as the end of a sentence about what was before."""
        return (
            f"history is kept only since {spelled(self.since)}, "
            f"what was before was pruned on {spelled(self.pruned_at)}"
        )


def kept_since(
    using: str, *, tick: int | None = None, at: datetime | None = None
) -> Retention | None:
    """Return since when history is kept if that is later than a tick, or a time; None if nothing was pruned there.

    Of tables that were pruned differently, the one that was pruned least counts.
    """
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT kept_since, pruned_at FROM audittrail.tracked_table WHERE pruned_at IS NOT NULL AND (kept_from > %s OR kept_since > %s)"
            " ORDER BY kept_from LIMIT 1",
            [tick, at],
        )
        row = cursor.fetchone()
    return None if row is None else Retention(*row)
