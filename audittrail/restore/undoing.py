"""Undo a revision: what it changed goes back, field by field, as far as nobody has changed it again."""

from __future__ import annotations

from typing import Any, ClassVar

from audittrail.exceptions import MomentError
from audittrail.restore.catalog import LiveTable
from audittrail.restore.changing_back import action_of, conflicting_fields, image_of
from audittrail.restore.plan import Conflict, Note, OnConflict
from audittrail.restore.running import Recipe
from audittrail.restore.staging import Staging, columns_of
from audittrail.restore.statements import (
    column,
    composed,
    joined,
    listed,
    literal,
    name_of,
    raw,
    run,
    same,
)
from audittrail.revisions.models import BaseRevision
from audittrail.revisions.wording import counted
from audittrail.timetravel import moment


class Undoing(Recipe):
    """Reverse exactly what one revision changed."""

    kind = "undo"
    allowed: ClassVar[tuple[str, ...]] = ("refuse", "skip", "override")
    holds_rows = True

    def __init__(self, revision: BaseRevision) -> None:
        self.using = moment.resolve(revision).using
        self.revision = revision.pk
        assert revision.committed is not None
        self.committed = revision.committed

    def stage(self, staging: Staging, on_conflict: OnConflict) -> list[Conflict]:
        """Stage what the revision changed in each table."""
        staging.cursor.execute(
            "SELECT EXISTS (SELECT FROM audittrail.revision WHERE id = %s AND committed = %s)",
            [self.revision, self.committed],
        )
        if not staging.cursor.fetchone()[0]:
            raise MomentError(
                f"Revision {self.revision} is not in database {self.using!r} any more, or has been read before its commit. Read it again."
            )
        staging.cursor.execute("SELECT audittrail.changed_relations(%s)", [self.revision])
        changed = [oid for (oid,) in staging.cursor.fetchall()]
        for oid in changed:
            if oid in staging.tables:
                self._stage_table(staging, staging.tables[oid], override=on_conflict == "override")
            else:
                name = _last_name(staging, oid)
                text = f"The revision changed rows of table {name!r}, which is not tracked any more; they stay as they are."
                staging.notes.append(Note("not restored", name, 0, text))
        return []

    def _stage_table(self, staging: Staging, table: LiveTable, *, override: bool) -> None:
        mine = composed(
            "SELECT {key} FROM audittrail.{history} v WHERE {of_revision}",
            key=joined(
                composed("{stored} AS {name}", stored=column(_history(table, name), "v"), name=name)
                for name in table.key
            ),
            history=table.history,
            of_revision=self._of_revision(),
        )
        staging.lock(table, composed("SELECT DISTINCT * FROM ({mine}) m", mine=mine))
        stage = staging.stage(table)
        run(
            staging.cursor,
            "INSERT INTO {stage} (audittrail_action, audittrail_fields, {columns})"
            " SELECT x.action, x.fields, {chosen} FROM {rows} CROSS JOIN LATERAL (SELECT {action} AS action, {fields} AS fields) x"
            " WHERE x.action IS NOT NULL",
            stage=stage,
            columns=listed(columns_of(table)),
            chosen=joined(image_of(table, name, override=override) for name in columns_of(table)),
            rows=self._rows(table),
            action=action_of(table, override=override),
            fields=raw("NULL::text[]") if override else conflicting_fields(table),
        )
        staging.finish(table, table.restorable)

    def settle(self, staging: Staging, on_conflict: OnConflict) -> None:
        """Leave out what is gone by now, where nothing else keeps anything from being undone."""
        for table in staging if on_conflict == "override" else ():
            self._note_gone(staging, table)

    def _of_revision(self) -> Any:
        return composed(
            "v.version >= {first} AND v.version <= {last} AND v.revision_id = {first} AND v.operation <> 'B'",
            first=literal(self.revision),
            last=literal(self.committed),
        )

    def _rows(self, table: LiveTable) -> Any:
        """Return what the changed rows are read from: `a` after the revision, `b` before it, `l` now, `e` which of them there are."""
        stored = [_history(table, name) for name in table.key]
        return composed(
            "(SELECT DISTINCT ON ({key}) {columns}, v.operation AS audittrail_operation, min(v.version) OVER w AS audittrail_version,"
            " first_value(v.operation) OVER w AS audittrail_first FROM audittrail.{history} v WHERE {of_revision}"
            " WINDOW w AS (PARTITION BY {key} ORDER BY v.version ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)"
            " ORDER BY {key}, v.version DESC) a"
            " LEFT JOIN LATERAL (SELECT {columns}, v.operation AS audittrail_operation FROM audittrail.{history} v"
            " WHERE {of_row} AND v.version < a.audittrail_version ORDER BY v.version DESC LIMIT 1) b ON true"
            " LEFT JOIN {live} l ON {same} CROSS JOIN LATERAL (SELECT {before} AS before, {after} AS after, {now} AS now) e",
            before=raw(
                "b.audittrail_operation IS NOT NULL AND b.audittrail_operation NOT IN ('D', 'T')"
            ),
            after=raw("a.audittrail_operation NOT IN ('D', 'T')"),
            now=composed("{key} IS NOT NULL", key=column(table.key[0], "l")),
            key=listed(stored, "v"),
            columns=joined(
                composed(
                    "{stored}::{type} AS {name}" if c.composite else "{stored} AS {name}",
                    stored=column(str(c.history), "v"),
                    type=raw(c.stored_type),
                    name=c.name,
                )
                for c in table.columns
                if c.stored
            ),
            history=table.history,
            of_revision=self._of_revision(),
            of_row=same(stored, "v", "a", table.key),
            live=name_of(table),
            same=same(table.key, "l", "a"),
        )

    def _note_gone(self, staging: Staging, table: LiveTable) -> None:
        """Leave rows out that can't be changed back because they are gone, and say so."""
        gone = run(
            staging.cursor,
            "DELETE FROM {stage} WHERE audittrail_action = '='",
            stage=staging.name(table),
        ).rowcount
        if gone:
            text = f"{counted(gone, 'row')} of {table} that the revision changed can't be changed back, since {'it is' if gone == 1 else 'they are'} no longer there."
            staging.notes.append(Note("not restored", str(table), gone, text, table.model))

    def described(self) -> dict[str, Any]:
        """Return which revision was undone."""
        return {"kind": self.kind, "revision": self.revision}


def _last_name(staging: Staging, oid: int) -> str:
    """Return the name under which a table was tracked last."""
    staging.cursor.execute(
        "SELECT table_name FROM audittrail.tracked_table t WHERE audittrail.tied_relation(t) = %s ORDER BY id DESC LIMIT 1",
        [oid],
    )
    row = staging.cursor.fetchone()
    return str(oid) if row is None else str(row[0])


def _history(table: LiveTable, name: str) -> str:
    return table.column(name).history or name
