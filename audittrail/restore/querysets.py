"""The methods of past querysets that bring their rows back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from audittrail.exceptions import RestoreError
from audittrail.restore.plan import OnConflict, Plan
from audittrail.restore.restoring import Restoring
from audittrail.restore.undeleting import Undeleting
from audittrail.timetravel.queryset import PastQuerySetMixin
from audittrail.timetravel.scope import DELETED


def restore(
    self: Any,
    fields: Sequence[str] | None = None,
    *,
    with_related: bool = False,
    dry_run: bool = False,
    on_conflict: OnConflict = "refuse",
) -> Plan:
    """Bring the objects of this past queryset back to what they were: in the present, in one transaction, as a new revision.

    What changed since is changed back, what was deleted is inserted again with its key, and the rest is left alone. Takes names of
    fields, many-to-many and inherited ones included, by default all; an object that was deleted always comes back whole.
    `with_related` brings back what the rows refer to and what is gone, too. `dry_run` only returns the plan. `on_conflict="skip"`
    leaves out rows that have conflicts, and says so in the plan's conflicts.

    No model signals are sent; the tables' triggers fire.

    Raises `RestoreConflictError` if something stands in the way, `RestoreError` for fields that can't be restored and for a
    sliced or combined queryset, `TrackedLaterError` if the model was not tracked then, `LockedError` if others hold the rows.
    """
    if _is_deleted(self):
        if fields is not None:
            raise RestoreError("Deleted objects come back whole; leave out `fields`.")
        return undelete(self, with_related=with_related, dry_run=dry_run, on_conflict=on_conflict)
    recipe = Restoring(self, fields, with_related=with_related)
    return recipe.run(dry_run=dry_run, on_conflict=on_conflict)


def undelete(
    self: Any,
    *,
    with_cascade: bool = False,
    with_related: bool = False,
    dry_run: bool = False,
    on_conflict: OnConflict = "refuse",
) -> Plan:
    """Bring back the objects of `Model.history.deleted()` as they last were.

    `with_cascade` brings back what the same revision deleted along with them: rows that referred to them, and to those, many-to-many
    rows included. The other arguments and the errors are those of `restore`.

    Raises `RestoreError` for another queryset.
    """
    if not _is_deleted(self):
        name = self.model.__name__
        raise RestoreError(
            f"undelete() is for {name}.history.deleted(). To bring objects back as of a revision, deleted ones included, use "
            f"{name}.history(revision=...).restore()."
        )
    recipe = Undeleting(self, with_cascade=with_cascade, with_related=with_related)
    return recipe.run(dry_run=dry_run, on_conflict=on_conflict)


def _is_deleted(queryset: Any) -> bool:
    scope = queryset.query.scope
    return scope is not None and scope.kind == DELETED


def install() -> None:
    """Give past querysets these methods."""
    past: Any = PastQuerySetMixin
    past.restore, past.undelete = restore, undelete
