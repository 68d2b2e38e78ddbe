"""The revision browser: every revision that changed something the user may see, with filters, a chart, and exports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import django_tables2
from django.contrib.admin import AdminSite
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audittrail.admin.display.origins import origin
from audittrail.admin.display.revision_cells import RevisionCells
from audittrail.admin.display.revisions import ledger_of_history
from audittrail.admin.layout import pages
from audittrail.admin.layout.links import Link, site_url
from audittrail.admin.layout.responses import page_response
from audittrail.admin.lists.model_changes import ListedRevision
from audittrail.admin.lists.paging import ListPage
from audittrail.admin.permissions.readers import Reader, reader_of_site
from audittrail.admin.revisions import exports
from audittrail.admin.revisions.chart import chart
from audittrail.admin.revisions.filters import RevisionFilters

PAGE_SIZE = 50


class RevisionTable(RevisionCells):
    """Revisions: when, who, why, from where, and what they changed."""

    caption = gettext_lazy("Revisions")

    when = django_tables2.Column(gettext_lazy("When"), accessor="revision__committed_at")
    who = django_tables2.Column(gettext_lazy("Who"), empty_values=())
    why = django_tables2.Column(gettext_lazy("Why"), accessor="revision__reason", empty_values=())
    source = django_tables2.Column(gettext_lazy("From where"), empty_values=())
    changes = django_tables2.Column(gettext_lazy("What"), accessor="changes", empty_values=())

    def __init__(self, entries: Sequence[ListedRevision], reader: Reader, **options: Any) -> None:
        super().__init__(entries, reader, [entry.revision for entry in entries], **options)

    def revision_of(self, record: ListedRevision) -> Any:
        """Return the revision of an entry."""
        return record.revision

    def render_source(self, record: ListedRevision) -> SafeString:
        """Show from where it came."""
        return self.included("source", origin=origin(record.revision))

    def render_changes(self, record: ListedRevision) -> SafeString:
        """Show what it changed."""
        return self.included("touches", touches=record.changes)


@pages.site_page("audittrail/revisions/", "audittrail_revisions", menu=gettext_lazy("Revisions"))
def revisions(site: AdminSite, request: HttpRequest) -> HttpResponseBase:
    """List the revisions, the newest first."""
    reading = reader_of_site(site, request)
    filters = RevisionFilters(request.GET, reading)
    page, further = ListPage[ListedRevision]([]), None
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
        "ledger": ledger_of_history(reading),
        "exports": _exports(site, filters),
    }
    return page_response(site, request, "revisions", context)


@pages.site_page("audittrail/revisions/export/", "audittrail_revisions_export")
def export(site: AdminSite, request: HttpRequest) -> HttpResponseBase:
    """Send all that the filters find, as CSV or JSON."""
    reading = reader_of_site(site, request)
    filters = RevisionFilters(request.GET, reading)
    kind = request.GET.get("format", "csv")
    if filters.search is None or kind not in exports.KINDS:
        raise Http404(_("There is no such export."))
    return exports.export(filters.search, reading, kind)


def _exports(site: AdminSite, filters: RevisionFilters) -> list[Link]:
    address = site_url(site, "audittrail_revisions_export")
    return [
        Link(label, f"{address}{filters.address(format=kind)}")
        for kind, label in (("csv", _("CSV")), ("json", _("JSON")))
    ]
