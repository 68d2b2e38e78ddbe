"""The page on which a moment is chosen, and left; both by POST."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any, Final

from django import forms
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.forms.utils import from_current_timezone
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audittrail.admin.display.times import RevisionTime
from audittrail.admin.layout import pages
from audittrail.admin.layout.links import database_parameter, site_url
from audittrail.admin.layout.responses import page_response
from audittrail.admin.lists.filters import within_calendar
from audittrail.admin.objects.revisions import beside
from audittrail.admin.permissions.readers import reader, require_reader
from audittrail.admin.time_machine import chosen, moments
from audittrail.revisions.models import BaseRevision

#: How far back a button leads, by the value that it sends.
AGO: Final = {
    "hour": (timedelta(hours=1), gettext_lazy("An hour ago")),
    "day": (timedelta(days=1), gettext_lazy("A day ago")),
    "week": (timedelta(weeks=1), gettext_lazy("A week ago")),
    "month": (timedelta(days=30), gettext_lazy("30 days ago")),
    "year": (timedelta(days=365), gettext_lazy("A year ago")),
}


class MomentForm(forms.Form):
    """A date and a time of day in the current time zone; without the time, the end of the day."""

    date = forms.DateField(
        label=gettext_lazy("Date"),
        localize=False,
        validators=[within_calendar],
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
    )
    time = forms.TimeField(
        label=gettext_lazy("Time"),
        localize=False,
        required=False,
        widget=forms.TimeInput(format="%H:%M:%S", attrs={"type": "time", "step": 1}),
    )

    #: The moment that is meant.
    moment: chosen.Chosen

    def __init__(self, site: AdminSite, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._asked = site, request

    def clean(self) -> dict[str, Any]:
        """Find the last revision committed by the moment."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        date = cleaned.get("date")
        if date is None or "time" in self.errors:
            return cleaned
        at = datetime.combine(date, cleaned.get("time") or time.max)
        # Where clocks are changed, a time that doesn't exist or exists twice becomes an error of the form.
        self.moment = self._moment_at(from_current_timezone(at))
        return cleaned

    def _moment_at(self, at: datetime) -> chosen.Chosen:
        now = timezone.now()
        if at > now and at.date() > now.date():
            raise forms.ValidationError(_("This lies in the future."), code="future")
        found = moments.last_by(*self._asked, at)
        if found is None:
            raise forms.ValidationError(
                _("Nothing was recorded by then. Choose a later moment."), code="early"
            )
        return found


@pages.site_page(
    "audittrail/time-machine/",
    "audittrail_time_machine",
    writes=True,
    menu=gettext_lazy("Time machine"),
)
def time_machine(site: AdminSite, request: HttpRequest) -> HttpResponseBase:
    """Show where the user is and may go; by POST, go there or come back."""
    form = MomentForm(site, request, initial=_initial(request), label_suffix="")
    if request.method == "POST":
        if "leave" in request.POST:
            chosen.leave(request)
            return _on(site, request)
        _require_travel(site, request)
        form = MomentForm(site, request, request.POST, label_suffix="")
        wanted = _asked_for(site, request, form)
        if wanted is not None:
            chosen.choose(request, wanted)
            return _on(site, request)
    else:
        _require_travel(site, request)
    present = chosen.chosen(request)
    first = moments.first()
    context = {
        "title": _("Time machine"),
        "form": form,
        "present": present.told if present else None,
        "when": RevisionTime(present.time) if present else None,
        "steps": _steps(site, request, present.revision) if present else (),
        "database": database_parameter(present.revision._state.db) if present else None,
        "first": RevisionTime(first.committed_at) if first else None,
        "time_zone": timezone.get_current_timezone_name(),
        "buttons": _buttons(first),
        "revisions_url": site_url(site, "audittrail_revisions"),
        "next": _next(request) or "",
    }
    return page_response(site, request, "time_machine", context)


def _require_travel(site: AdminSite, request: HttpRequest) -> None:
    if not chosen.may_travel(site, request):
        raise PermissionDenied
    require_reader(site, request)


def _asked_for(site: AdminSite, request: HttpRequest, form: MomentForm) -> chosen.Chosen | None:
    """Return the moment that a POST asks for, None for a form with errors."""
    if "revision" in request.POST:
        found = moments.numbered(
            site, request, request.POST.get("database"), request.POST["revision"]
        )
        if found is None:
            raise Http404(_("There is no such revision."))
        return found
    if request.POST.get("ago") in AGO:
        found = moments.last_by(site, request, timezone.now() - AGO[request.POST["ago"]][0])
        if found is None:
            form.errors.clear()
            form.add_error(None, _("Nothing was recorded by then. Choose a later moment."))
        return found
    return form.moment if form.is_valid() else None


def _initial(request: HttpRequest) -> dict[str, Any]:
    present = chosen.chosen(request)
    at = RevisionTime(present.time).local if present else None
    return {} if at is None else {"date": at.date(), "time": at.time().replace(microsecond=0)}


def _buttons(first: Any) -> list[tuple[str, Any]]:
    if first is None:
        return []
    now = timezone.now()
    return [(value, text) for value, (ago, text) in AGO.items() if now - ago >= first.committed_at]


def _steps(site: AdminSite, request: HttpRequest, present: Any) -> list[tuple[Any, BaseRevision]]:
    """Return the revisions right before and after the moment that appear to the user, each with what leads there."""
    reading = reader(site, request)
    if reading is None or not reading.visible:
        return []
    earlier, later = beside(reading, present)
    steps = (_("One revision earlier"), earlier), (_("One revision later"), later)
    return [(text, revision) for text, revision in steps if revision is not None]


def _next(request: HttpRequest) -> str | None:
    """Return where the user wants to go on, if that is on this host."""
    wanted = request.POST.get("next") or request.GET.get("next")
    if wanted and url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    ):
        return wanted
    return None


def _on(site: AdminSite, request: HttpRequest) -> HttpResponseRedirect:
    return HttpResponseRedirect(_next(request) or site_url(site, "index") or "/")
