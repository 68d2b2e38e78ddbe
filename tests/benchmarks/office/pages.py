"""The pages that the benchmark asks for, each with the number of queries that it may take, whatever it shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import NoReverseMatch, reverse
from django.utils.http import urlencode

from audittrail.models import Revision
from tests.benchmarks.office.models import Order

#: What every page of the admin takes for the session, the user and, of others than superusers, the permissions.
LOGIN = 2


@dataclass(frozen=True)
class Page:
    """A page by its address, which is found when it is asked for; at most so many queries beside the login's."""

    name: str
    address: Callable[[], str]
    queries: int
    #: Whether it is asked for by somebody who may only view the office, and not by a superuser.
    is_limited: bool = False

    def path(self) -> str | None:
        """Return the address, None if the admin has no such page."""
        try:
            return self.address()
        except NoReverseMatch:
            return None


def pages() -> Iterator[Page]:
    """Yield the pages, the stock changelist first."""
    newest = Revision.objects.newest()
    assert newest
    middle = Revision.objects.filter(pk__lte=newest.pk // 2).order_by("-pk")[0]
    versions = Order.history.versions.filter(id=1)
    first, last = versions.in_order().first(), versions.in_order().last()
    between = versions.in_order()[versions.count() // 2]
    big = Order.history.versions.filter(operation="I").first().revision_id

    def order(name: str, *arguments: Any, **parameters: Any) -> Callable[[], str]:
        return _to(f"office_order_{name}", *arguments, **parameters)

    def revisions(**parameters: Any) -> Callable[[], str]:
        return _to("audittrail_revisions", **parameters)

    yield Page("changelist", order("changelist"), 10)
    yield Page("index", _to("index"), 20)
    yield Page("history of 10,000 versions", order("history", 1), 35)
    yield Page("history, of one user", order("history", 1, user=1), 35)
    yield Page("history, a field that never changed", order("history", 1, field="placed_at"), 35)
    yield Page("history of a few versions", order("history", 500), 35)
    yield Page(
        "compare, first with last",
        order("audittrail_compare", 1, **{"from": first.revision_id, "to": last.revision_id}),
        40,
    )
    yield Page("version", order("audittrail_version", 1, between.version), 25)
    yield Page("restore a version", order("audittrail_restore", 1, between.version), 80)
    yield Page("deleted objects", order("audittrail_deleted"), 20)
    yield Page("revisions", _to("audittrail_revisions"), 20)
    yield Page("deleted, a text that is not there", order("audittrail_deleted", q="nowhere"), 20)
    yield Page("revisions, of one user", revisions(user=7), 20)
    yield Page("revisions, of a rare user", revisions(user="superuser"), 20)
    yield Page("revisions, with a reason", revisions(reason="Reason 42"), 20)
    yield Page("revisions, no such reason", revisions(reason="nowhere"), 45)
    yield Page("revisions, no such text", revisions(q="nowhere"), 45)
    yield Page("revisions, no such source", revisions(source="command"), 45)
    yield Page("revisions, insertions", revisions(operation="I"), 45)
    yield Page("revisions, of one object", revisions(model="office.order", object=1), 20)
    yield Page("revisions, of a small model", revisions(model="office.tag"), 20)
    yield Page("revision", _to("audittrail_revision", middle.pk), 35)
    yield Page("revision of 600,000 rows", _to("audittrail_revision", big), 35)
    yield Page("undo a revision", _to("audittrail_undo", middle.pk), 90)
    yield Page("time machine", _to("audittrail_time_machine"), 20)
    yield Page("limited: revisions", revisions(), 25, is_limited=True)
    yield Page("limited: of one user", revisions(user=7), 40, is_limited=True)
    yield Page("limited: of a rare user", revisions(user="superuser"), 40, is_limited=True)
    yield Page("limited: no such reason", revisions(reason="nowhere"), 50, is_limited=True)
    yield Page("limited: revision", _to("audittrail_revision", middle.pk), 50, is_limited=True)
    yield Page("limited: history", order("history", 1), 45, is_limited=True)


def _to(name: str, *arguments: Any, **parameters: Any) -> Callable[[], str]:
    def address() -> str:
        path = reverse(f"admin:{name}", args=arguments)
        return f"{path}?{urlencode(parameters)}" if parameters else path

    return address
