"""Show when something happened: how long ago, and exactly."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext as _


@dataclass(frozen=True)
class RevisionTime:
    """A moment of a revision; `{{ when }}` shows both ways, `{{ when.relative }}` and `{{ when.exact }}` one each."""

    at: datetime | None

    @property
    def local(self) -> datetime | None:
        """The moment in the current time zone."""
        return timezone.localtime(self.at) if self.at and timezone.is_aware(self.at) else self.at

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
