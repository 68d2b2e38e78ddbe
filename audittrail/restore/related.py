"""Bring back what staged rows refer to and what is not there any more, and what that refers to, and so on."""

from __future__ import annotations

from collections.abc import Callable

from audittrail.exceptions import TrackedLaterError
from audittrail.restore import references
from audittrail.restore.catalog import LiveTable
from audittrail.restore.references import RowReference
from audittrail.restore.staging import Staging, columns_of, final
from audittrail.restore.statements import column, composed, listed, name_of, raw, run, same
from audittrail.timetravel import rows
from audittrail.timetravel.moment import Moment


def bring_back(staging: Staging, then: Callable[[LiveTable], str], moment: Moment) -> None:
    """Stage the missing targets of all references of staged rows, until none is missing that history knows.

    Takes the query for the rows of a table as they were.
    """
    while True:
        found = references.from_tables(staging, list(staging))
        # With any() in place of sum(), those after the first that has missing targets would not be followed.
        if not sum(_targets(staging, reference, then, moment) for reference in found):
            return


def _targets(
    staging: Staging, reference: RowReference, then: Callable[[LiveTable], str], moment: Moment
) -> int:
    target = reference.target
    try:
        query = then(target)
    except TrackedLaterError:
        return 0  # what is missing is told as a conflict
    stage = staging.stage(target)
    count = run(
        staging.cursor,
        "INSERT INTO {stage} (audittrail_action, {columns}) WITH {open} SELECT 'I', {final} FROM ({then}) w LEFT JOIN {live} l ON {now}"
        " WHERE {gone} AND EXISTS (SELECT FROM {source} s WHERE s.audittrail_action IN ('I', 'U') AND {refers})"
        " AND NOT EXISTS (SELECT FROM {stage} d WHERE {staged})",
        stage=stage,
        columns=listed(columns_of(target)),
        open=raw(rows.open_revisions(moment)),
        final=final(target, target.restorable),
        then=raw(query),
        live=name_of(target),
        now=same(target.key, "l", "w"),
        gone=composed("{key} IS NULL", key=column(target.key[0], "l")),
        source=staging.name(reference.table),
        refers=same(reference.columns, "s", "w", reference.target_columns),
        staged=same(target.key, "d", "w"),
    ).rowcount
    if count:
        staging.finish(target, target.restorable)
    return int(count)
