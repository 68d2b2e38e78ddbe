"""For how long the tables have been tracked whose versions are compared: outside of that nothing is known of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connections, models
from django.db.backends.postgresql.psycopg_any import sql

from audittrail.capture import schemas
from audittrail.exceptions import TrackedLaterError
from audittrail.revisions.wording import spelled
from audittrail.timetravel import tables


@dataclass(frozen=True)
class TrackingPeriod:
    """A tracked table of one database, and the ticks between which its history is complete."""

    #: Its number in the registry of the database.
    id: int
    table: str
    #: The tick at which its tracking began, and the version that its baseline has.
    since: int
    since_version: int
    since_at: datetime
    until: int | None
    until_at: datetime | None
    baseline_complete: bool
    #: The tick before which the table has been pruned (0 if never), its time, and when that was done.
    kept_from: int
    kept_since: datetime | None
    pruned_at: datetime | None

    @property
    def known_from(self) -> int:
        """The first tick as of which the table is known."""
        return max(self.since, self.kept_from)

    @property
    def known_since(self) -> datetime:
        """The time of that."""
        if self.kept_since is not None and self.kept_from > self.since:
            return self.kept_since
        return self.since_at

    def require(self, tick: int) -> None:
        """Raise `TrackedLaterError` for a tick at which the table was not tracked, or before which it has been pruned."""
        if self.since < self.kept_from and tick < self.kept_from:
            raise TrackedLaterError(
                f"The history of table {self.table!r} is kept only since {spelled(self.kept_since)}: "
                f"what was before was pruned on {spelled(self.pruned_at)}. Compare from a later revision on."
            )
        if tick < self.since:
            raise TrackedLaterError(
                f"Table {self.table!r} is tracked only since {spelled(self.since_at)}; what it held before "
                "is not known. Compare from a later revision on."
            )
        if self.until is not None and tick > self.until:
            raise TrackedLaterError(
                f"Table {self.table!r} is not tracked any more since {spelled(self.until_at)}; what it held later is not known. "
                "Compare up to an earlier revision."
            )

    def change(self, source: str) -> Any:
        """Return the condition that a version in a statement tells a change since tracking began: a baseline doesn't."""
        condition = (
            "({v}.version >= {since} AND NOT ({v}.version = {since} AND {v}.operation = 'B'))"
        )
        return sql.SQL(condition).format(
            v=sql.Identifier(source), since=sql.Literal(self.since_version)
        )


def tracking_periods(
    models_: Iterable[type[models.Model]], using: str
) -> dict[type[models.Model], TrackingPeriod]:
    """Return what a database knows of the tables of some models; those are missing that it never tracked."""
    connection = connections[using]
    names = {schemas.history_of(connection, model._meta.db_table): model for model in models_}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT t.history_name, t.id, t.table_name,"
            " coalesce((SELECT r.committed FROM audittrail.revision r WHERE r.id = t.since_revision), t.since_version),"
            " t.since_version, t.since_at, t.until_version, t.until_at, t.baseline_complete,"
            " t.kept_from, t.kept_since, t.pruned_at, audittrail.require_file(to_regclass(format('audittrail.%%I', t.history_name)))::text"
            " FROM audittrail.tracked_table t WHERE t.history_name = ANY (%s)",
            [list(names)],
        )
        return {names[history]: TrackingPeriod(*row) for history, *row, _ in cursor.fetchall()}


def require_tracked(
    models_: Iterable[type[models.Model]], using: str
) -> dict[type[models.Model], TrackingPeriod]:
    """Return the same; raise `TimeTravelError` for a table that the database never tracked."""
    models_ = list(models_)
    found = tracking_periods(models_, using)
    for model in models_:
        if model not in found:
            tables.refuse_untracked(model._meta.db_table)
    return found
