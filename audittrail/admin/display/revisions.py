"""What pages say of the revision that they are about: when, who, from where, and the address of its own page."""

from __future__ import annotations

from typing import Any

from audittrail.admin.display.authors import authors
from audittrail.admin.display.origins import origin
from audittrail.admin.display.times import RevisionTime
from audittrail.admin.layout.links import revision_url
from audittrail.admin.permissions.readers import Reader
from audittrail.revisions.models import BaseRevision


def revision_context(reader: Reader, revision: BaseRevision) -> dict[str, Any]:
    """Return what the context of a page has of a revision."""
    known = authors(reader.site, reader.request, [revision])
    return {
        "revision": revision,
        "revision_url": revision_url(reader.site, revision),
        "when": RevisionTime(revision.committed_at),
        "author": known.get(revision.committed_by_id),
        "origin": origin(revision),
    }
