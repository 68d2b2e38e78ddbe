"""Bring the whole database back to a revision: as a new revision, or with everything later erased."""

from __future__ import annotations

from typing import Any, ClassVar

from django.utils.translation import gettext as _

from audittrail.admin.bringing_back.previews import Preview
from audittrail.admin.bringing_back.revision_flow import RevisionProposal
from audittrail.admin.display.names import Names
from audittrail.admin.display.times import When
from audittrail.restore.plan import OnConflict, Plan
from audittrail.timetravel.moment import Moment, resolve

#: The name of the field into which the revision's number is typed.
CONFIRMATION = "confirmation"


class RestoringAll(RevisionProposal):
    """To restore everything: the permission for that stands for those of all rows."""

    page: ClassVar[str] = "restore_all"
    allowed: ClassVar[tuple[OnConflict, ...]] = ("refuse", "skip")

    @property
    def title(self) -> str:
        """The title of the page."""
        return _("Restore everything to revision %(number)s") % {"number": self.revision.pk}

    @property
    def then(self) -> Moment | None:
        """The moment that the revision left."""
        return resolve(self.revision)

    def conflict_labels(self) -> dict[str, str]:
        """Return what each way to deal with conflicts does, in words."""
        return {
            "refuse": _("Do nothing at all if something stands in the way"),
            "skip": _("Leave out what something stands in the way of, and restore the rest"),
        }

    def plan(self) -> Plan:
        """Make the plan."""
        plan: Plan = self.revision.restore_all(dry_run=True, on_conflict=self.on_conflict)
        return plan

    def refusal(self, plan: Plan) -> str:
        """Refuse nothing more."""
        return ""

    def said(self, plan: Plan) -> str:
        """Say to what everything was restored."""
        return _("Everything was restored to revision %(number)s of %(when)s.") % {
            "number": self.revision.pk,
            "when": When(self.revision.committed_at).exact,
        }


class RollingBack(RestoringAll):
    """To roll back; what is erased can't be brought back by anything, so the revision's number is to be typed."""

    page: ClassVar[str] = "roll_back"
    #: Rows that are left out would not be what their history says.
    allowed: ClassVar[tuple[OnConflict, ...]] = ("refuse",)

    @property
    def title(self) -> str:
        """The title of the page."""
        return _("Roll back to revision %(number)s") % {"number": self.revision.pk}

    def conflict_labels(self) -> dict[str, str]:
        """Return nothing: there is no choice."""
        return {}

    def plan(self) -> Plan:
        """Make the plan."""
        plan: Plan = self.revision.rollback_all_later_revisions(dry_run=True)
        return plan

    def context(self, shown: Preview, names: Names) -> dict[str, Any]:
        """Return how much is erased as well."""
        revisions, versions = shown.plan.erased or (0, 0)
        return {
            **super().context(shown, names),
            "erased_revisions": revisions,
            "erased_versions": versions,
            "confirmation": self.given.get(CONFIRMATION, ""),
        }

    def unconfirmed(self) -> str:
        """Ask for the number of the revision, if it was not typed."""
        if self.given.get(CONFIRMATION, "").strip() == str(self.revision.pk):
            return ""
        return _(
            "Nothing was done: type the number of the revision, %(number)s, to confirm that later history is to be erased."
        ) % {"number": self.revision.pk}

    def said(self, plan: Plan) -> str:
        """Say to what everything was rolled back, and how much was erased."""
        revisions, versions = plan.erased or (0, 0)
        return _(
            "Everything was rolled back to revision %(number)s; %(revisions)d revisions with %(versions)d versions were erased."
        ) % {
            "number": self.revision.pk,
            "revisions": revisions,
            "versions": versions,
        }
