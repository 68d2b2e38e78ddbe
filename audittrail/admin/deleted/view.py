"""The deleted objects of a model: who deleted them, when, and why; chosen ones lead to the page that undeletes them."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, QueryDict
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from audittrail.admin.deleted.filters import UNTIL_TICK, DeletedFilters
from audittrail.admin.deleted.queries import Deletions
from audittrail.admin.deleted.table import DeletedTable
from audittrail.admin.layout import pages
from audittrail.admin.layout.keys import read_number
from audittrail.admin.layout.links import model_url
from audittrail.admin.layout.refusals import refusing
from audittrail.admin.layout.responses import model_breadcrumbs, page_response
from audittrail.admin.lists import paging
from audittrail.admin.lists.paging import ListPage
from audittrail.admin.permissions.models import require_view
from audittrail.admin.permissions.readers import reader_of_model

PAGE_SIZE = 50


@pages.model_page("audittrail/deleted/", "audittrail_deleted")
@refusing
def deleted(model_admin: ModelAdmin[Any], request: HttpRequest) -> HttpResponseBase:
    """List the deleted objects, the last deleted first."""
    require_view(request, model_admin)
    reader = reader_of_model(model_admin, request)
    filters = DeletedFilters(request.GET, model_admin, reader)
    page, further = ListPage[Any]([]), None
    if (deletions := filters.deletions) is not None:
        page, further = _page(deletions, request.GET)
    can_choose = model_admin.has_add_permission(request)
    context: dict[str, Any] = {
        "title": _("Deleted %(models)s") % {"models": model_admin.opts.verbose_name_plural},
        "breadcrumbs": model_breadcrumbs(model_admin),
        "breadcrumb": _("Deleted objects"),
        "filters": filters,
        "used": filters.used(),
        "page": page,
        "further": further,
        "table": DeletedTable(page.rows, model_admin, reader, can_choose=can_choose),
        "can_choose": can_choose,
        "undelete_url": model_url(model_admin, "audittrail_undelete"),
    }
    return page_response(model_admin, request, "deleted", context)


def _page(deletions: Deletions, parameters: QueryDict) -> tuple[ListPage[Any], str | None]:
    """Return the page that a request asks for, and the query string to search further back, None if all was searched."""
    before, after = deletions.order.positions(parameters)
    is_continued = before is None and after is None
    tick = read_number(parameters.get(UNTIL_TICK)) if is_continued else None
    position = before or after
    found = deletions.find(PAGE_SIZE + 1, position, is_newer=after is not None, tick=tick)
    kept = parameters.copy()
    kept.pop(UNTIL_TICK, None)
    begins_later = before if tick is None else (tick,)
    page = deletions.order.cut(found.objects, PAGE_SIZE, kept, begins_later, after)
    if found.further is None or after is not None:
        return page, None
    kept.pop(paging.BEFORE, None)
    kept[UNTIL_TICK] = str(found.further)
    return page, f"?{kept.urlencode()}"
