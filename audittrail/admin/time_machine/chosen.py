"""The moment that a user has chosen: kept in the session, as the number of a revision, so it ends with the session."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.messages.api import MessageFailure
from django.db import DEFAULT_DB_ALIAS, connections
from django.http import HttpRequest
from django.utils.translation import gettext as _

from audittrail.admin.objects.revisions import revision_of
from audittrail.admin.permissions.models import may_view_any
from audittrail.revisions.models import BaseRevision
from audittrail.timetravel.moment import live_alias

KEY: Final = "audittrail_time_machine"


def chosen(request: HttpRequest) -> BaseRevision | None:
    """Return the revision that the user of a request travels to, None for the present.

    A revision that has been erased since is forgotten, and the user told so.
    """
    session: Any = getattr(request, "session", None)
    kept = None if session is None else session.get(KEY)
    if kept is None:
        return None
    revision = _find(*kept) if isinstance(kept, list | tuple) and len(kept) == 2 else None
    if revision is None:
        leave(request)
        with suppress(MessageFailure):  # a site may do without messages
            messages.warning(
                request,
                _(
                    "The moment that you had travelled to is not in the history any more. This is the present."
                ),
            )
    return revision


def _find(database: Any, number: Any) -> BaseRevision | None:
    """Return the committed revision of a number in a database, None if there is none."""
    alias = str(database or DEFAULT_DB_ALIAS)
    return revision_of(alias, number) if alias in list(connections) else None


def choose(request: HttpRequest, revision: BaseRevision) -> None:
    """Let the user of a request travel to the moment that a revision left."""
    request.session[KEY] = [live_alias(revision._state.db or DEFAULT_DB_ALIAS), revision.pk]


def leave(request: HttpRequest) -> None:
    """Bring the user of a request back to the present."""
    request.session.pop(KEY, None)


def may_travel(site: AdminSite, request: HttpRequest) -> bool:
    """Return whether the user may choose a moment: staff of the site who may view some tracked model of it."""
    return site.has_permission(request) and may_view_any(site, request)
