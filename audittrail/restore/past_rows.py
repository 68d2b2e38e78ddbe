"""Stage rows as they were at a moment, where they are not so now: those of some keys, or those of a many-to-many relation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from audittrail.restore.catalog import LiveTable
from audittrail.restore.staging import Staging, columns_of, differs, final
from audittrail.restore.statements import column, composed, joined, listed, name_of, raw, run, same
from audittrail.timetravel import rows
from audittrail.timetravel.moment import Moment


def stage_by_keys(
    staging: Staging,
    table: LiveTable,
    which: Any,
    then: str,
    restored: Sequence[str],
    moment: Moment,
    revision: bool = False,
) -> int:
    """Stage the rows of some keys as a query has them, where they are not as they are; return how many.

    Takes the query for the keys, the one for the rows, and the columns to bring back. With `revision` the second gives that too.
    """
    stage = staging.stage(table)
    changed = differs(table, restored)
    count = run(
        staging.cursor,
        "INSERT INTO {stage} ({action}, audittrail_revision, {columns}) WITH {open} SELECT CASE WHEN {gone} THEN 'I' ELSE 'U' END, {revision}, {final}"
        " FROM ({then}) w JOIN ({which}) k ON {same} LEFT JOIN {live} l ON {now}"
        " WHERE ({gone} OR {changed}) AND NOT EXISTS (SELECT FROM {stage} s WHERE {staged})",
        stage=stage,
        action=raw("audittrail_action"),
        columns=listed(columns_of(table)),
        open=raw(rows.open_revisions(moment)),
        gone=composed("{key} IS NULL", key=column(table.key[0], "l")),
        revision=raw("w.audittrail_revision" if revision else "NULL::bigint"),
        final=final(table, restored),
        then=raw(then),
        which=which,
        same=same(table.key, "w", "k"),
        live=name_of(table),
        now=same(table.key, "l", "w"),
        changed=changed,
        staged=same(table.key, "s", "w"),
    ).rowcount
    staging.finish(table, restored)
    return int(count)


def stage_relation(
    staging: Staging,
    table: LiveTable,
    then: str,
    owner: tuple[str, str],
    sources: Sequence[str],
    match: Sequence[str],
    moment: Moment,
) -> None:
    """Stage the rows of a many-to-many table that belong to some objects: those of then come, those of now go.

    Takes the query for the rows as they were, the owner's key column with the temporary table of its keys, the columns that refer to the
    owner, and the columns by which a row of then is known now.
    """
    of_owner = joined(
        (
            composed(
                "{source} IN (SELECT {key} FROM {keys})", source=source, key=owner[0], keys=owner[1]
            )
            for source in sources
        ),
        " OR ",
    )
    staging.lock(
        table,
        composed(
            "SELECT {key} FROM {live} WHERE {of_owner}",
            key=listed(table.key),
            live=name_of(table),
            of_owner=of_owner,
        ),
    )
    restored = [name for name in table.restorable if name not in match]
    run(
        staging.cursor,
        "INSERT INTO {stage} (audittrail_action, {columns}) WITH {open}"
        " SELECT CASE WHEN {gone} THEN 'I' WHEN {new} THEN 'D' ELSE 'U' END, {final}"
        " FROM (SELECT * FROM ({then}) w WHERE {of_owner}) w FULL JOIN (SELECT * FROM {live} WHERE {of_owner}) l ON {same}"
        " WHERE {gone} OR {new} OR {changed}",
        stage=staging.stage(table),
        columns=listed(columns_of(table)),
        open=raw(rows.open_revisions(moment)),
        gone=composed("{key} IS NULL", key=column(table.key[0], "l")),
        new=composed("{key} IS NULL", key=column(table.key[0], "w")),
        final=final(table, restored, deleting=True),
        then=raw(then),
        of_owner=of_owner,
        live=name_of(table),
        same=same(match, "w", "l"),
        changed=differs(table, restored),
    )
    staging.finish(table, restored)
