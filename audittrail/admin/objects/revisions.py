"""The revisions that addresses name, by their number or by that of a version, and those before and after another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from audittrail.admin.layout.keys import read_number
from audittrail.admin.lists.model_changes import appearing
from audittrail.admin.lists.searching import Search
from audittrail.admin.objects.belongings import own_sources
from audittrail.admin.objects.lookup import Subject
from audittrail.admin.permissions.models import is_superuser
from audittrail.admin.permissions.readers import Reader
from audittrail.revisions.models import BaseRevision, revision_model


@dataclass(frozen=True)
class NumberedVersion:
    """What a number means for an object: the revision, and whether that changed the object once more after the version."""

    revision: BaseRevision
    is_followed: bool = False


def revision_of(database: str, number: Any) -> BaseRevision | None:
    """Return the committed revision of a number, given as such or as text; None if there is none."""
    found = read_number(number)
    if found is None:
        return None
    return revision_model().objects.using(database).committed().filter(pk=found).first()


def seen_revision(reader: Reader, number: Any) -> BaseRevision | None:
    """Return the revision of a number as `revision_of` does; None also if it does not appear to the reader."""
    found = revision_of(reader.database, number)
    return found if appearing(reader, [found]) else None


def reachable_revision(reader: Reader, number: Any) -> BaseRevision | None:
    """Return the same for what is done with a revision: whoever may do everything reaches also one of which no ModelAdmin shows anything."""
    if is_superuser(reader.request):
        return revision_of(reader.database, number)
    return seen_revision(reader, number)


def version_of(subject: Subject, number: int) -> NumberedVersion | None:
    """Return what a number in an address means for an object: one of its versions, or a revision that appears; None if it is neither.

    A version may be one of the rows that the object inherits from.
    """
    if read_number(number) is None:
        return None
    for source in own_sources(subject):
        found: Any = source.versions.filter(version=number).select_related("revision").first()
        if found is not None and found.revision.committed is not None:
            later = source.versions.filter(revision=found.revision_id, version__gt=number)
            return NumberedVersion(found.revision, later.exists())
    revision = seen_revision(subject.reader, number)
    return None if revision is None else NumberedVersion(revision)


def before(revision: BaseRevision) -> BaseRevision | None:
    """Return the revision before another one in commit order, None before the first one."""
    revisions = revision_model().objects.using(revision._state.db)
    # A revision has its number before its tick: so the index on numbers finds it.
    return revisions.filter(pk__lt=revision.committed, committed__lt=revision.committed).newest()


def beside(
    reader: Reader, revision: BaseRevision
) -> tuple[BaseRevision | None, BaseRevision | None]:
    """Return the revisions right before and right after another one that appear to the reader, None where there is none."""
    search = Search(reader, reader.revisions, reader.revisions)
    position = revision.committed_at, revision.committed
    return search.next(position), search.next(position, is_newer=True)
