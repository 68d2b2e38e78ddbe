"""What to tell people of the ledger who look at revisions. Nothing is proved by it: that takes a digest that is kept elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import connections


@dataclass(frozen=True)
class Coverage:
    """When a revision came into a digest, and when one that covers it was last verified; None if that was never."""

    digest_at: datetime | None
    verified_at: datetime | None


@dataclass(frozen=True)
class Verified:
    """Through when history is verified, and when that was done."""

    through_at: datetime | None
    verified_at: datetime


def coverage_of(using: str, committed: int | None) -> Coverage | None:
    """Return what digests cover a revision, given the tick of its commit; None where no digest was ever made."""
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT count(*), min(made_at) FILTER (WHERE through >= %s), max(verified_at) FILTER (WHERE through >= %s)"
            " FROM audittrail.digest",
            [committed or 2**62, committed or 2**62],
        )
        digests, made_at, verified_at = cursor.fetchone()
    return Coverage(made_at, verified_at) if digests else None


def verified_through(using: str) -> Verified | None:
    """Return through when history is verified; None if it never was."""
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT through_at, verified_at FROM audittrail.digest WHERE verified_at IS NOT NULL"
            " ORDER BY through DESC, verified_at DESC LIMIT 1"
        )
        row = cursor.fetchone()
    return None if row is None else Verified(*row)
