"""The revision browser: every revision that changed something the user may see, with filters, a chart, and exports."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audittrail.admin import exports, pages, permissions
from audittrail.admin.activity import chart
from audittrail.admin.filters import RevisionFilters
from audittrail.admin.links import Link, site_url
from audittrail.admin.paging import Page
from audittrail.admin.readers import Reader, reader
from audittrail.admin.responses import site_response
from audittrail.admin.searching import Entry
from audittrail.admin.tables import RevisionTable

PAGE_SIZE = 50


@pages.site_page("audittrail/revisions/", "audittrail_revisions", menu=gettext_lazy("Revisions"))
def revisions(site: AdminSite, request: HttpRequest) -> HttpResponseBase:
    """List the revisions, the newest first."""
    reading = reader_of(site, request)
    filters = RevisionFilters(request.GET, reading)
    page, further = Page[Entry]([]), None
    if filters.search is not None:
        page, further = filters.search.page(PAGE_SIZE, request.GET)
    context: dict[str, Any] = {
        "title": _("Revisions"),
        "filters": filters,
        "used": filters.used(),
        "chart": chart(filters),
        "page": page,
        "further": further,
        "table": RevisionTable(page.rows, reading),
        "exports": _exports(site, filters),
    }
    return site_response(site, request, "revisions", context)


@pages.site_page("audittrail/revisions/export/", "audittrail_revisions_export")
def export(site: AdminSite, request: HttpRequest) -> HttpResponseBase:
    """Send all that the filters find, as CSV or JSON."""
    reading = reader_of(site, request)
    filters = RevisionFilters(request.GET, reading)
    kind = request.GET.get("format", "csv")
    if filters.search is None or kind not in exports.KINDS:
        raise Http404(_("There is no such export."))
    return exports.export(filters.search, reading, kind)


def reader_of(site: AdminSite, request: HttpRequest) -> Reader:
    """Return the reader of a request; raise `PermissionDenied` unless the history of some model appears to the user."""
    permissions.require_any_model(site, request)
    found = reader(site, request)
    if found is None or not found.is_installed:
        raise Http404(_("No database of this project holds history; run manage.py migrate."))
    if not found.visible:
        raise PermissionDenied
    return found


def _exports(site: AdminSite, filters: RevisionFilters) -> list[Link]:
    address = site_url(site, "audittrail_revisions_export")
    return [
        Link(label, f"{address}{filters.without(format=kind)}")
        for kind, label in (("csv", _("CSV")), ("json", _("JSON")))
    ]
