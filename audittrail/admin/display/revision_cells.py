"""Tables of what revisions did, with django-tables2: how each says when it was, who made it, and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import django_tables2
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString

from audittrail.admin.display.authors import authors
from audittrail.admin.display.times import RevisionTime
from audittrail.admin.layout.links import revision_url
from audittrail.admin.permissions.readers import Reader


class RevisionCells(django_tables2.Table):  # type: ignore[misc]
    """A table whose records each belong to a revision: when that was, who made it, and why.

    It has one page, of records that are in order. django-tables2 need not be among INSTALLED_APPS, since the template is ours.
    """

    def __init__(
        self, records: Sequence[Any], reader: Reader, revisions: Iterable[Any], **options: Any
    ) -> None:
        self.reader = reader
        self.request = reader.request
        self.authors = authors(reader.site, reader.request, revisions)
        super().__init__(
            records,
            orderable=False,
            template_name="audittrail/admin/table.html",
            attrs={"class": "audittrail-table"},
            **options,
        )

    def __html__(self) -> SafeString:
        """Return the table as HTML."""
        rendered: SafeString = self.as_html(self.request)
        return rendered

    def __str__(self) -> str:
        """Return the table as HTML, as a template asks for it."""
        return self.__html__()

    def revision_of(self, record: Any) -> Any:
        """Return the revision of a record, None if it has been erased."""
        raise NotImplementedError

    def render_when(self, record: Any) -> Any:
        """Show when it was, as the link to the revision."""
        revision = self.revision_of(record)
        if revision is None:
            return ""
        url, when = revision_url(self.reader.site, revision), RevisionTime(revision.committed_at)
        return format_html('<a href="{}">{}</a>', url, when) if url else when

    def render_who(self, record: Any) -> SafeString:
        """Show who made it."""
        revision = self.revision_of(record)
        author = self.authors.get(revision.author_key) if revision else None
        return self.included("who", author=author)

    def render_why(self, record: Any) -> SafeString:
        """Show the reason."""
        revision = self.revision_of(record)
        return self.included("why", reason=revision.reason if revision else "")

    def included(self, name: str, **context: Any) -> SafeString:
        """Return what one of the small templates makes of a context."""
        return render_to_string(f"audittrail/admin/includes/{name}.html", context)
