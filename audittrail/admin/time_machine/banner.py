"""The banner on every page of the past, which says so and leads back.

It is put into the page as it leaves the site, whatever template made it, so no template of the site or of a theme is replaced.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.middleware.csrf import get_token
from django.template.loader import render_to_string

from audittrail.admin.display.times import RevisionTime
from audittrail.admin.layout.links import revision_url, site_url
from audittrail.admin.time_machine.chosen import Chosen

TEMPLATE: Final = "audittrail/admin/time_machine_banner.html"

#: The beginning of the page, with the link that skips to its content: that stays the first for the keyboard.
_BODY: Final = re.compile(
    r"<body\b(?:[^>\"']|\"[^\"]*\"|'[^']*')*>(?:\s*<a\b[^>]*\bhref=[\"']#[^>]*>[^<]*</a>)?",
    re.IGNORECASE,
)


def put(
    response: Any,
    request: HttpRequest,
    site: AdminSite,
    moment: Chosen,
    *,
    missing: Sequence[str] = (),
    withheld: Sequence[str] = (),
    as_now: str = "",
) -> None:
    """Put the banner at the top of a page; other responses, and parts of pages, stay as they are.

    Takes what the page does not show: inlines that are not known then, fields that history doesn't hold or show; and the
    name of the objects that it shows as they are now.
    """
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip()
    if (
        response.streaming
        or kind not in ("text/html", "application/xhtml+xml")
        or response.has_header("Content-Encoding")
    ):
        return
    page = response.content.decode(response.charset)
    head = page.lower().find("</head>")
    body = _BODY.search(page, max(head, 0))
    if body is None:
        return
    context = {
        "when": RevisionTime(moment.time),
        "revision": moment.told,
        "revision_url": revision_url(site, moment.told) if moment.told else None,
        "machine_url": site_url(site, "audittrail_time_machine"),
        "next": request.get_full_path(),
        "missing": missing,
        "withheld": withheld,
        "as_now": as_now,
        "csrf_token": get_token(request),
        "csp_nonce": getattr(request, "csp_nonce", None) or getattr(request, "_csp_nonce", None),
    }
    text = render_to_string(TEMPLATE, context)
    response.content = (page[: body.end()] + text + page[body.end() :]).encode(response.charset)
    if response.has_header("Content-Length"):
        response.headers["Content-Length"] = str(len(response.content))
