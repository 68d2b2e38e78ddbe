"""The table of revisions, with django-tables2: when, who, why, from where, and what they changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import django_tables2
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from audittrail.admin.display.authors import Author, authors
from audittrail.admin.display.origins import origin
from audittrail.admin.display.times import When
from audittrail.admin.layout.links import revision_url
from audittrail.admin.lists.searching import Entry
from audittrail.admin.lists.tables import PageTable
from audittrail.admin.permissions.readers import Reader


class RevisionTable(PageTable):
    """Revisions: when, who, why, from where, and what they changed."""

    when = django_tables2.Column(_("When"), accessor="revision__committed_at")
    who = django_tables2.Column(_("Who"), empty_values=())
    why = django_tables2.Column(_("Why"), accessor="revision__reason", empty_values=())
    source = django_tables2.Column(_("From where"), empty_values=())
    changes = django_tables2.Column(_("What"), accessor="touches", empty_values=())

    def __init__(self, entries: Sequence[Entry], reader: Reader, **options: Any) -> None:
        self.reader = reader
        self.authors: Mapping[Any, Author] = authors(
            reader.site, reader.request, [entry.revision for entry in entries]
        )
        super().__init__(entries, reader.request, **options)

    def render_when(self, record: Entry) -> SafeString:
        """Show when, as the link to the revision."""
        url = revision_url(self.reader.site, record.revision)
        return format_html('<a href="{}">{}</a>', url, When(record.revision.committed_at))

    def render_who(self, record: Entry) -> SafeString:
        """Show who made it."""
        return self._rendered("who", author=self.authors.get(record.revision.committed_by_id))

    def render_why(self, record: Entry) -> SafeString:
        """Show the reason."""
        return self._rendered("why", reason=record.revision.reason)

    def render_source(self, record: Entry) -> SafeString:
        """Show from where it came."""
        return self._rendered("source", origin=origin(record.revision))

    def render_changes(self, record: Entry) -> SafeString:
        """Show what it changed."""
        return self._rendered("touches", touches=record.touches)

    def _rendered(self, name: str, **context: Any) -> SafeString:
        return render_to_string(f"audittrail/admin/includes/{name}.html", context)
