"""Show from where a revision came: a request, a management command, another client such as psql, or the history of another package."""

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
IMPORTED: Final = "imported"

KINDS: Final = (
    (REQUEST, gettext_lazy("Request")),
    (COMMAND, gettext_lazy("Command")),
    (CLIENT, gettext_lazy("Database client")),
    (IMPORTED, gettext_lazy("Imported")),
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
    if revision.pk < 0:
        return Origin(IMPORTED, _import_of(context), address)
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
    imported = Q(pk__lt=0)
    return {
        REQUEST: request & ~imported,
        COMMAND: command & ~request & ~imported,
        CLIENT: ~Q(context__has_any_keys=["path", "command"]) & ~imported,
        IMPORTED: imported,
    }[kind]


def _import_of(context: dict[str, Any]) -> str:
    """Return from where a revision was imported, and whether it tells what nobody had recorded."""
    told = context.get("imported_from")
    found = told if isinstance(told, dict) else {}
    source = str(found.get("source", ""))
    if not found.get("unrecorded"):
        return source
    return _("not recorded by %(source)s, found when tracking began") % {"source": source}


def details(revision: BaseRevision) -> dict[str, Any]:
    """Return the rest of a revision's context: what `history.context` was given beside user and reason; structures as JSON."""
    shown = _SHOWN | {"imported_from"} if revision.pk < 0 else _SHOWN
    return {
        name: leaf(value) if isinstance(value, dict | list) else value
        for name, value in _context(revision).items()
        if name not in shown
    }


def _context(revision: BaseRevision) -> dict[str, Any]:
    # It is a dictionary unless a superuser of the database has written something else there.
    return revision.context if isinstance(revision.context, dict) else {}
