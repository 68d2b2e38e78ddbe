"""The moment that a user has chosen: kept in the session, as the number of a revision, so it ends with the session.

Where nothing of the revision appears to the user, the time that was asked for is kept with it, and told in place of its own.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.messages.api import MessageFailure
from django.db import DEFAULT_DB_ALIAS, connections
from django.http import HttpRequest
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from audittrail.admin.objects.revisions import revision_of
from audittrail.admin.permissions.models import may_view_any
from audittrail.revisions.models import BaseRevision
from audittrail.timetravel.moment import live_alias

KEY: Final = "audittrail_time_machine"


@dataclass(frozen=True)
class Chosen:
    """A moment to which a user travels: that which a revision left, and the time asked for where the revision is not to be told."""

    revision: BaseRevision
    at: datetime | None = None

    @property
    def time(self) -> datetime:
        """The time that pages tell."""
        found = self.at or self.revision.committed_at
        assert found is not None
        return found

    @property
    def told(self) -> BaseRevision | None:
        """The revision, None where it is not to be told."""
        return self.revision if self.at is None else None


def chosen(request: HttpRequest) -> Chosen | None:
    """Return where the user of a request travels to, None for the present.

    A revision that has been erased since is forgotten, and the user told so.
    """
    session: Any = getattr(request, "session", None)
    kept = None if session is None else session.get(KEY)
    if kept is None:
        return None
    found = _find(*kept) if isinstance(kept, list | tuple) and len(kept) in (2, 3) else None
    if found is None:
        leave(request)
        with suppress(MessageFailure):  # a site may do without messages
            messages.warning(
                request,
                _(
                    "The moment that you had travelled to is not in the history any more. This is the present."
                ),
            )
    return found


def _find(database: Any, number: Any, at: Any = None) -> Chosen | None:
    """Return the moment that the committed revision of a number in a database left, None if there is none."""
    alias = str(database or DEFAULT_DB_ALIAS)
    revision = revision_of(alias, number) if alias in list(connections) else None
    return None if revision is None else Chosen(revision, at and parse_datetime(at))


def choose(request: HttpRequest, moment: Chosen) -> None:
    """Let the user of a request travel to a moment."""
    kept = [live_alias(moment.revision._state.db or DEFAULT_DB_ALIAS), moment.revision.pk]
    request.session[KEY] = kept if moment.at is None else [*kept, moment.at.isoformat()]


def leave(request: HttpRequest) -> None:
    """Bring the user of a request back to the present."""
    request.session.pop(KEY, None)


def may_travel(site: AdminSite, request: HttpRequest) -> bool:
    """Return whether the user may choose a moment: staff of the site who may view some tracked model of it."""
    return site.has_permission(request) and may_view_any(site, request)
