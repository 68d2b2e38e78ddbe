"""Tables of pages of history, with django-tables2: a page of rows that was read by key, in an order that is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import django_tables2
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from audittrail.admin.authors import Author, authors
from audittrail.admin.links import revision_url
from audittrail.admin.moments import When
from audittrail.admin.origins import origin
from audittrail.admin.readers import Reader
from audittrail.admin.searching import Entry


class PageTable(django_tables2.Table):  # type: ignore[misc]
    """A table of one page; django-tables2 need not be among INSTALLED_APPS, since the template is ours."""

    def __html__(self) -> SafeString:
        """Return the table as HTML."""
        rendered: SafeString = self.as_html(self.request)
        return rendered

    def __str__(self) -> str:
        """Return the table as HTML, as a template asks for it."""
        return self.__html__()

    def __init__(self, data: Sequence[Any], request: Any, **options: Any) -> None:
        self.request = request
        super().__init__(
            data,
            orderable=False,
            template_name="audittrail/admin/table.html",
            attrs={"class": "audittrail-table"},
            **options,
        )


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
