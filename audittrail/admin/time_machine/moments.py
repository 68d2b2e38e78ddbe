"""The moments to which a user may travel: those that revisions left of which something appears to them.

Of others not even the number or the time is told; what the user may see is the same as the revision before left it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from django.contrib.admin import AdminSite
from django.db import DEFAULT_DB_ALIAS
from django.http import HttpRequest

from audittrail.admin.lists.searching import Search
from audittrail.admin.objects.revisions import reachable_revision
from audittrail.admin.permissions.models import is_superuser
from audittrail.admin.permissions.readers import Reader, databases
from audittrail.revisions.models import BaseRevision, revision_model

#: After a moment, and before all: positions in the order of commits.
_LAST: Final = 2**63 - 1
_BEGINNING: Final = datetime(1, 1, 2, tzinfo=UTC)

#: How many times a search for the last revision that appears goes on after its patience ended.
SEARCHES: Final = 10


def numbered(
    site: AdminSite, request: HttpRequest, database: Any, number: Any
) -> BaseRevision | None:
    """Return the revision of a number in a database; None also if the user may not see any of it."""
    alias = str(database or DEFAULT_DB_ALIAS)
    return (
        reachable_revision(Reader(site, request, alias), number) if alias in databases() else None
    )


def last_by(site: AdminSite, request: HttpRequest, at: datetime) -> BaseRevision | None:
    """Return the last revision committed by a time, of those of which something appears to the user; None if there is none."""
    if is_superuser(request):
        revisions = revision_model().objects.using(DEFAULT_DB_ALIAS)
        try:
            return revisions.get_by_timestamp(at)
        except revisions.model.DoesNotExist:
            return None
    return _first(site, request, (at, _LAST), is_newer=False)


def first(site: AdminSite, request: HttpRequest) -> BaseRevision | None:
    """Return the first revision of which something appears to the user, None if there is none."""
    if is_superuser(request):
        revisions = revision_model().objects.using(DEFAULT_DB_ALIAS).committed()
        oldest: BaseRevision | None = revisions.order_by("committed_at").first()
        return oldest
    return _first(site, request, (_BEGINNING, 0), is_newer=True)


def _first(
    site: AdminSite, request: HttpRequest, position: Any, *, is_newer: bool
) -> BaseRevision | None:
    reader = Reader(site, request, DEFAULT_DB_ALIAS)
    search = Search(reader, reader.revisions, reader.revisions)
    for _number in range(SEARCHES):
        found = search.find(1, position, is_newer=is_newer)
        if found.entries or found.is_done:
            return found.entries[0].revision if found.entries else None
        position = found.position
    return None
