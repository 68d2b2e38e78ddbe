"""The table of revisions, with django-tables2: when, who, why, from where, and what they changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import django_tables2
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from audittrail.admin.display.origins import origin
from audittrail.admin.lists.searching import ListedRevision
from audittrail.admin.lists.tables import RevisionCells
from audittrail.admin.permissions.readers import Reader


class RevisionTable(RevisionCells):
    """Revisions: when, who, why, from where, and what they changed."""

    when = django_tables2.Column(_("When"), accessor="revision__committed_at")
    who = django_tables2.Column(_("Who"), empty_values=())
    why = django_tables2.Column(_("Why"), accessor="revision__reason", empty_values=())
    source = django_tables2.Column(_("From where"), empty_values=())
    changes = django_tables2.Column(_("What"), accessor="changes", empty_values=())

    def __init__(self, entries: Sequence[ListedRevision], reader: Reader, **options: Any) -> None:
        super().__init__(entries, reader, [entry.revision for entry in entries], **options)

    def revision_of(self, record: ListedRevision) -> Any:
        """Return the revision of an entry."""
        return record.revision

    def render_source(self, record: ListedRevision) -> SafeString:
        """Show from where it came."""
        return self.included("source", origin=origin(record.revision))

    def render_changes(self, record: ListedRevision) -> SafeString:
        """Show what it changed."""
        return self.included("touches", touches=record.changes)
