"""The rows of a table as of a moment, as a query to put into a statement of the present: what restoring reads.

Tables are named by their numbers in the registry, so those of every schema can be read.
"""

from __future__ import annotations

from typing import Any

from audittrail.timetravel import tables
from audittrail.timetravel.moment import Moment
from audittrail.timetravel.past_query import PastQuery
from audittrail.timetravel.scope import DELETED, LAST


def open_revisions(moment: Moment) -> str:
    """Return the CTE that the other queries name; to be put behind WITH, once a statement."""
    return (
        f"audittrail_open AS MATERIALIZED (SELECT o AS id FROM audittrail.open_at({moment.tick}) o)"
    )


def rows_as_of(cursor: Any, number: int, moment: Moment) -> str:
    """Return the query for the rows of a table as of a moment, under the table's present column names.

    Raises `TrackedLaterError` for a moment at which the table was not tracked.
    """
    return tables.load(cursor, [number])[number].as_of(moment)


def deleted_rows(cursor: Any, number: int, moment: Moment) -> str:
    """Return the query for the rows that were gone at a moment, as they last were.

    It has the column `audittrail_revision` beside theirs, and ends in conditions on the version `h`, to which more can be added.
    """
    return _scope(cursor, number, moment, DELETED)


def last_rows(cursor: Any, number: int, moment: Moment) -> str:
    """Return the query for all rows by a moment, as they were then or last were."""
    return _scope(cursor, number, moment, LAST)


def _scope(cursor: Any, number: int, moment: Moment, scope: str) -> str:
    tail = tables.load(cursor, [number])[number].closing[1]
    cursor.execute(
        "SELECT audittrail.past_query(t, %s) FROM audittrail.tracked_table t WHERE t.id = %s",
        [scope, number],
    )
    return PastQuery(*cursor.fetchone()).filled(tick=moment.tick, tail=tail)
