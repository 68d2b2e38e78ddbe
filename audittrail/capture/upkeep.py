"""What a database asks of whoever runs it once tracking has begun: told at the end of `migrate`."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import DEFAULT_DB_ALIAS, connections

from audittrail.capture import baseline

#: How many tables are named one by one.
NAMED = 5


def next_steps(using: str, *, has_begun: bool) -> Iterator[str]:
    """Yield what to do next, a sentence for each.

    Takes a database, and whether the tracking of a table has just begun: only then it is said to schedule `maintain`, if that has
    never run.
    """
    option = "" if using == DEFAULT_DB_ALIAS else f" --database {using}"
    if tables := [recorded.table for recorded in baseline.incomplete(using)]:
        named = ", ".join(tables[:NAMED]) + (", ..." if len(tables) > NAMED else "")
        yield (
            f"Not all rows of {named} are copied into history yet. Run manage.py audittrail backfill{option}, which is safe beside writers."
        )
    if has_begun and not _was_maintained(using):
        yield (
            f"Schedule manage.py audittrail maintain{option}, every ten minutes for example: it keeps reading the past fast. Lines for cron, "
            "systemd and Celery are in the README, under In production."
        )


def _was_maintained(using: str) -> bool:
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM audittrail.tracked_table WHERE closed_through > 0)"
        )
        return bool(cursor.fetchone()[0])
