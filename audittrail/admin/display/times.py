"""Show when something happened: how long ago, and exactly."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, date, datetime, timedelta
from typing import Any

from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext as _


def is_within_calendar(moment: date) -> bool:
    """Return whether a date or moment, and those right before and after it in any time zone, are ones that Python has."""
    return MINYEAR < moment.year < MAXYEAR


def as_local(moment: datetime) -> datetime:
    """Return a moment in the current time zone; one at the end of the calendar, which it lacks there, in its own."""
    try:
        return timezone.localtime(moment) if timezone.is_aware(moment) else moment
    except (OverflowError, ValueError):
        return moment


@dataclass(frozen=True)
class RevisionTime:
    """A moment of a revision; `{{ when }}` shows both ways, `{{ when.relative }}` and `{{ when.exact }}` one each."""

    at: datetime | None

    @property
    def local(self) -> datetime | None:
        """The moment in the current time zone."""
        return as_local(self.at) if self.at else self.at

    @property
    def relative(self) -> str:
        """How long ago it was, in its largest unit."""
        if self.at is None:
            return _("not committed yet")
        now = timezone.now() if timezone.is_aware(self.at) else datetime.now()  # noqa: DTZ005
        if self.at > now - timedelta(minutes=1):
            return _("just now")
        return _("%(time)s ago") % {"time": timesince(self.at, now, depth=1)}

    @property
    def exact(self) -> str:
        """The moment to the second."""
        local = self.local
        if local is None:
            return ""
        day = formats.date_format(local, "DATE_FORMAT")
        return f"{day} {formats.date_format(local, 'H:i:s')}"

    @property
    def machine(self) -> str:
        """The moment as `<time datetime>` wants it."""
        return self.local.isoformat() if self.local else ""

    def __html__(self) -> SafeString:
        """Return both as HTML."""
        if self.at is None:
            return format_html('<span class="audittrail-when">{}</span>', self.relative)
        return format_html(
            '<time class="audittrail-when" datetime="{}"><span class="audittrail-when__exact">{}</span>'
            ' <span class="audittrail-when__relative">{}</span></time>',
            self.machine,
            self.exact,
            self.relative,
        )

    __str__: Any = __html__
