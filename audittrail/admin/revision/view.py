"""The page of a revision: who, when, why and from where, and every change of the transaction by model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib.admin import AdminSite
from django.http import Http404, HttpRequest, QueryDict
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from audittrail.admin.display.origins import details
from audittrail.admin.display.revisions import ledger_of_revision, revision_context
from audittrail.admin.layout import pages
from audittrail.admin.layout.links import Link, revision_url, site_url
from audittrail.admin.layout.responses import page_response
from audittrail.admin.lists.model_changes import ModelChanges, model_changes
from audittrail.admin.objects.revisions import beside, revision_of
from audittrail.admin.permissions.models import (
    RESTORE_ALL,
    ROLL_BACK,
    UNDO,
    has_permission,
    require_any_model,
)
from audittrail.admin.permissions.readers import require_reader
from audittrail.admin.revision.rows import section
from audittrail.revisions.models import BaseRevision

#: Models of which rows are shown at once, rows of each, and rows of a model that is looked at alone.
SECTIONS = 5
ROWS = 10
ROWS_ALONE = 50

MODEL = "model"


@pages.site_page("audittrail/revisions/<audittrail_number:pk>/", "audittrail_revision")
def revision(site: AdminSite, request: HttpRequest, pk: int) -> HttpResponseBase:
    """Show a revision with a part of its changes, or with those of one model, page by page."""
    reading = require_reader(site, request)
    found = revision_of(reading.database, pk)
    seen = model_changes(reading, [found])[pk] if found else []
    if found is None or not (seen or reading.sees_everything):
        require_any_model(site, request)
        raise Http404(_("There is no revision %(number)s.") % {"number": pk})
    alone = _alone(seen, request.GET.get(MODEL))
    if alone is not None:
        sections = [section(reading, found, alone, ROWS_ALONE, request.GET)]
    else:
        sections = [section(reading, found, touch, ROWS, QueryDict()) for touch in seen[:SECTIONS]]
    older, newer = beside(reading, found)
    title = _("Revision %(number)s") % {"number": pk}
    context: dict[str, Any] = {
        "title": title,
        **revision_context(reading, found),
        "details": details(found),
        "ledger": ledger_of_revision(reading, found),
        "touches": seen,
        "sections": sections,
        "others": seen[SECTIONS:] if alone is None else [],
        "alone": alone,
        "all_url": revision_url(site, found),
        "tools": [*_tools(site, request, found)],
        "older": older and revision_url(site, older),
        "newer": newer and revision_url(site, newer),
        "breadcrumbs": [Link(_("Revisions"), site_url(site, "audittrail_revisions"))],
    }
    return page_response(site, request, "revision", context)


def _alone(seen: list[ModelChanges], label: str | None) -> ModelChanges | None:
    """Return the only model that is asked for, None for all; raise `Http404` if the revision did not change it."""
    if not label:
        return None
    for touch in seen:
        if touch.model._meta.label_lower == label:
            return touch
    raise Http404(_("This revision did not change that."))


def _tools(site: AdminSite, request: HttpRequest, found: BaseRevision) -> Iterator[Link]:
    for name, permission, text in (
        ("audittrail_undo", UNDO, _("Undo")),
        ("audittrail_restore_all", RESTORE_ALL, _("Restore everything to here")),
        ("audittrail_roll_back", ROLL_BACK, _("Roll back")),
    ):
        url = revision_url(site, found, name)
        if url is not None and has_permission(request, permission):
            yield Link(text, url)
