"""Compare: an object at two moments, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.admin import ModelAdmin
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from audittrail.admin.compare.comparison import ObjectComparer
from audittrail.admin.compare.moments import (
    FROM,
    TO,
    ComparedMoment,
    NoMomentError,
    compared_moments,
)
from audittrail.admin.display.authors import authors
from audittrail.admin.display.origins import origin
from audittrail.admin.layout import pages, responses
from audittrail.admin.layout.links import Link, history_url, revision_url
from audittrail.admin.objects.belongings import own_sources, sources_of
from audittrail.admin.objects.lookup import Subject, find
from audittrail.exceptions import TimeTravelError
from audittrail.timetravel import machine


@pages.model_page("<path:object_id>/audittrail/compare/", "audittrail_compare")
def compare(model_admin: ModelAdmin[Any], request: HttpRequest, object_id: str) -> HttpResponseBase:
    """Answer with the differences between the two moments that the address names; see `compared_moments`."""
    subject = find(model_admin, request, object_id)
    context: dict[str, Any] = {
        "title": _("Compare"),
        "subtitle": subject.text,
        "breadcrumbs": subject.breadcrumbs(
            Link(_("History"), history_url(model_admin, subject.pk))
        ),
        "subject": subject,
    }
    try:
        earlier, later = compared_moments(subject.reader, _parameters(subject, request))
    except NoMomentError as error:
        context["error"] = str(error)
        return responses.page_response(model_admin, request, "compare", context, status=404)
    sides = _sides(subject, request, earlier, later)
    context |= {"sides": sides, "permanent_url": None}
    if (earlier.is_implied or later.is_implied) and earlier.value and later.value:
        parameters = {FROM: earlier.value, TO: later.value}
        context["permanent_url"] = subject.url("audittrail_compare", **parameters)
    try:
        sources = sources_of(subject, request)
        with machine.unwatched():
            comparison = ObjectComparer(subject, sources, earlier, later).compare()
        context["comparison"] = comparison
        for side, was_there in zip(sides, comparison.was_there, strict=True):
            side["is_absent"] = not was_there
    except TimeTravelError:
        context["error"] = _(
            "Its history does not go back that far: what it was like then is not known."
        )
    return responses.page_response(model_admin, request, "compare", context)


def _parameters(subject: Subject, request: HttpRequest) -> Mapping[str, str]:
    """Return the parameters of a request; those of an address without any are the last change of the object."""
    given = {name: request.GET.get(name, "") for name in (FROM, TO)}
    if any(given.values()):
        return given
    newest = [
        found
        for source in own_sources(subject)
        for found in source.versions.order_by("-version").values_list("version", "revision_id")[:1]
    ]
    return {TO: str(max(newest)[1])} if newest else given


def _sides(
    subject: Subject, request: HttpRequest, earlier: ComparedMoment, later: ComparedMoment
) -> list[dict[str, Any]]:
    """Return what is said of each moment: when, who, why, from where, and the address of the object as of then."""
    points = (earlier, later)
    found = [one.revision for one in points if one.revision is not None and one.is_told]
    named = authors(subject.reader.site, request, found)
    sides = []
    for point, label in ((earlier, _("Before")), (later, _("After"))):
        revision = point.revision
        side: dict[str, Any] = {"point": point, "label": label}
        if revision is not None and point.is_told:
            side |= {
                "author": named.get(revision.author_key),
                "origin": origin(revision),
                "url": revision_url(subject.reader.site, revision),
                "version_url": subject.url("audittrail_version", revision.pk),
            }
        sides.append(side)
    return sides
