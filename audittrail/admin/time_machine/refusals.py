"""The page in the place of one that can't be shown as of the moment, or that would write: what it is, and what to do."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from audittrail.admin.display.times import RevisionTime
from audittrail.admin.layout.refusals import READ_ONLY
from audittrail.admin.layout.responses import FOLDER, complete, model_breadcrumbs
from audittrail.capture import tracking
from audittrail.capture.locking import sqlstate
from audittrail.exceptions import (
    PastIsReadOnlyError,
    TrackedLaterError,
    UnsettledError,
)


class PastRefusal(TemplateResponse):
    """The page that says why a request can't be answered as of a moment; its status is no success.

    Its context is made when it is rendered: until then, the transaction that the error has ended may still be open.
    """

    def __init__(
        self,
        site: AdminSite,
        request: HttpRequest,
        model_admin: Any,
        time: datetime,
        error: Exception,
    ) -> None:
        title, text, status = _explained(model_admin, error)
        context = {
            "title": title,
            "text": text,
            "detail": str(error),
            "when": RevisionTime(time),
            "read_only": _is_write(error),
            "breadcrumbs": [] if model_admin is None else model_breadcrumbs(model_admin),
        }
        super().__init__(request, f"{FOLDER}/time_machine_refusal.html", context, status=status)
        self._site = site

    def resolve_context(self, context: Any) -> Any:
        """Return the context with what every page of the site has."""
        return complete(self._site, self._request, context)


def _is_write(error: Exception) -> bool:
    """Return whether an error is the refusal of a write, by us or by the database."""
    return isinstance(error, PastIsReadOnlyError) or sqlstate(error) == READ_ONLY


def _explained(model_admin: Any, error: Exception) -> tuple[str, str, int]:
    if _is_write(error):
        title = _("The past can't be changed")
        return title, _("Nothing was saved. Return to the present to make changes."), 403
    if isinstance(error, UnsettledError):
        title = _("This moment is not settled yet")
        return (
            title,
            _("A transaction of that moment is just ending. Try again in a few seconds."),
            503,
        )
    title = _("This page can't be shown as it was then")
    if model_admin is not None:
        names = {"names": capfirst(model_admin.opts.verbose_name_plural)}
        if not tracking.is_tracked(model_admin.model):
            text = (
                _("No history of “%(names)s” is recorded, so nothing is known of this moment.")
                % names
            )
            return title, text, 404
        if isinstance(error, TrackedLaterError):
            text = _(
                "The history of “%(names)s”, or of something that its page shows, does not reach back to this moment."
            )
            later = _(
                "Choose a later one."
            )  # not inside the f-string, where GNU gettext looks for none
            return title, f"{text % names} {later}", 404
    return title, _("Part of what it shows is not known at this moment."), 404
