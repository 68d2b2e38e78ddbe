"""Version: the whole object as a revision left it."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import ModelAdmin
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from audittrail.admin.display.object_text import at_most
from audittrail.admin.display.revisions import revision_context
from audittrail.admin.display.times import RevisionTime
from audittrail.admin.layout import pages, responses
from audittrail.admin.layout.links import Link, history_url
from audittrail.admin.objects.belongings import inlines_of, own_sources
from audittrail.admin.objects.lookup import Subject, find
from audittrail.admin.objects.revisions import before, version_of
from audittrail.admin.version.fieldsets import Fieldset, Inline, ObjectLayout
from audittrail.exceptions import TimeTravelError
from audittrail.revisions.models import BaseRevision
from audittrail.timetravel import machine
from audittrail.timetravel import moment as moments

#: Queries that a ModelAdmin's own code may send for a page.
QUERIES = 200


@pages.model_page("<path:object_id>/audittrail/<audittrail_number:version>/", "audittrail_version")
def version(
    model_admin: ModelAdmin[Any], request: HttpRequest, object_id: str, version: int
) -> HttpResponseBase:
    """Answer with the object as the revision of a number left it, or as it last was if that revision deleted it."""
    subject = find(model_admin, request, object_id)
    found = version_of(subject, version)
    if found is None:
        raise Http404(_("There is no revision %(number)s.") % {"number": version})
    shown = revision = found.revision
    obj, error = None, ""
    try:
        obj = subject.past(revision).first()
        if obj is None and (earlier := before(revision)) is not None:
            shown, obj = earlier, subject.past(earlier).first()
        if obj is None:
            error = _("It was not there then.")
    except TimeTravelError:
        error = _("Its history does not go back that far: what it was like then is not known.")
    text = subject.text
    fieldsets: list[Fieldset] = []
    inlines: list[Inline] = []
    if obj is not None:
        # Inside, the queries of the ModelAdmin's own code read the past as well.
        with machine.travelling(shown), at_most(subject.database, QUERIES):
            layout = ObjectLayout(subject, request, obj, moments.resolve(shown))
            text = layout.text
            fieldsets, inlines = layout.lay_out(inlines_of(subject, request))
    when = RevisionTime(revision.committed_at)
    context = {
        "title": _("As of %(when)s") % {"when": when.exact},
        "subtitle": text,
        "breadcrumbs": subject.breadcrumbs(
            Link(_("History"), history_url(model_admin, subject.pk))
        ),
        "breadcrumb": when.exact,
        "tools": [] if error else _tools(subject, request, revision, obj is not None),
        "subject": subject,
        **revision_context(subject.reader, revision),
        "is_deletion": shown is not revision and obj is not None,
        "fieldsets": fieldsets,
        "inlines": inlines,
        "error": error,
        **_neighbours(subject, revision),
    }
    return responses.page_response(model_admin, request, "version", context)


def _tools(
    subject: Subject, request: HttpRequest, revision: BaseRevision, exists: bool
) -> list[Link]:
    number = revision.pk
    candidates = [
        (_("Compare with previous"), subject.url("audittrail_compare", to=number)),
        (_("Compare with now"), subject.url("audittrail_compare", **{"from": number})),
    ]
    if exists and subject.may_be_restored(request):
        candidates.append((_("Restore this state"), subject.url("audittrail_restore", number)))
    return [Link(text, url) for text, url in candidates if url is not None]


def _neighbours(subject: Subject, revision: BaseRevision) -> dict[str, str | None]:
    """Return the addresses of the versions before and after this one, None where there is none."""
    earlier: list[tuple[int, int]] = []
    later: list[tuple[int, int]] = []
    for source in own_sources(subject):
        versions: Any = source.versions.values_list("version", "revision_id")
        earlier += [*versions.filter(version__lt=revision.pk).order_by("-version")[:1]]
        later += [*versions.filter(version__gt=revision.committed).order_by("version")[:1]]
    return {
        "earlier_url": subject.url("audittrail_version", max(earlier)[1]) if earlier else None,
        "later_url": subject.url("audittrail_version", min(later)[1]) if later else None,
    }
