"""The whole database back to a revision: as a new revision, or with everything later erased."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import connections

from audittrail.capture import schemas
from audittrail.exceptions import RestoreError, TrackedLaterError
from audittrail.restore.catalog import LiveTable
from audittrail.restore.plan import NOTHING, Conflict, Note, OnConflict, Plan
from audittrail.restore.restoring import revision_at
from audittrail.restore.running import Recipe
from audittrail.restore.staging import Staging, columns_of, differs, final
from audittrail.restore.statements import column, composed, listed, name_of, raw, run, same
from audittrail.revisions.models import BaseRevision
from audittrail.revisions.wording import counted, spelled
from audittrail.timetravel import moment, rows


class RestoringAll(Recipe):
    """Bring every tracked table back to the state that a revision left."""

    kind: ClassVar[str] = "restore all"

    def __init__(self, revision: BaseRevision) -> None:
        self.moment = moment.resolve(revision)
        self.using = self.moment.using
        self.revision = revision.pk

    def stage(self, staging: Staging, on_conflict: OnConflict) -> list[Conflict]:
        """Stage the differences between each table then and now."""
        _, self.committed_at = revision_at(staging, self.moment)
        # Tables are always locked in the order of their names, so that two who do this can't wait for each other.
        tables = sorted(staging.tables.values(), key=lambda table: (table.schema, table.name))
        for table in tables:
            staging.lock_table(table)
        known = []
        for table in tables:
            try:
                then = rows.rows_as_of(staging.cursor, table.id, self.moment)
            except TrackedLaterError as error:
                known.append(
                    Conflict("not tracked then", table.name, table.model, (), (), str(error))
                )
                continue
            self._stage_table(staging, table, then)
        self._note_ended(staging)
        return known

    def _stage_table(self, staging: Staging, table: LiveTable, then: str) -> None:
        restored = table.restorable
        count = run(
            staging.cursor,
            "INSERT INTO {stage} (audittrail_action, {columns}) WITH {open}"
            " SELECT CASE WHEN {gone} THEN 'I' WHEN {new} THEN 'D' ELSE 'U' END, {final}"
            " FROM ({then}) w FULL JOIN {live} l ON {same} WHERE {gone} OR {new} OR {changed}",
            stage=staging.stage(table),
            columns=listed(columns_of(table)),
            open=raw(rows.open_revisions(self.moment)),
            final=final(table, restored, deleting=True),
            **_compared(table, then),
        ).rowcount
        if count:
            staging.finish(table, restored)
        else:
            staging.discard(table)

    def _note_ended(self, staging: Staging) -> None:
        staging.cursor.execute(
            "SELECT t.table_name, t.until_at FROM audittrail.tracked_table t WHERE t.until_version > %s AND t.since_version <= %s",
            [self.moment.tick, self.moment.tick],
        )
        for name, until_at in staging.cursor.fetchall():
            text = f"Table {name!r} was tracked then and is not since {spelled(until_at)}; it stays as it is."
            staging.notes.append(Note("not restored", name, 0, text))

    def described(self) -> dict[str, Any]:
        """Return to which revision the database went back."""
        return {
            "kind": self.kind,
            "revision": self.revision,
            "as_of": self.committed_at.isoformat(),
        }


class RollingBack(RestoringAll):
    """Bring everything back to a revision, and erase all later ones with their history."""

    kind = "rollback"
    _erased = (0, 0)

    def __init__(self, revision: BaseRevision) -> None:
        super().__init__(revision)
        tenant = schemas.tenant_of(connections[self.using])
        if tenant is not None:
            raise RestoreError(
                f"Later revisions can't be rolled back for the tenant {tenant!r} alone: those of the other tenants would be erased with "
                "them. Use restore_all(), which brings back this tenant's tables as a new revision."
            )

    def erased(self, staging: Staging) -> tuple[int, int] | None:
        """Return how many revisions and versions are erased."""
        if staging.left_out != NOTHING:
            raise RestoreError(
                "Nothing can be left out of a rollback: its history would say what it does not hold. Use restore_all()."
            )
        staging.cursor.execute(
            "SELECT revisions, versions FROM audittrail.later_history(%s)", [self.moment.tick]
        )
        revisions, versions = staging.cursor.fetchone()
        self._erased = (revisions, versions)
        return self._erased if revisions or versions else None

    def blocking(self, plan: Plan, on_conflict: OnConflict) -> tuple[Conflict, ...]:
        """Return the conflicts; only tables that were not tracked then can be left out, which begin their history anew.

        A row that is left out would not be what its history says, once what made it so is erased.
        """
        if on_conflict != "skip":
            return plan.conflicts
        return tuple(found for found in plan.conflicts if found.kind != "not tracked then")

    def finish(self, staging: Staging) -> None:
        """Erase the later history, that of the restoring itself included.

        Raises `RestoreError` if triggers have written anything else: what tells of it would be erased as well.
        """
        if (made := staging.open_revision()) is not None:
            staging.cursor.execute("SELECT audittrail.changed_relations(%s)", [made])
            for (relation,) in staging.cursor.fetchall():
                self._require_as_then(staging, staging.tables[relation])
        staging.cursor.execute("SELECT audittrail.erase_later(%s)", [self.moment.tick])

    def _require_as_then(self, staging: Staging, table: LiveTable) -> None:
        count = staging.value(
            "WITH {open} SELECT count(*) FROM ({then}) w FULL JOIN {live} l ON {same} WHERE {gone} OR {new} OR {changed}",
            open=raw(rows.open_revisions(self.moment)),
            **_compared(table, rows.rows_as_of(staging.cursor, table.id, self.moment)),
        )
        if count:
            raise RestoreError(
                f"{counted(count, 'row')} of {table} would not be as then, because a trigger wrote something else. A rollback would erase "
                "the history that shows it, so nothing was changed. Disable the trigger meanwhile, or use restore_all(), which records it."
            )

    def described(self) -> dict[str, Any]:
        """Return to which revision everything went back, and how much was erased."""
        revisions, versions = self._erased
        return super().described() | {
            "erased_revisions": revisions,
            "erased_versions": versions,
        }


def _compared(table: LiveTable, then: str) -> dict[str, Any]:
    """Return the parts of a statement that compares the rows of a table then, `w`, with those of now, `l`."""
    return {
        "then": raw(then),
        "live": name_of(table),
        "same": same(table.key, "w", "l"),
        "gone": composed("{key} IS NULL", key=column(table.key[0], "l")),
        "new": composed("{key} IS NULL", key=column(table.key[0], "w")),
        "changed": differs(table, table.restorable),
    }
