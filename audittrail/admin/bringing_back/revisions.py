"""The three acts upon a revision as a whole: undo it, restore everything to it, roll back to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audittrail.admin.bringing_back.flow import Proposal, revision_address
from audittrail.admin.bringing_back.previews import Preview
from audittrail.admin.display.names import Names
from audittrail.admin.display.revisions import revision_context
from audittrail.admin.display.times import RevisionTime
from audittrail.admin.layout.links import Link, revision_url, site_url
from audittrail.admin.permissions.models import RESTORE_ALL, ROLL_BACK, UNDO
from audittrail.admin.permissions.readers import Reader
from audittrail.restore.plan import OnConflict, Plan
from audittrail.timetravel.moment import Moment, resolve

#: The name of the field that says what is done about conflicts.
ON_CONFLICT = "on_conflict"
#: The name of the field into which the revision's number is typed.
CONFIRMATION = "confirmation"


@dataclass(frozen=True)
class ConflictChoice:
    """What can be done about conflicts, in words."""

    value: str
    label: str
    is_chosen: bool


class RevisionProposal(Proposal):
    """To do something with a revision as a whole."""

    is_whole = True
    #: The last part of the page's address, and the permission that it needs.
    route: ClassVar[str]
    permission: ClassVar[str]
    #: The title of the page, with a place for the revision's number.
    title: ClassVar[Any]
    #: What may be done about conflicts, in words, the default first; if there is no choice, nothing at all is done.
    conflict_labels: ClassVar[Mapping[OnConflict, Any]] = {}

    def __init__(self, reader: Reader, revision: Any) -> None:
        super().__init__(reader.site, reader)
        self.revision = revision
        self.then = resolve(revision)
        wanted = self.given.get(ON_CONFLICT)
        chosen = [choice for choice in self.conflict_labels if choice == wanted]
        self.on_conflict = chosen[0] if chosen else "refuse"

    @property
    def options(self) -> str:
        """What is done about conflicts."""
        return self.on_conflict

    def context(self, shown: Preview, names: Names) -> dict[str, Any]:
        """Return the revision, and what can be chosen."""
        site = self.reader.site
        number = str(self.revision.pk)
        title = self.title % {"number": number}
        url = revision_url(site, self.revision)
        return {
            "title": title,
            "breadcrumbs": [
                Link(_("Revisions"), site_url(site, "audittrail_revisions")),
                Link(_("Revision %(number)s") % {"number": number}, url),
            ],
            "breadcrumb": title,
            **revision_context(self.reader, self.revision),
            # As text, since a template would put marks between the thousands of a number.
            "number": number,
            "conflict_choices": [
                ConflictChoice(value, label, value == self.on_conflict)
                for value, label in self.conflict_labels.items()
            ],
            "back_url": url or site_url(site, "index"),
        }

    def succeeded(self, plan: Plan) -> str:
        """Go on to the page of the new revision, which tells all of it, where the user may see that."""
        address = None
        if plan.new_revision is not None:
            address = revision_address(self.reader, plan.new_revision)
        return address or str(site_url(self.reader.site, "index"))


class UndoProposal(RevisionProposal):
    """To undo a revision; besides the permission for that, the user needs those for each row that is undone."""

    page = "undo"
    route = "undo"
    permission = UNDO
    title = gettext_lazy("Undo revision %(number)s")
    conflict_labels: ClassVar[Mapping[OnConflict, Any]] = {
        "refuse": gettext_lazy(
            "Do nothing at all if a later revision has changed something of it again"
        ),
        "skip": gettext_lazy("Leave what was changed again as it is, and undo the rest"),
        "override": gettext_lazy(
            "Undo that, too: what was before the revision wins over later changes"
        ),
    }

    def __init__(self, reader: Reader, revision: Any) -> None:
        super().__init__(reader, revision)
        # What comes back is called as it was just before the revision.
        self.then = Moment(reader.database, revision.pk - 1)

    def plan(self) -> Plan:
        """Make the plan."""
        plan: Plan = self.revision.undo(dry_run=True, on_conflict=self.on_conflict)
        return plan

    def said(self, plan: Plan) -> str:
        """Say what was undone."""
        return _("Revision %(number)s was undone.") % {"number": self.revision.pk}


class RestoreAllProposal(RevisionProposal):
    """To restore everything."""

    page = "restore_all"
    route = "restore"
    permission = RESTORE_ALL
    title = gettext_lazy("Restore everything to revision %(number)s")
    conflict_labels: ClassVar[Mapping[OnConflict, Any]] = {
        "refuse": gettext_lazy("Do nothing at all if something stands in the way"),
        "skip": gettext_lazy("Leave out rows that have conflicts, and restore the rest"),
    }

    def plan(self) -> Plan:
        """Make the plan."""
        plan: Plan = self.revision.restore_all(dry_run=True, on_conflict=self.on_conflict)
        return plan

    def said(self, plan: Plan) -> str:
        """Say to what everything was restored."""
        return _("Everything was restored to revision %(number)s of %(when)s.") % {
            "number": self.revision.pk,
            "when": RevisionTime(self.revision.committed_at).exact,
        }


class RollbackProposal(RestoreAllProposal):
    """To roll back; what is erased can't be brought back by anything, so the revision's number is to be typed."""

    page = "roll_back"
    # What is left out would differ from its newest version, once the later ones are erased.
    leaves_out = False
    route = "roll-back"
    permission = ROLL_BACK
    title = gettext_lazy("Roll back to revision %(number)s")
    # There is no choice about conflicts either.
    conflict_labels: ClassVar[Mapping[OnConflict, Any]] = {}

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
            "Everything was rolled back to revision %(number)s. Erased revisions: %(revisions)d; erased versions: %(versions)d."
        ) % {
            "number": self.revision.pk,
            "revisions": revisions,
            "versions": versions,
        }
