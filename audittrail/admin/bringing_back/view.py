"""The addresses of the five acts that bring something back; each shows first what it would do, and does it by POST."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite, ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from audittrail.admin.bringing_back.flow import answer
from audittrail.admin.bringing_back.restore import Restoration
from audittrail.admin.bringing_back.revision_flow import find
from audittrail.admin.bringing_back.undelete import Undeletion
from audittrail.admin.bringing_back.undo import Undoing
from audittrail.admin.bringing_back.whole_database import RestoringAll, RollingBack
from audittrail.admin.layout import pages
from audittrail.admin.layout.links import model_url
from audittrail.admin.layout.refusals import refusing, require_present
from audittrail.admin.objects import subjects
from audittrail.admin.permissions.models import RESTORE_ALL, ROLL_BACK, UNDO, require
from audittrail.revisions.models import BaseRevision
from audittrail.timetravel.moment import resolve


@pages.model_page(
    "<path:object_id>/history/<int:version>/restore/", "audittrail_restore", writes=True
)
@refusing
def restore(
    model_admin: ModelAdmin[Any], request: HttpRequest, object_id: str, version: int
) -> HttpResponseBase:
    """Show what restoring an object as of a version would do, or do it."""
    require_present()
    reader = subjects.reader_of(model_admin, request)
    key = subjects.key_of(model_admin, object_id)
    subjects.require_seen(model_admin, reader, key)
    model = model_admin.model
    found = subjects.find_version(model, key, version, reader.database)
    if found is None:
        raise Http404(_("This object has no such version."))
    live = subjects.present(model, key, reader.database)
    revision: BaseRevision | None = found.revision
    then = subjects.past(model, key, resolve(found.revision)).first()
    if then is None:
        gone = subjects.deleted(model, reader.database).filter(pk=key).first()
        if live is None and gone is not None and gone.history_revision == found.revision.pk:
            # As it last was, and with what was deleted along, if that is wanted.
            return HttpResponseRedirect(str(model_url(model_admin, "audittrail_undelete", pk=key)))
        revision = subjects.before(found.revision)
        then = revision and subjects.past(model, key, resolve(revision)).first()
    if then is None or revision is None:
        raise Http404(_("This object did not exist then."))
    if not (
        model_admin.has_add_permission(request)
        if live is None
        else model_admin.has_change_permission(request, live)
    ):
        raise PermissionDenied
    return answer(Restoration(model_admin, reader, revision, found, then, live))


@pages.model_page("audittrail/deleted/undelete/", "audittrail_undelete", writes=True)
@refusing
def undelete(model_admin: ModelAdmin[Any], request: HttpRequest) -> HttpResponseBase:
    """Show what undeleting the chosen objects would do, or do it."""
    require_present()
    reader = subjects.reader_of(model_admin, request)
    if not model_admin.has_view_permission(request) or not model_admin.has_add_permission(request):
        raise PermissionDenied
    return answer(Undeletion(model_admin, reader))


@pages.site_page("audittrail/revisions/<int:pk>/undo/", "audittrail_undo", writes=True)
@refusing
def undo(site: AdminSite, request: HttpRequest, pk: int) -> HttpResponseBase:
    """Show what undoing a revision would do, or do it."""
    require_present()
    require(request, UNDO)
    return answer(Undoing(*find(site, request, pk)))


@pages.site_page("audittrail/revisions/<int:pk>/restore/", "audittrail_restore_all", writes=True)
@refusing
def restore_all(site: AdminSite, request: HttpRequest, pk: int) -> HttpResponseBase:
    """Show what restoring everything to a revision would do, or do it."""
    require_present()
    require(request, RESTORE_ALL)
    return answer(RestoringAll(*find(site, request, pk)))


@pages.site_page("audittrail/revisions/<int:pk>/roll-back/", "audittrail_roll_back", writes=True)
@refusing
def roll_back(site: AdminSite, request: HttpRequest, pk: int) -> HttpResponseBase:
    """Show what rolling back to a revision would do, or do it."""
    require_present()
    require(request, ROLL_BACK)
    return answer(RollingBack(*find(site, request, pk)))
