"""`{% load audittrail_travel %}{% travel_here revision %}`: a button that leads into the time machine."""

from __future__ import annotations

from typing import Any

from django import template
from django.db import DEFAULT_DB_ALIAS
from django.urls import NoReverseMatch, reverse

from audittrail.revisions.models import BaseRevision
from audittrail.timetravel import machine
from audittrail.timetravel.moment import live_alias

register = template.Library()


@register.inclusion_tag("audittrail/admin/includes/travel_here.html", takes_context=True)
def travel_here(context: Any, revision: BaseRevision, next_url: str = "") -> dict[str, Any]:
    """Show a button to travel to the moment that a revision left, and to go on at an address, by default the site's index.

    Nothing is shown for a revision that is not committed, and a remark instead of the button to who is there already.
    """
    request = context.get("request")
    try:
        address = reverse(
            "admin:audittrail_time_machine", current_app=getattr(request, "current_app", None)
        )
    except NoReverseMatch:
        address = ""
    database = live_alias(revision._state.db or DEFAULT_DB_ALIAS)
    journey = machine.current()
    return {
        "address": address if revision.committed is not None else "",
        "revision": revision,
        "database": "" if database == DEFAULT_DB_ALIAS else database,
        "next": next_url,
        "is_here": journey is not None and journey.revision == revision,
        "csrf_token": context.get("csrf_token"),
    }
