"""What a revision says that it brought back: a sentence with the link to the revision that it went back to, or that it undid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.contrib.admin import AdminSite
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audittrail.admin.display.times import RevisionTime
from audittrail.admin.layout.keys import read_number
from audittrail.admin.layout.links import Link, database_parameter, site_url
from audittrail.revisions.models import BaseRevision

#: Where the context of a revision says what it brought back.
CONTEXT: Final = "restored"

#: Fields that a sentence names; of more it says nothing, since they stand below.
NAMED: Final = 3

#: What was done, by the kind of the restoring call, with a place for the time that it went back to.
_SENTENCES: Final[Mapping[str, Any]] = {
    "restore": gettext_lazy("Restored from %(when)s"),
    "undelete": gettext_lazy("Undeleted"),
    "undo": gettext_lazy("Undid another revision"),
    "restore all": gettext_lazy("Everything restored from %(when)s"),
    "rollback": gettext_lazy("Everything rolled back to %(when)s"),
}


@dataclass(frozen=True)
class ToldRestoring:
    """What was brought back, as a sentence, and the link to the revision that it is about, None if there is none."""

    text: str
    link: Link | None = None


def restoring(
    site: AdminSite, revision: BaseRevision, fields: Sequence[str] = ()
) -> ToldRestoring | None:
    """Return what a revision brought back, None if it was no restoring call; takes the names of the fields that are shown of it."""
    context = revision.context if isinstance(revision.context, dict) else {}
    found = context.get(CONTEXT)
    if not isinstance(found, dict) or found.get("kind") not in _SENTENCES:
        return None
    said = {"when": f"\u2068{_when(found.get('as_of'))}\u2069", "fields": ", ".join(fields)}
    if found["kind"] == "restore" and 0 < len(fields) <= NAMED:
        text = _("%(fields)s restored from %(when)s") % said
    else:
        text = _SENTENCES[found["kind"]] % said
    number = read_number(found.get("revision"))
    if number is None:
        return ToldRestoring(text)
    database = database_parameter(revision._state.db)
    url = site_url(site, "audittrail_revision", number, database=database)
    return ToldRestoring(text, Link(_("revision %(number)s") % {"number": number}, url))


def _when(text: Any) -> str:
    """Return the time that a context says, in the reader's words; "…" for what is none."""
    try:
        at = parse_datetime(text) if isinstance(text, str) else None
    except ValueError:
        at = None
    return RevisionTime(at).exact if at is not None else "…"
