"""What all pages that bring something back have in common: first a preview, then a POST that does exactly what was previewed.

The form posts a seal of the plan that was shown. The plan is made again: if it would do something else by now, that is shown
instead, and nothing is done. A GET only ever previews.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from django.contrib import messages
from django.contrib.admin import AdminSite, ModelAdmin
from django.http import HttpRequest, HttpResponseRedirect, QueryDict
from django.http.response import HttpResponseBase
from django.utils.html import format_html
from django.utils.translation import gettext as _

from audittrail.admin.bringing_back.leaving_out import permitted
from audittrail.admin.bringing_back.previews import Preview, preview
from audittrail.admin.bringing_back.seals import is_sealed, seal
from audittrail.admin.display.names import Names
from audittrail.admin.layout.links import revision_url
from audittrail.admin.layout.refusals import Refusal, refused
from audittrail.admin.layout.responses import page_response
from audittrail.admin.objects.revisions import seen_revision
from audittrail.admin.permissions import writes
from audittrail.admin.permissions.lacks import Lack, Writing
from audittrail.admin.permissions.models import is_superuser
from audittrail.admin.permissions.readers import Reader
from audittrail.exceptions import RestoreConflictError, StalePlanError
from audittrail.restore.plan import OnConflict, Plan
from audittrail.revisions.context import context
from audittrail.timetravel.moment import Moment

#: The names of what the form posts beside the options of a page.
DIGEST: Final = "digest"
OPTIONS: Final = "options"
REASON: Final = "reason"
#: The button that asks for another preview.
PREVIEW: Final = "_preview"

#: Characters of a reason that are taken.
LONGEST_REASON: Final = 1_000


class Proposal(ABC):
    """What one of the acts offers to do with the options of a request: its plan, who may carry it out, and its words."""

    #: The name of the page's template, and what is done about conflicts.
    page: ClassVar[str]
    on_conflict: OnConflict = "refuse"
    #: The moment whose names the values have that come back; None for those that they last had.
    then: Moment | None = None
    #: The ModelAdmin whose objects the plan is about, and that writes them; None for those of all models.
    written_by: ModelAdmin[Any] | None = None
    #: Whether what is referred to and deleted comes back as well; None where that can't be chosen.
    with_related: bool | None = None
    #: Whether what the user may not write is left out; otherwise nothing at all is done because of it.
    leaves_out: ClassVar[bool] = True
    #: Whether it is about a revision as a whole, of which somebody else may expect more than its user could do.
    is_whole: ClassVar[bool] = False
    #: What is left out and appears to the user.
    left_out: Sequence[Lack] = ()
    #: What the plan writes that the add page would not let the user write, in words: they may undelete completely.
    completed: Sequence[str] = ()

    def __init__(self, owner: ModelAdmin[Any] | AdminSite, reader: Reader) -> None:
        self.owner = owner
        self.reader = reader
        self.request: HttpRequest = reader.request
        given = self.request.POST if self.request.method == "POST" else self.request.GET
        self.given: QueryDict = given

    @property
    @abstractmethod
    def options(self) -> str:
        """What was chosen, as one text: to tell another choice from other data."""

    @abstractmethod
    def plan(self) -> Plan:
        """Make the plan, without carrying it out."""

    def permitted_plan(self) -> tuple[Plan, str]:
        """Return the plan without what the user may not write, and why they may not carry it out, "" if they may.

        Each row and field that it writes is asked about. Of what does not appear to the user nothing is told, neither that it is left
        out nor that something is.
        """
        plan = self.plan()
        if not self.leaves_out:
            writing = Writing(self.reader, plan)
            why = writes.refusal(self.reader, writes.lacks(writing, self.written_by))
            self.completed = writes.completed(writing)
            return plan, why
        found = permitted(self.reader, plan, self.written_by, self.on_conflict)
        self.completed = found.completed
        self.left_out = writes.appearing(self.reader, found.lacks)
        is_nothing = found.plan.is_empty and not found.plan.conflicts
        return found.plan, writes.refusal(self.reader, self.left_out) if is_nothing else ""

    @abstractmethod
    def context(self, shown: Preview, names: Names) -> dict[str, Any]:
        """Return what the page shows beside the preview."""

    @abstractmethod
    def succeeded(self, plan: Plan) -> str:
        """Note what was done where Django's admin would, and return the address to go on to."""

    @abstractmethod
    def said(self, plan: Plan) -> str:
        """Return in words what was done."""

    def unconfirmed(self) -> str:
        """Return what is missing of the confirmation, "" if nothing is."""
        return ""


@dataclass(frozen=True)
class Problem:
    """Why a posted form was not carried out: what is said above the new preview, and the status of the response."""

    text: str
    status: int = 200


def answer(proposal: Proposal) -> HttpResponseBase:
    """Answer a request: show the preview, or carry it out if that is what was posted, and nothing has changed."""
    request = proposal.request
    plan, why = proposal.permitted_plan()
    if why:
        return refused(proposal.owner, request, Refusal(why, 403))
    if request.method != "POST" or PREVIEW in request.POST:
        return _shown(proposal, plan, None)
    if (problem := _problem(proposal, plan)) is not None:
        return _shown(proposal, plan, problem)
    return _carried_out(proposal, plan)


def _problem(proposal: Proposal, plan: Plan) -> Problem | None:
    """Return why a posted form is not carried out."""
    posted = proposal.request.POST
    if not posted.get(DIGEST):
        return Problem(_("Nothing was done: look at the preview first, and confirm it."), 400)
    if not is_sealed(posted[DIGEST], proposal.reader, plan, proposal.options):
        if posted.get(OPTIONS, proposal.options) != proposal.options:
            return Problem(
                _("Nothing was done yet: this is the preview of what you have chosen now.")
            )
        return _changed_since()
    if plan.is_empty:
        return Problem(_("Nothing was done, because nothing would change."))
    if missing := proposal.unconfirmed():
        return Problem(missing, 400)
    return None


def _changed_since() -> Problem:
    text = _(
        "Nothing was done, because something has changed since the preview. This is what would be done now."
    )
    return Problem(text, 409)


def _carried_out(proposal: Proposal, plan: Plan) -> HttpResponseBase:
    request = proposal.request
    said: dict[str, Any] = {"user": request.user}
    if proposal.is_whole and not is_superuser(request):
        # Whatever was left out: whoever reads of it later is told that it went as far as its author could.
        said["within_rights"] = True
    if reason := request.POST.get(REASON, "").strip()[:LONGEST_REASON]:
        said["reason"] = reason
    try:
        with context(**said):
            done = plan.carry_out()
    except StalePlanError:
        # What is there now has not been asked about yet.
        plan, why = proposal.permitted_plan()
        if why:
            return refused(proposal.owner, request, Refusal(why, 403))
        return _shown(proposal, plan, _changed_since())
    except RestoreConflictError as error:
        text = _("Nothing was done, because something stands in the way; see the conflicts.")
        return _shown(proposal, error.plan, Problem(text, 409))
    address = proposal.succeeded(done)
    messages.success(request, _message(proposal, done))
    return HttpResponseRedirect(address)


def _message(proposal: Proposal, done: Plan) -> str:
    said = proposal.said(done)
    if proposal.left_out:
        left_out = _("What you may not write was left out.")
        said = f"{said} {left_out}"
    if done.new_revision is None:
        return said
    address = revision_address(proposal.reader, done.new_revision)
    text = _("revision %(number)s") % {"number": done.new_revision}
    link = format_html('<a href="{}">{}</a>', address, text) if address else text
    return format_html(_("{said} See {revision}."), said=said, revision=link)


def revision_address(reader: Reader, number: int) -> str | None:
    """Return the address of the page of a revision, None if none of its rows appears to the reader: it would not be found."""
    revision = seen_revision(reader, number)
    return None if revision is None else revision_url(reader.site, revision)


def _shown(proposal: Proposal, plan: Plan, problem: Problem | None) -> HttpResponseBase:
    request = proposal.request
    names = Names(proposal.reader, then=proposal.then, falls_back=True)
    shown = preview(proposal.reader, plan, names, proposal.left_out)
    given = {
        "preview": shown,
        "completed": proposal.completed,
        "is_limited": proposal.leaves_out and not is_superuser(request),
        "problem": problem.text if problem else "",
        "digest": seal(proposal.reader, plan, proposal.options),
        "posted_options": proposal.options,
        "reason": proposal.given.get(REASON, "")[:LONGEST_REASON],
        "longest_reason": LONGEST_REASON,
        "may_bring_related": proposal.with_related is False and shown.lacks_references,
        "can_be_carried_out": not plan.is_empty
        and (not plan.conflicts or proposal.on_conflict == "skip"),
    }
    return page_response(
        proposal.owner,
        request,
        proposal.page,
        {**given, **proposal.context(shown, names)},
        status=problem.status if problem else 200,
    )
