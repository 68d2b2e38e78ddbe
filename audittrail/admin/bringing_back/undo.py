"""Undo a revision: what it changed goes back, seen first, and then done."""

from __future__ import annotations

from typing import ClassVar

from django.utils.translation import gettext as _

from audittrail.admin.bringing_back.revision_flow import RevisionProposal
from audittrail.admin.permissions import writes
from audittrail.restore.plan import OnConflict, Plan
from audittrail.timetravel.moment import Moment


class Undoing(RevisionProposal):
    """To undo a revision; besides the permission for that, the user needs those for all rows that it is about."""

    page: ClassVar[str] = "undo"
    allowed: ClassVar[tuple[OnConflict, ...]] = ("refuse", "skip", "override")

    @property
    def title(self) -> str:
        """The title of the page."""
        return _("Undo revision %(number)s") % {"number": self.revision.pk}

    @property
    def then(self) -> Moment | None:
        """The moment before the revision."""
        return Moment(self.reader.database, self.revision.pk - 1)

    def conflict_labels(self) -> dict[str, str]:
        """Return what each way to deal with conflicts does, in words."""
        return {
            "refuse": _("Do nothing at all if a later revision has changed something of it again"),
            "skip": _("Leave what was changed again as it is, and undo the rest"),
            "override": _("Undo that, too: what was before the revision wins over later changes"),
        }

    def plan(self) -> Plan:
        """Make the plan."""
        plan: Plan = self.revision.undo(dry_run=True, on_conflict=self.on_conflict)
        return plan

    def refusal(self, plan: Plan) -> str:
        """Refuse rows that the user may not write."""
        return writes.refusal(self.reader, plan)

    def said(self, plan: Plan) -> str:
        """Say what was undone."""
        return _("Revision %(number)s was undone.") % {"number": self.revision.pk}
