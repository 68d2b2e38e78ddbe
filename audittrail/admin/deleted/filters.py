"""What can be asked of the deleted objects of a model, with django-filter."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import django_filters
from django import forms
from django.contrib.admin import ModelAdmin
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from audittrail.admin.deleted.queries import Deletions
from audittrail.admin.lists.filters import LETTERS, ListFilters, MomentFilter, few_words
from audittrail.admin.lists.windows import FIRST_TICK
from audittrail.admin.permissions.readers import Reader
from audittrail.diff.span import open_at
from audittrail.revisions.models import BaseRevision

#: The parameter that says up to which tick to search, where a search has to be continued.
UNTIL_TICK: Final = "tick"


class DeletedFilters(ListFilters):
    """What can be asked of the deleted objects of a model; `deletions` finds them."""

    q = django_filters.CharFilter(
        label=_("Search"),
        method="keep",
        max_length=LETTERS,
        validators=[few_words],
        widget=forms.TextInput(attrs={"type": "search"}),
    )
    user = django_filters.CharFilter(
        label=_("Deleted by"),
        method="filter_user",
        max_length=LETTERS,
        help_text=_("Name or key, also of a deleted user"),
    )
    since = MomentFilter(label=_("From"))
    until = MomentFilter(label=_("Until"))

    positions = (*ListFilters.positions, UNTIL_TICK)

    def __init__(self, data: QueryDict, model_admin: ModelAdmin[Any], reader: Reader) -> None:
        self.model_admin = model_admin
        self.reader = reader
        super().__init__(data, queryset=reader.revisions, request=reader.request)
        if not model_admin.get_search_fields(reader.request):
            del self.filters["q"]
        elif model_admin.search_help_text:
            self.filters["q"].extra["help_text"] = model_admin.search_help_text

    @property
    def deletions(self) -> Deletions | None:
        """The search for what is asked, None while something of it is wrong."""
        if self.errors:
            return None
        given = self.form.cleaned_data
        since, until, text = given.get("since"), given.get("until"), given.get("q", "")
        if not (given.get("user") or since or until):
            return Deletions(self.model_admin, self.reader, text)
        revisions, first, last = self.qs, FIRST_TICK, None
        if until:
            revisions = revisions.filter(committed_at__lt=until)
            latest = self.reader.revisions.last_by(until - timedelta.resolution)
            last = latest.committed if latest else FIRST_TICK - 1
        if since:
            revisions = revisions.filter(committed_at__gte=since)
            first = _begun_before(self.reader.revisions.last_by(since - timedelta.resolution))
        return Deletions(self.model_admin, self.reader, text, revisions, first, last)


def _begun_before(revision: BaseRevision | None) -> int:
    """Return a tick before which no revision has versions that was committed after this one."""
    if revision is None or revision.committed is None:
        return FIRST_TICK
    still_open = open_at(revision._state.db or "default", revision.committed)
    return min(still_open, default=revision.committed)
