"""The addresses of the acts that bring something back; each shows first what it would do, and does it by POST."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite, ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from audittrail.admin.bringing_back.flow import answer
from audittrail.admin.bringing_back.restore import RestoreProposal
from audittrail.admin.bringing_back.revisions import (
    RestoreAllProposal,
    RevisionProposal,
    RollbackProposal,
    UndoProposal,
)
from audittrail.admin.bringing_back.undelete import UndeleteProposal
from audittrail.admin.bringing_back.undo_change import UndoChangeProposal
from audittrail.admin.layout import pages
from audittrail.admin.layout.links import model_url
from audittrail.admin.layout.refusals import refusing, require_present
from audittrail.admin.objects.lookup import Subject, find
from audittrail.admin.objects.revisions import (
    NumberedVersion,
    before,
    reachable_revision,
    version_of,
)
from audittrail.admin.permissions.models import (
    may_add,
    require_permission,
    require_view,
)
from audittrail.admin.permissions.readers import reader_of_model, require_reader


@pages.model_page(
    "<path:object_id>/audittrail/<audittrail_number:version>/restore/",
    "audittrail_restore",
    writes=True,
)
@refusing
def restore(
    model_admin: ModelAdmin[Any], request: HttpRequest, object_id: str, version: int
) -> HttpResponseBase:
    """Show what restoring an object as of a version would do, or do it."""
    subject, found = _entry(model_admin, request, object_id, version)
    revision = found.revision
    was = subject.past(revision).first()
    if was is None:
        if subject.is_deleted and subject.obj.history_revision == revision.pk:
            # The revision deleted it: undeleting brings back the same state, and can bring back what was deleted along with it.
            undelete_url = model_url(model_admin, "audittrail_undelete", pk=subject.pk)
            return HttpResponseRedirect(str(undelete_url))
        earlier = before(revision)
        was = earlier and subject.past(earlier).first()
        if earlier is None or was is None:
            raise Http404(_("This object did not exist then."))
        revision = earlier
    if not subject.may_be_restored(request):
        raise PermissionDenied
    return answer(RestoreProposal(subject, was, revision, found))


@pages.model_page(
    "<path:object_id>/audittrail/<audittrail_number:version>/undo/",
    "audittrail_undo_change",
    writes=True,
)
@refusing
def undo_change(
    model_admin: ModelAdmin[Any], request: HttpRequest, object_id: str, version: int
) -> HttpResponseBase:
    """Show what it would do to an object to undo what a revision changed of it, or do it."""
    subject, found = _entry(model_admin, request, object_id, version)
    if subject.is_deleted:
        # It comes back as a whole, or as it was at a moment; a change of it is undone afterwards.
        undelete_url = model_url(model_admin, "audittrail_undelete", pk=subject.pk)
        return HttpResponseRedirect(str(undelete_url))
    earlier = before(found.revision)
    was = earlier and subject.past(earlier).first()
    if earlier is None or was is None:
        raise Http404(_("This object did not exist before."))
    if not subject.may_be_restored(request):
        raise PermissionDenied
    return answer(UndoChangeProposal(subject, was, earlier, found))


def _entry(
    model_admin: ModelAdmin[Any], request: HttpRequest, object_id: str, version: int
) -> tuple[Subject, NumberedVersion]:
    """Return an object and the version of it that an address names."""
    require_present()
    subject = find(model_admin, request, object_id)
    found = version_of(subject, version)
    if found is None:
        raise Http404(_("This object has no such version."))
    return subject, found


@pages.model_page("audittrail/deleted/undelete/", "audittrail_undelete", writes=True)
@refusing
def undelete(model_admin: ModelAdmin[Any], request: HttpRequest) -> HttpResponseBase:
    """Show what undeleting the chosen objects would do, or do it."""
    require_present()
    require_view(request, model_admin)
    reader = reader_of_model(model_admin, request)
    if not may_add(request, model_admin):
        raise PermissionDenied
    if not reader.revisions.exists():
        raise Http404(_("Nothing has been recorded in this database yet."))
    return answer(UndeleteProposal(model_admin, reader))


def _add_revision_page(act: type[RevisionProposal]) -> None:
    """Add the page of an act upon a revision, which shows what it would do, or does it."""

    def view(site: AdminSite, request: HttpRequest, pk: int) -> HttpResponseBase:
        require_present()
        require_permission(request, act.permission)
        reader = require_reader(site, request)
        revision = reachable_revision(reader, pk)
        if revision is None:
            raise Http404(_("There is no revision %(number)s.") % {"number": pk})
        return answer(act(reader, revision))

    route = f"audittrail/revisions/<audittrail_number:pk>/{act.route}/"
    pages.site_page(route, f"audittrail_{act.page}", writes=True)(refusing(view))


for _act in (UndoProposal, RestoreAllProposal, RollbackProposal):
    _add_revision_page(_act)
