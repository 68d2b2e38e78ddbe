"""The moments between which an object is compared, as addresses name them: a revision, a time, now, or just before a revision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _

from audittrail.admin.display.times import RevisionTime, is_within_calendar
from audittrail.admin.layout.keys import read_number
from audittrail.admin.lists.model_changes import appearing
from audittrail.admin.objects.revisions import before, seen_revision
from audittrail.admin.permissions.readers import Reader
from audittrail.revisions.models import BaseRevision, revision_model

#: The parameters of an address, and what stands for the present.
FROM, TO, NOW = "from", "to", "now"


class NoMomentError(ValueError):
    """An address names no moment that there was; the text says so to people."""


@dataclass(frozen=True)
class ComparedMoment:
    """A moment: the state that `revision` left, None before all of them. `is_implied` if the address says nothing of it.

    Unless `is_told`, the reader may see nothing of what its revision changed, so nothing is said of that: the moment is called by the time
    that was `asked` for.
    """

    revision: BaseRevision | None
    is_now: bool = False
    is_before: bool = False
    is_implied: bool = False
    asked: datetime | None = None
    is_told: bool = True

    @property
    def tick(self) -> int:
        """Where it stands in commit order."""
        return 0 if self.revision is None else self.revision.committed or 0

    @property
    def when(self) -> RevisionTime:
        """When its revision was committed."""
        if not self.is_told:
            return RevisionTime(self.asked)
        return RevisionTime(None if self.revision is None else self.revision.committed_at)

    @property
    def input(self) -> str:
        """The first full second by which it has come, as an input field for a time wants it."""
        local = self.when.local
        if local is None:
            return ""
        full = local.replace(microsecond=0) + timedelta(seconds=bool(local.microsecond))
        return full.strftime("%Y-%m-%dT%H:%M:%S")

    @property
    def value(self) -> str:
        """How an address names it for good."""
        return "" if self.revision is None or not self.is_told else str(self.revision.pk)


def compared_moments(
    reader: Reader, parameters: Mapping[str, Any]
) -> tuple[ComparedMoment, ComparedMoment]:
    """Return the earlier and the later moment that an address names.

    Without the later one it is now; without the earlier one, just before the revision of the later one.

    Raises `NoMomentError` for what is no moment of the database.
    """
    later = _compared_moment(reader, str(parameters.get(TO, "")).strip())
    text = str(parameters.get(FROM, "")).strip()
    earlier = _compared_moment(reader, text) if text else _before(later)
    seen = appearing(reader, [earlier.revision, later.revision])
    earlier, later = (
        replace(one, is_told=one.revision is None or one.revision.pk in seen)
        for one in (earlier, later)
    )
    return (later, earlier) if earlier.tick > later.tick else (earlier, later)


def _before(later: ComparedMoment) -> ComparedMoment:
    found = None if later.revision is None else before(later.revision)
    return ComparedMoment(found, is_before=True, is_implied=True)


def _compared_moment(reader: Reader, text: str) -> ComparedMoment:
    revisions = revision_model().objects.using(reader.database)
    if text in ("", NOW):
        return ComparedMoment(revisions.newest(), is_now=True, is_implied=True)
    if read_number(text) is not None:
        found = seen_revision(reader, text)
        if found is None:
            raise NoMomentError(_("There is no revision %(number)s.") % {"number": text})
        return ComparedMoment(found)
    moment = _moment(text)
    if moment is None:
        raise NoMomentError(_("“%(text)s” is no revision and no time.") % {"text": text[:100]})
    return ComparedMoment(revisions.last_by(moment), asked=moment)


def _moment(text: str) -> datetime | None:
    """Return the time that a text says, the end of a day for a day alone."""
    try:
        found = parse_datetime(text)
        day: date | None = parse_date(text) if found is None else None
    except ValueError:
        return None
    if day is not None:
        found = datetime.combine(day, time.max)
    if found is None or not is_within_calendar(found):
        return None
    return timezone.make_aware(found) if timezone.is_naive(found) else found
