"""The moments to which a user may travel: by number, those that revisions left of which something appears to them; by date, any.

What pages show of a moment is judged row by row. So a date leads to what was then, exactly; of a revision of which nothing appears to the user, not even
the number or the time is told.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Any

from django.contrib.admin import AdminSite
from django.db import DEFAULT_DB_ALIAS
from django.http import HttpRequest
from django.utils import timezone

from audittrail import conf
from audittrail.admin.lists.model_changes import appearing
from audittrail.admin.objects.revisions import before, reachable_revision, revision_of
from audittrail.admin.permissions.readers import Reader, databases
from audittrail.admin.time_machine.chosen import Chosen
from audittrail.exceptions import TimeTravelError
from audittrail.revisions.models import BaseRevision, revision_model


def numbered(site: AdminSite, request: HttpRequest, database: Any, number: Any) -> Chosen | None:
    """Return the moment that the revision of a number in a database left; None also if the user may not see any of it.

    Whoever may see something of it now reaches it; with `AUDITTRAIL_RIGHTS_AS_OF = "then"`, also who could see something of it then.
    """
    alias = str(database or DEFAULT_DB_ALIAS)
    if alias not in databases():
        return None
    found = reachable_revision(Reader(site, request, alias), number)
    if found is None and conf.rights_as_of() == "then":
        found = revision_of(alias, number)
        if found is not None and not _appeared(site, request, found):
            found = None
    return None if found is None else Chosen(found)


def last_by(site: AdminSite, request: HttpRequest, at: datetime) -> Chosen | None:
    """Return the moment of a time; None if nothing was recorded by then."""
    revisions = revision_model().objects.using(DEFAULT_DB_ALIAS)
    try:
        revision = revisions.get_by_timestamp(at)
    except revisions.model.DoesNotExist:
        return None
    appears = numbered(site, request, DEFAULT_DB_ALIAS, revision.pk)
    return appears or Chosen(revision, min(at, timezone.now()))


def first() -> BaseRevision | None:
    """Return the first revision, with which history begins; None if there is none."""
    revisions = revision_model().objects.using(DEFAULT_DB_ALIAS).committed()
    found: BaseRevision | None = revisions.order_by("committed_at").first()
    return found


def _appeared(site: AdminSite, request: HttpRequest, revision: BaseRevision) -> bool:
    """Return whether the user, as of then, could see something that a revision changed: as it left it, or as it found it."""
    for state in (revision, before(revision)):
        if state is None:
            continue
        reader = Reader(site, request, revision._state.db or DEFAULT_DB_ALIAS, as_of=state)
        # What was not recorded yet could not be seen in the time machine either.
        with suppress(TimeTravelError):
            if appearing(reader, [revision]):
                return True
    return False
