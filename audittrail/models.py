"""The models that Django finds: `Revision`. Version models are made for each tracked model, see `revisions.versions`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import DEFAULT_DB_ALIAS, models

from audittrail.diff.database import DatabaseComparison, compare_database
from audittrail.restore.plan import OnConflict, Plan
from audittrail.restore.undoing import Undoing
from audittrail.restore.whole import RestoringAll, RollingBack
from audittrail.revisions.models import BaseRevision
from audittrail.timetravel import changes, moment

__all__ = ["Revision"]


class Revision(BaseRevision):
    """A revision, with what can be asked of the state that it left, and what brings it back."""

    class Meta(BaseRevision.Meta):
        pass

    def compare(self, other: BaseRevision | datetime | None = None) -> DatabaseComparison:
        """Return how the whole database differs between this revision and a later one, or a datetime, by default now.

        Raises `MomentError` if the other comes first, or is of another database.
        """
        using = moment.live_alias(self._state.db or DEFAULT_DB_ALIAS)
        return compare_database(self, other, using)

    def get_changed_objects(self, clss: type[models.Model]) -> Any:
        """Return the objects of a model that this revision changed, as a queryset.

        Inserted and updated ones are as the revision left them, deleted ones as they last were. Each has its
        `history_operation`, a value of `Operation`.

        Raises `NotTrackedError` if the model is not tracked, `MomentError` while the revision is open.
        """
        return changes.changed_objects(self, clss)

    def get_all_changed_objects(self) -> changes.ChangedObjects:
        """Return the same for every model: iterating yields the objects of all of them, each with its `history_operation`.

        `[Model]` gives those of one model as a queryset, `models` the models, and `items()` each model with its queryset.

        Raises `MomentError` while the revision is open.
        """
        moment.resolve(self)
        return changes.ChangedObjects(self)

    def undo(self, *, dry_run: bool = False, on_conflict: OnConflict = "refuse") -> Plan:
        """Reverse exactly what this revision changed, field by field, as a new revision.

        What it inserted is deleted, what it deleted is inserted again, and the fields that it changed get the values from before. A field
        that a later revision has changed again is a conflict: `"refuse"` changes nothing then, `"skip"` leaves such fields and rows as
        they are, `"override"` wins over the later changes. `dry_run` only returns the plan.

        Raises `RestoreConflictError` if something stands in the way, `MomentError` while the revision is open.
        """
        return Undoing(self).run(dry_run=dry_run, on_conflict=on_conflict)

    def restore_all(self, *, dry_run: bool = False, on_conflict: OnConflict = "refuse") -> Plan:
        """Bring every tracked table back to the state that this revision left, in one transaction, as a new revision.

        Tables are locked against writers meanwhile. `dry_run` only returns the plan. `on_conflict="skip"` leaves out rows that
        something stands in the way of, and tables that were not tracked then.

        Raises `RestoreConflictError`, `LockedError` if a table stays locked by others.
        """
        return RestoringAll(self).run(dry_run=dry_run, on_conflict=on_conflict)

    def rollback_all_later_revisions(
        self, *, dry_run: bool = False, on_conflict: OnConflict = "refuse"
    ) -> Plan:
        """Bring every tracked table back to the state that this revision left, and erase all later revisions with their history.

        What stays is one revision that says who did it, when, and how much was erased. Arguments and errors are those of
        `restore_all`, but `on_conflict="skip"` leaves out tables that were not tracked then and nothing else; only a role that may
        change history can do it.
        """
        return RollingBack(self).run(dry_run=dry_run, on_conflict=on_conflict)
