"""What pages say of the revision that they are about: when, who, from where, the address of its own page, and what the ledger says."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from audittrail.admin.display.authors import authors
from audittrail.admin.display.origins import origin
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
    }


def ledger_of_revision(reader: Reader, revision: BaseRevision) -> str | None:
    """Return what digests cover a revision, in words; None where no digest was ever made."""
    found = coverage_of(reader.database, revision.committed)
    if found is None:
        return None
    if found.digest_at is None:
        return _("in no digest yet")
    made = RevisionTime(found.digest_at).exact
    if found.verified_at is None:
        return _("in the digest of %(made)s, not verified since") % {"made": made}
    verified = RevisionTime(found.verified_at).exact
    return _("in the digest of %(made)s, last verified %(verified)s") % {
        "made": made,
        "verified": verified,
    }


def ledger_of_history(reader: Reader) -> str | None:
    """Return through when history is verified, in words; None if it never was."""
    found = verified_through(reader.database)
    if found is None:
        return None
    return _("History is verified through %(through)s, last on %(verified)s.") % {
        "through": RevisionTime(found.through_at).exact,
        "verified": RevisionTime(found.verified_at).exact,
    }
