"""Run a restoring call: stage its rows, look for conflicts, tell the plan, and, unless that was all, carry it out in one transaction."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any, ClassVar, Final

from django.db import DatabaseError, connections, transaction

from audittrail import conf
from audittrail.capture.locking import patiently, sqlstate
from audittrail.exceptions import RestoreConflictError, RestoreError, StalePlanError
from audittrail.restore import carrying_out, conflicts, table_plans
from audittrail.restore.constraints import Constraints
from audittrail.restore.plan import NOTHING, Conflict, LeftAlone, Note, OnConflict, Plan
from audittrail.restore.staging import Staging
from audittrail.revisions.context import context

#: How often a restore that others keep from a lock is tried.
ATTEMPTS: Final = 3

#: The key of a revision's context that says what was restored.
CONTEXT: Final = "restored"


class Recipe(ABC):
    """One kind of restoring call, with what it was asked for."""

    kind: ClassVar[str]
    #: What may be said about conflicts.
    allowed: ClassVar[tuple[str, ...]] = ("refuse", "skip")

    #: The present database, and the number of the revision that the call is about.
    using: str
    revision: int | None = None
    #: Whether rows may be staged with which nothing is done because of a conflict.
    holds_rows: ClassVar[bool] = False

    @abstractmethod
    def stage(self, staging: Staging, on_conflict: OnConflict) -> list[Conflict]:
        """Stage the rows; return the conflicts that are known already."""

    @abstractmethod
    def described(self) -> dict[str, Any]:
        """Return what the new revision's context is to say about it."""

    def settle(self, staging: Staging, on_conflict: OnConflict) -> None:  # noqa: B027 (most have nothing to settle)
        """Do what is left to do with the staged rows once those are gone that are left out."""

    def erased(self, staging: Staging) -> tuple[int, int] | None:
        """Return how many revisions and versions are erased, if any are to be."""
        return None

    def blocking(self, plan: Plan, on_conflict: OnConflict) -> tuple[Conflict, ...]:
        """Return the conflicts because of which the plan is not carried out."""
        return () if on_conflict == "skip" else plan.conflicts

    def finish(self, staging: Staging) -> None:  # noqa: B027 (most have nothing left to do)
        """Do what is left to do after the rows are written."""

    def run(
        self,
        *,
        on_conflict: OnConflict,
        dry_run: bool = False,
        digest: str | None = None,
        left_out: LeftAlone = NOTHING,
    ) -> Plan:
        """Make the plan, and carry it out unless `dry_run`.

        Takes the digest that the plan has to have, if it was made before, and what stays as it is.

        Raises `RestoreConflictError`, `StalePlanError`, `LockedError`, and `RestoreError` for what the database refuses.
        """
        chosen = on_conflict
        if chosen not in self.allowed:
            allowed = ", ".join(repr(name) for name in self.allowed)
            raise RestoreError(f"on_conflict is {on_conflict!r}; {self.kind} knows {allowed}.")
        live: Any = connections[self.using]
        if dry_run:
            with transaction.atomic(using=self.using):
                with live.cursor() as cursor:
                    staging = Staging(live, cursor, locking=False, left_out=left_out)
                    plan: Plan = self._prepare(staging, chosen, tell=True)[0]
                # Only temporary tables were written, and the rollback removes them.
                transaction.set_rollback(True, using=self.using)
            return plan
        return patiently(
            live,
            lambda cursor: self._carried_out(
                Staging(live, cursor, locking=True, left_out=left_out), chosen, digest
            ),
            timeout=conf.lock_timeout(),
            attempts=ATTEMPTS,
            refusal="The rows, or a table, stayed locked by other transactions; nothing was restored. Try again, or raise "
            "AUDITTRAIL_LOCK_TIMEOUT.",
        )

    def _prepare(
        self, staging: Staging, chosen: OnConflict, *, tell: bool
    ) -> tuple[Plan, Constraints]:
        known = self.stage(staging, chosen)
        staging.sweep()
        held = table_plans.held_rows(staging) if tell and self.holds_rows else ()
        self.settle(staging, chosen)
        bound, found = conflicts.find(staging, chosen)
        erased = self.erased(staging)
        plan = Plan(
            self.kind,
            self.using,
            self.revision,
            table_plans.table_plans(staging),
            (*known, *found),
            (*staging.notes, *(self.more_notes(staging) if tell else ())),
            table_plans.digest(staging, erased) if tell else "",
            erased=erased,
            left_out=staging.left_out,
            held=held,
            repeat=lambda **how: self.run(**{"on_conflict": chosen, **how}),
        )
        return plan, bound

    def more_notes(self, staging: Staging) -> list[Note]:
        """Return further notes for a preview, which cost queries."""
        return []

    def _carried_out(self, staging: Staging, chosen: OnConflict, digest: str | None) -> Plan:
        plan, bound = self._prepare(staging, chosen, tell=digest is not None)
        if digest is not None and plan.digest != digest:
            raise StalePlanError(
                "Something has changed since the plan was made, so it would do something else now. Look at the new plan; nothing was changed.",
                plan,
            )
        if blocking := self.blocking(plan, chosen):
            raise RestoreConflictError(_refusal(plan, blocking, can_skip=chosen != "skip"), plan)
        made = None
        if not plan.is_empty:
            with context(**{CONTEXT: self.described() | plan.counts}):
                try:
                    carrying_out.carry_out(staging, bound)
                    self.finish(staging)
                    made = staging.open_revision()
                except DatabaseError as error:
                    if not _is_refusal(error):
                        raise
                    raise RestoreError(
                        f"The database refused the restore: {_said(error)}. Nothing was changed."
                    ) from error
        staging.close()
        return replace(plan, carried_out=True, new_revision=made)


#: Classes of SQLSTATEs that no constraint, trigger or policy raises: connection, transaction, our own mistakes, resources, the operator.
_NO_REFUSAL: Final = ("08", "40", "42", "53", "54", "55", "57", "58", "XX", "AT")


def _is_refusal(error: DatabaseError) -> bool:
    """Return whether a constraint, a trigger or the lack of a privilege said no: what passes by itself is another error."""
    code = sqlstate(error) or "XX"
    return code == "42501" or not code.startswith(_NO_REFUSAL)


def _said(error: DatabaseError) -> str:
    """Return what the database said, without where in its functions it said so."""
    return str(error).partition("\nCONTEXT:")[0].strip().rstrip(".")


def _refusal(plan: Plan, conflicts: tuple[Conflict, ...], *, can_skip: bool) -> str:
    count = sum(conflict.rows for conflict in conflicts)
    first = conflicts[0].message
    more = f" (and {count - 1} more, see the plan)" if count > 1 else ""
    missing = any(conflict.kind == "missing reference" for conflict in plan.conflicts)
    related = (
        ", bring it back too with with_related=True"
        if missing and plan.kind in _WITH_RELATED
        else ""
    )
    text = f"Nothing was changed, because {first}{more}. Look at it with dry_run=True, put it right{related}"
    if not can_skip:
        return f"{text}: what is rolled back can't be left out, since its history is erased."
    return f"{text}, or leave out what is in the way with on_conflict='skip'."


_WITH_RELATED: Final = ("restore", "undelete")
