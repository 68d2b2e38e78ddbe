"""What to tell people of the ledger who look at revisions. Nothing is proved by it: that takes a digest that is kept elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connections

#: A tick that no commit ever reaches: no digest covers a revision that is still open.
_NEVER: Final = 2**62


@dataclass(frozen=True)
class Coverage:
    """When a revision came into a digest, when one that covers it was last verified, and when history was not what it was.

    Each is None if that was never; `differed_at` also if the same digest, or a later one, was verified since.
    """

    digest_at: datetime | None
    verified_at: datetime | None
    differed_at: datetime | None


@dataclass(frozen=True)
class Verified:
    """Through when history is verified, and when that was done; or when it was not what it was, if that was later."""

    through_at: datetime | None
    verified_at: datetime | None
    differed_at: datetime | None


def coverage_of(using: str, committed: int | None) -> Coverage | None:
    """Return what digests cover a revision, given the tick of its commit; None where no digest was ever made."""
    through = _NEVER if committed is None else committed
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT count(*), min(d.made_at) FILTER (WHERE d.through >= %s), max(d.verified_at) FILTER (WHERE d.through >= %s),"
            f" max(d.differed_at) FILTER (WHERE d.through >= %s AND {_DIFFERS}) FROM audittrail.digest d",
            [through] * 3,
        )
        digests, *moments = cursor.fetchone()
    return Coverage(*moments) if digests else None


def verified_through(using: str) -> Verified | None:
    """Return through when history is verified, and whether it still was when last looked at; None if it never was."""
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT v.through_at, v.verified_at, n.differed_at"
            f" FROM (SELECT max(d.differed_at) AS differed_at FROM audittrail.digest d WHERE {_DIFFERS}) n LEFT JOIN ("
            "SELECT d.through_at, d.verified_at FROM audittrail.digest d WHERE d.verified_at IS NOT NULL"
            " ORDER BY d.through DESC, d.verified_at DESC LIMIT 1) v ON true"
        )
        found = Verified(*cursor.fetchone())
    return found if found.verified_at or found.differed_at else None


#: Of a digest d: that history differs from it, and from each that was verified since.
_DIFFERS: Final = (
    "d.differed_at IS NOT NULL"
    " AND NOT EXISTS (SELECT FROM audittrail.digest n WHERE n.through >= d.through AND n.verified_at > d.differed_at)"
)
