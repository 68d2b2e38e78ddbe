"""Undo a revision: what it changed goes back, seen first, and then done."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from audittrail.admin import pages, permissions, write_permissions
from audittrail.admin.proposals import answer
from audittrail.admin.refusals import refusing, require_present
from audittrail.admin.revision_proposals import RevisionProposal, find
from audittrail.restore.plan import OnConflict, Plan
from audittrail.timetravel.moment import Moment


@pages.site_page("audittrail/revisions/<int:pk>/undo/", "audittrail_undo", writes=True)
@refusing
def undo(site: AdminSite, request: HttpRequest, pk: int) -> HttpResponseBase:
    """Show what undoing a revision would do, or do it."""
    require_present()
    permissions.require(request, permissions.UNDO)
    return answer(Undoing(*find(site, request, pk)))


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
        return write_permissions.refusal(self.reader, plan)

    def said(self, plan: Plan) -> str:
        """Say what was undone."""
        return _("Revision %(number)s was undone.") % {"number": self.revision.pk}
