"""What the pages have in common that reverse a revision or go back to one: the revision, and what is done about conflicts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

from django.contrib.admin import AdminSite
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from audittrail.admin.bringing_back.flow import Proposal, revision_address
from audittrail.admin.bringing_back.previews import Preview
from audittrail.admin.display.authors import authors
from audittrail.admin.display.names import Names
from audittrail.admin.display.times import When
from audittrail.admin.layout.links import Link, revision_url, site_url
from audittrail.admin.layout.refusals import Refusal, refused
from audittrail.admin.layout.responses import site_response
from audittrail.admin.permissions.readers import Reader, reader
from audittrail.restore.plan import OnConflict, Plan

#: The numbers that PostgreSQL's bigint can't hold begin here.
LARGEST: Final = 2**63

#: The name of the field that says what is done about conflicts.
ON_CONFLICT = "on_conflict"


@dataclass(frozen=True)
class ConflictChoice:
    """What can be done about conflicts, in words."""

    value: str
    label: str
    is_chosen: bool


class RevisionProposal(Proposal):
    """To do something with a revision as a whole."""

    #: What may be done about conflicts, the default first.
    allowed: ClassVar[tuple[OnConflict, ...]] = ("refuse",)

    def __init__(self, reader: Reader, revision: Any) -> None:
        super().__init__(reader)
        self.revision = revision
        wanted = self.given.get(ON_CONFLICT)
        self.on_conflict: OnConflict = next(
            (choice for choice in self.allowed if choice == wanted), self.allowed[0]
        )

    @property
    def title(self) -> str:
        """The title of the page."""
        raise NotImplementedError

    @property
    def options(self) -> str:
        """What is done about conflicts."""
        return self.on_conflict

    def conflict_labels(self) -> dict[str, str]:
        """Return what each way to deal with conflicts does, in words."""
        return {}

    def context(self, shown: Preview, names: Names) -> dict[str, Any]:
        """Return the revision, and what can be chosen."""
        site, request = self.reader.site, self.reader.request
        labels = self.conflict_labels()
        number = str(self.revision.pk)
        url = revision_url(site, self.revision)
        return {
            "title": self.title,
            "breadcrumbs": [
                Link(_("Revisions"), site_url(site, "audittrail_revisions")),
                Link(_("Revision %(number)s") % {"number": number}, url),
            ],
            "breadcrumb": self.title,
            "revision": self.revision,
            # As text: numbers would be grouped.
            "number": number,
            "revision_url": url,
            "when": When(self.revision.committed_at),
            "author": authors(site, request, [self.revision]).get(self.revision.committed_by_id),
            "conflict_choices": [
                ConflictChoice(value, labels[value], value == self.on_conflict)
                for value in self.allowed
                if value in labels
            ],
            "back_url": url or site_url(site, "index"),
        }

    def respond(self, context: dict[str, Any], status: int) -> HttpResponseBase:
        """Return the page."""
        return site_response(self.reader.site, self.request, self.page, context, status=status)

    def refuse(self, refusal: Refusal) -> HttpResponseBase:
        """Return the page that says why nothing is done."""
        return refused(self.reader.site, self.request, refusal)

    def succeeded(self, plan: Plan) -> str:
        """Go on to the page of the new revision, which tells all of it, where the user may see that."""
        address = None
        if plan.new_revision is not None:
            address = revision_address(self.reader, plan.new_revision)
        return address or str(site_url(self.reader.site, "index"))


def find(site: AdminSite, request: HttpRequest, pk: int) -> tuple[Reader, Any]:
    """Return the reader of the database that a request names, and a revision of it; raise `Http404` if there is none."""
    found = reader(site, request)
    if found is None or not found.is_installed:
        raise Http404(_("No database of this project holds history; run manage.py migrate."))
    revision = found.revisions.filter(pk=pk).first() if pk < LARGEST else None
    if revision is None:
        raise Http404(_("There is no revision %(number)s.") % {"number": pk})
    return found, revision
