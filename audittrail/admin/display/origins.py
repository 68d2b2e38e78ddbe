"""Show from where a revision came: a request, a management command, or another client such as psql."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Q
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audittrail.admin.display.outlines import leaf
from audittrail.revisions.context import USER_SCHEMA
from audittrail.revisions.models import BaseRevision

REQUEST: Final = "request"
COMMAND: Final = "command"
CLIENT: Final = "client"

KINDS: Final = (
    (REQUEST, gettext_lazy("Request")),
    (COMMAND, gettext_lazy("Command")),
    (CLIENT, gettext_lazy("Database client")),
)

#: Context that is shown as the origin or with the user, so not once more among the details.
_SHOWN: Final = frozenset({"method", "path", "remote_address", "command", USER_SCHEMA})


@dataclass(frozen=True)
class Origin:
    """Where a revision came from: which kind of source, what it was, and from which address."""

    kind: str
    text: str
    address: str

    @property
    def label(self) -> Any:
        """The kind as people read it."""
        return dict(KINDS)[self.kind]

    @property
    def breakable(self) -> SafeString:
        """The text, not too long, with places where a path may break."""
        parts = re.split(r"(?<=[^/]/)", Truncator(self.text).chars(80))
        return format_html_join(mark_safe("<wbr>"), "{}", ((part,) for part in parts))


def origin(revision: BaseRevision) -> Origin:
    """Return where a revision came from."""
    context = _context(revision)
    address = str(context.get("remote_address") or revision.client_addr or "")
    if context.get("path"):
        text = f"{context.get('method', '')} {context['path']}".strip()
        return Origin(REQUEST, text, address)
    if context.get("command"):
        return Origin(COMMAND, f"manage.py {context['command']}", address)
    if revision.application_name:
        text = _("%(application)s as %(user)s") % {
            "application": revision.application_name,
            "user": revision.db_user,
        }
    else:
        text = revision.db_user
    return Origin(CLIENT, text, address)


def condition(kind: str) -> Q:
    """Return the condition that revisions of a kind of origin fulfil."""
    request, command = Q(context__has_key="path"), Q(context__has_key="command")
    return {
        REQUEST: request,
        COMMAND: command & ~request,
        CLIENT: ~Q(context__has_any_keys=["path", "command"]),
    }[kind]


def details(revision: BaseRevision) -> dict[str, Any]:
    """Return the rest of a revision's context: what `history.context` was given beside user and reason; structures as JSON."""
    return {
        name: leaf(value) if isinstance(value, dict | list) else value
        for name, value in _context(revision).items()
        if name not in _SHOWN
    }


def _context(revision: BaseRevision) -> dict[str, Any]:
    # It is a dictionary unless a superuser of the database has written something else there.
    return revision.context if isinstance(revision.context, dict) else {}
