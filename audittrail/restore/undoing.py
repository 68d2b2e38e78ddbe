"""Undo a revision: what it changed goes back, field by field, as far as nobody has changed it again."""

from __future__ import annotations

from typing import Any, ClassVar

from audittrail.exceptions import MomentError
from audittrail.restore.catalog import LiveTable
from audittrail.restore.plan import Conflict, Note, OnConflict
from audittrail.restore.running import Recipe
from audittrail.restore.staging import Staging, columns_of, differs
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

#: Stands for a row as a whole among the names of fields.
ROW = "(the row)"


class Undoing(Recipe):
    """Reverse exactly what one revision changed."""

    kind = "undo"
    allowed: ClassVar[tuple[str, ...]] = ("refuse", "skip", "override")

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
            chosen=joined(_final(table, name, override=override) for name in columns_of(table)),
            rows=self._rows(table),
            action=_action(table, override=override),
            fields=raw("NULL::text[]") if override else _fields(table),
        )
        staging.finish(table, table.restorable)
        if override:
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
                composed("{stored} AS {name}", stored=column(str(c.history), "v"), name=c.name)
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
            text = f"{counted(gone, 'row')} of {table} that the revision changed can't be changed back: no longer there."
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


def _differ(table: LiveTable, name: str, one: str, other: str) -> Any:
    return differs(table, [name], one, other)


def _any(table: LiveTable, one: str, other: str) -> Any:
    parts = [_differ(table, name, one, other) for name in table.restorable]
    return joined(parts, " OR ") if parts else raw("false")


def _can_go_back(table: LiveTable, name: str, *, override: bool) -> Any:
    """Return the condition that the revision changed a column, and that it can be changed back."""
    untouched = raw("true")
    if not override:
        untouched = composed("NOT ({differ})", differ=_differ(table, name, "l", "a"))
    return composed(
        "({changed}) AND ({present}) AND ({untouched})",
        changed=_differ(table, name, "b", "a"),
        present=_differ(table, name, "l", "b"),
        untouched=untouched,
    )


def _action(table: LiveTable, *, override: bool) -> Any:
    """Return what is to be done with a row: I, U, D, `=` for nothing because of a conflict, NULL for nothing at all."""
    can = joined(
        [
            *(_can_go_back(table, name, override=override) for name in table.restorable),
            raw("false"),
        ],
        " OR ",
    )
    return composed(
        "CASE WHEN NOT e.before AND a.audittrail_first <> 'I' THEN '='"
        " WHEN e.before AND NOT e.after AND NOT e.now THEN 'I'"
        " WHEN e.before AND NOT e.after AND ({moved_on}) THEN {override_update}"
        " WHEN e.before AND e.after AND NOT e.now THEN '='"
        " WHEN e.before AND e.after AND ({can}) THEN 'U'"
        " WHEN e.before AND e.after AND ({conflict}) IS NOT NULL THEN '='"
        " WHEN NOT e.before AND e.after AND e.now AND NOT ({changed}) THEN 'D'"
        " WHEN NOT e.before AND e.after AND e.now THEN {override_delete} END",
        moved_on=_any(table, "l", "b"),
        changed=_any(table, "l", "a"),
        can=can,
        conflict=_fields(table),
        override_update=raw("'U'" if override else "'='"),
        override_delete=raw("'D'" if override else "'='"),
    )


def _fields(table: LiveTable) -> Any:
    """Return the names of the fields that a later revision changed, NULL if none, `ROW` if it is the row itself."""
    names = joined(
        [
            *(
                composed(
                    "CASE WHEN ({changed}) AND ({touched}) AND ({present}) THEN {label} END",
                    changed=_differ(table, name, "b", "a"),
                    touched=_differ(table, name, "l", "a"),
                    present=_differ(table, name, "l", "b"),
                    label=literal(_label(table, name)),
                )
                for name in table.restorable
            ),
            raw("NULL::text"),
        ]
    )
    return composed(
        "CASE WHEN NOT e.before AND a.audittrail_first <> 'I' THEN ARRAY[{row}]"
        " WHEN e.before AND NOT e.after AND e.now THEN CASE WHEN {moved_on} THEN ARRAY[{row}] END"
        " WHEN e.before AND e.after AND NOT e.now THEN ARRAY[{row}]"
        " WHEN e.before AND e.after THEN nullif(array_remove(ARRAY[{names}], NULL), '{empty}')"
        " WHEN NOT e.before AND e.after AND e.now AND ({changed}) THEN ARRAY[{row}] END",
        row=literal(ROW),
        moved_on=_any(table, "l", "b"),
        names=names,
        empty=raw("{}"),
        changed=_any(table, "l", "a"),
    )


def _label(table: LiveTable, name: str) -> str:
    field = table.field(name)
    return field.name if field is not None else name


def _final(table: LiveTable, name: str, *, override: bool) -> Any:
    """Return the image to be of a column."""
    found = table.column(name)
    now = column(name, "l")
    if not found.stored:
        return now
    then = column(name, "b")
    after = column(name, "a")
    if name in table.key:
        return after
    kept = now
    if name in table.restorable:
        kept = composed(
            "CASE WHEN {can} OR NOT e.after THEN {then} ELSE {now} END",
            can=_can_go_back(table, name, override=override),
            then=then,
            now=now,
        )
    return composed(
        "CASE WHEN e.before AND NOT e.now THEN {then} WHEN e.before THEN {kept} ELSE {now} END",
        then=then,
        kept=kept,
        now=now,
    )
