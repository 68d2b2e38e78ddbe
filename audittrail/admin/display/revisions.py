"""What pages say of the revision that they are about: when, who, from where, the address of its own page, and what the ledger says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from audittrail.admin.display.authors import authors
from audittrail.admin.display.origins import origin
from audittrail.admin.display.restorings import restoring
from audittrail.admin.display.times import RevisionTime
from audittrail.admin.layout.links import revision_url
from audittrail.admin.permissions.readers import Reader
from audittrail.ledger.coverage import coverage_of, verified_through
from audittrail.revisions.models import BaseRevision


def revision_context(reader: Reader, revision: BaseRevision) -> dict[str, Any]:
    """Return what the context of a page has of a revision."""
    known = authors(reader.site, reader.request, [revision])
    return {
        "revision": revision,
        "revision_url": revision_url(reader.site, revision),
        "when": RevisionTime(revision.committed_at),
        "author": known.get(revision.author_key),
        "origin": origin(revision),
        "restoring": restoring(reader.site, revision),
    }


@dataclass(frozen=True)
class LedgerNote:
    """What the ledger says, in words, and whether it is that history was changed."""

    text: str
    is_alarm: bool = False


def ledger_of_revision(reader: Reader, revision: BaseRevision) -> LedgerNote | None:
    """Return what digests cover a revision, in words; None where no digest was ever made."""
    found = coverage_of(reader.database, _entered_at(revision))
    if found is None:
        return None
    if found.digest_at is None:
        return LedgerNote(_("in no digest yet"))
    made = _told(found.digest_at)
    if found.differed_at is not None:
        text = _(
            "in the digest of %(made)s; the verification of %(differed)s found that history had been changed"
        )
        return LedgerNote(text % {"made": made, "differed": _told(found.differed_at)}, True)
    if found.verified_at is None:
        return LedgerNote(_("in the digest of %(made)s, not verified since") % {"made": made})
    text = _("in the digest of %(made)s, last verified %(verified)s")
    return LedgerNote(text % {"made": made, "verified": _told(found.verified_at)})


def _entered_at(revision: BaseRevision) -> int | None:
    """Return the tick of the commit with which a revision came into the ledger; that of the import, of one that was imported."""
    if revision.pk > 0:
        return revision.committed
    told = revision.context.get("imported_from") if isinstance(revision.context, dict) else None
    number = told.get("revision") if isinstance(told, dict) else None
    revisions = type(revision)._default_manager.using(revision._state.db)
    importing = revisions.filter(pk=number).first() if isinstance(number, int) else None
    return None if importing is None else importing.committed


def ledger_of_history(reader: Reader) -> LedgerNote | None:
    """Return through when history is verified, or that it was found changed, in words; None if it was never verified."""
    found = verified_through(reader.database)
    if found is None:
        return None
    if found.differed_at is not None:
        text = _(
            "The last verification, on %(differed)s, found that history had been changed:"
            " manage.py audittrail ledger verify says what differs."
        )
        return LedgerNote(text % {"differed": _told(found.differed_at)}, True)
    text = _("History is verified through %(through)s, last on %(verified)s.")
    return LedgerNote(
        text % {"through": _told(found.through_at), "verified": _told(found.verified_at)}
    )


def _told(moment: datetime | None) -> str:
    # Isolated, in Unicode's characters for that: the words of a date may run in the other direction than those of the sentence.
    return f"\u2068{RevisionTime(moment).exact}\u2069"
