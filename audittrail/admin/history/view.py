"""History of an object: its timeline, to which the admin's own History button leads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.template.backends.django import Template
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from audittrail.admin.display.times import RevisionTime
from audittrail.admin.history.contents import EntryContents
from audittrail.admin.history.entries import ShownEntry
from audittrail.admin.history.entry_links import EntryLinks
from audittrail.admin.history.filters import TimelineFilters
from audittrail.admin.history.row_versions import VersionReader
from audittrail.admin.history.timeline import Timeline
from audittrail.admin.layout import pages, responses
from audittrail.admin.layout.keys import key_text
from audittrail.admin.layout.links import Link, model_url
from audittrail.admin.lists.paging import ListPage
from audittrail.admin.objects.belongings import sources_of
from audittrail.admin.objects.lookup import Subject, find
from audittrail.admin.objects.sources import Source
from audittrail.diff.tracked import TrackingPeriod, tracking_periods
from audittrail.timetravel import machine

#: The parameter that asks for the page that Django has at this address: what the admin itself has logged, maybe since before
#: anything was tracked.
LOG: Final = "log"


@pages.model_page("<path:object_id>/audittrail/", "audittrail_history")
def own_history(
    model_admin: ModelAdmin[Any], request: HttpRequest, object_id: str
) -> HttpResponseBase:
    """Answer with the same page at an address that no other package takes, in a template of ours."""
    return _timeline(model_admin, request, object_id, {})


@pages.history_page
def history(
    model_admin: ModelAdmin[Any],
    request: HttpRequest,
    object_id: str,
    extra_context: dict[str, Any] | None = None,
) -> HttpResponseBase:
    """Answer with a page of the timeline of an object, whether it is still there or was deleted."""
    if request.method not in pages.SAFE:
        return HttpResponseNotAllowed(pages.SAFE)
    if LOG in request.GET:
        return _log(_by_django(model_admin, request, object_id, extra_context))
    return _timeline(
        model_admin,
        request,
        object_id,
        extra_context or {},
        has_own_template=bool(model_admin.object_history_template),
    )


def _timeline(
    model_admin: ModelAdmin[Any],
    request: HttpRequest,
    object_id: str,
    extra_context: dict[str, Any],
    *,
    has_own_template: bool = False,
) -> HttpResponseBase:
    subject = find(model_admin, request, object_id)
    sources = sources_of(subject, request)
    filters = TimelineFilters(request.GET, sources)
    page: ListPage[Any] = ListPage(())
    # Each of these queries says itself as of when it reads, so the time machine must not watch over them.
    with machine.unwatched():
        if filters.is_valid():
            rows = VersionReader(subject.database, filters.narrow)
            page = Timeline(subject.database, sources, rows, *filters.ticks).page(request.GET)
        shown = EntryContents(subject, request, page.rows).shown()
    begins_now = page.newer is None and not filters.is_used
    links = EntryLinks(subject, request, filters.field_alone)
    entries = links.added(shown, begins_now=begins_now)
    context = {
        "title": _("History"),
        "subtitle": subject.text,
        "breadcrumbs": subject.breadcrumbs(),
        "tools": _tools(subject, request),
        "subject": subject,
        "filters": filters,
        "page": page,
        "entries": entries,
        "may_pick": sum(one.is_committed for one in entries) > 1,
        "compare_url": subject.url("audittrail_compare"),
        "out_of_reach": [source.label for source in sources if source.is_out_of_reach],
        "begun": None if page.older or filters.is_used else _begun(subject, sources, entries),
        **extra_context,
    }
    if has_own_template and not subject.is_deleted:
        given = {"opts": model_admin.opts, "model_admin": model_admin, **context}
        whole = responses.complete(model_admin.admin_site, request, given)
        answer = _by_django(model_admin, request, object_id, whole)
        if isinstance(answer, TemplateResponse):
            return responses.put_into_own_template(answer, model_admin, "history")
    return responses.page_response(model_admin, request, "history", context)


def _by_django(
    model_admin: ModelAdmin[Any],
    request: HttpRequest,
    object_id: str,
    extra_context: dict[str, Any] | None,
) -> HttpResponseBase:
    """Answer as Django does: with the admin's own log, in the template that the ModelAdmin names, if it names one."""
    django_view: Any = vars(ModelAdmin)["history_view"]
    answer: HttpResponseBase = django_view.__wrapped__(
        model_admin, request, object_id, extra_context
    )
    return answer


def _log(answer: HttpResponseBase) -> HttpResponseBase:
    """Return the page of the admin's own log, which a template of ours would not show."""
    if isinstance(answer, TemplateResponse):
        template: Any = answer.resolve_template(answer.template_name)
        if isinstance(template, Template) and responses.extends_ours(template):
            answer.template_name = "admin/object_history.html"
    return answer


def _begun(
    subject: Subject, sources: Sequence[Source], entries: Sequence[ShownEntry]
) -> RevisionTime | None:
    """Return since when the object's table is tracked, if there may have been changes before; None if that is not known."""
    own = sources[0].model
    table = tracking_periods([own], subject.database).get(own)
    oldest = entries[-1] if entries else None
    if table is None or (oldest is not None and (oldest.is_insertion or _is_before(oldest, table))):
        return None
    return RevisionTime(table.known_since)


def _is_before(entry: ShownEntry, table: TrackingPeriod) -> bool:
    return entry.when.at is not None and entry.when.at < table.known_since


def _tools(subject: Subject, request: HttpRequest) -> list[Link]:
    if subject.is_deleted:
        links = [(_("Deleted objects"), model_url(subject.model_admin, "audittrail_deleted"))]
        if subject.may_be_restored(request):
            chosen = {"pk": key_text(subject.pk), "cascade": 1}
            url = model_url(subject.model_admin, "audittrail_undelete", **chosen)
            links.insert(0, (_("Undelete"), url))
    else:
        links = [(_("Log of the admin"), f"{subject.url('history')}?{LOG}")]
    return [Link(text, url) for text, url in links if url]
