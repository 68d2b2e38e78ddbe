"""The list of deleted objects of a model: its filters, with django-filter, and its table, with django-tables2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import django_filters
import django_tables2
from django import forms
from django.contrib.admin import ModelAdmin
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.http import QueryDict
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audittrail.admin import options, paging
from audittrail.admin.authors import authors, find_keys
from audittrail.admin.deletions import UNTIL_TICK, Deletions
from audittrail.admin.filters import FilterForm, MomentInput
from audittrail.admin.links import Link, object_url, revision_url
from audittrail.admin.moments import When
from audittrail.admin.names import Names, key_text, name_of
from audittrail.admin.readers import Reader
from audittrail.admin.tables import PageTable
from audittrail.admin.values import Shown
from audittrail.revisions.models import BaseRevision

#: Columns of the ModelAdmin's list_display that are shown beside the name.
COLUMNS = 4


class DeletedFilters(django_filters.FilterSet):  # type: ignore[misc]
    """What can be asked of the deleted objects of a model; `deletions` finds them."""

    q = django_filters.CharFilter(
        label=_("Search"), method="keep", widget=forms.TextInput(attrs={"type": "search"})
    )
    user = django_filters.CharFilter(
        label=_("Deleted by"),
        method="filter_user",
        help_text=_("Name or key, also of a deleted user"),
    )
    since = django_filters.DateTimeFilter(label=_("From"), method="keep", widget=MomentInput())
    until = django_filters.DateTimeFilter(label=_("Until"), method="keep", widget=MomentInput())

    class Meta:
        form = FilterForm

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
        revisions, first, last = self.qs, 0, None
        if until:
            revisions = revisions.filter(committed_at__lt=until)
            latest = self.reader.revisions.filter(committed_at__lt=until).newest()
            last = latest.committed if latest else -1
        if since:
            revisions = revisions.filter(committed_at__gte=since)
            first = _begun_before(self.reader.revisions.filter(committed_at__lt=since).newest())
        return Deletions(self.model_admin, self.reader, text, revisions, first, last)

    @property
    def clear_url(self) -> str:
        """The query string without any filter."""
        return "?"

    def used(self) -> list[Link]:
        """Return the filters that are used, as people read them, each with the query string of the page without it."""
        given = {} if self.errors else self.form.cleaned_data
        return [
            Link(
                gettext("%(filter)s: %(value)s")
                % {
                    "filter": self.form.fields[name].label,
                    "value": When(value).exact if name in ("since", "until") else value,
                },
                self._without(name),
            )
            for name, value in given.items()
            if value
        ]

    def _without(self, name: str) -> str:
        changed = self.data.copy()
        for other in (name, paging.BEFORE, paging.AFTER, UNTIL_TICK):
            changed.pop(other, None)
        return f"?{changed.urlencode()}"

    def keep(self, queryset: Any, name: str, value: Any) -> Any:
        """Leave the revisions alone: the search asks for these."""
        return queryset

    def filter_user(self, queryset: Any, name: str, value: str) -> Any:
        """Keep the revisions of the users that a text means."""
        keys = find_keys(value)
        return queryset.filter(committed_by__in=keys) if keys else queryset.none()


def _begun_before(revision: BaseRevision | None) -> int:
    """Return a tick before which no revision has versions that was committed after this one."""
    if revision is None or revision.committed is None:
        return 0
    from django.db import connections

    with connections[revision._state.db or "default"].cursor() as cursor:
        cursor.execute("SELECT min(o) FROM audittrail.open_at(%s) o", [revision.committed])
        (earliest,) = cursor.fetchone()
    return int(earliest if earliest is not None else revision.committed)


class DeletedTable(PageTable):
    """Deleted objects: which, some of their fields, when, by whom, and why."""

    def __init__(
        self,
        objects: Sequence[Any],
        model_admin: ModelAdmin[Any],
        reader: Reader,
        *,
        can_choose: bool,
    ) -> None:
        self.model_admin = model_admin
        self.reader = reader
        found = {obj.history_revision for obj in objects}
        self.revisions: dict[int, Any] = reader.revisions.in_bulk(found) if found else {}
        self.authors = authors(reader.site, reader.request, self.revisions.values())
        self.names = Names(reader, None)
        fields = _fields(model_admin, reader)
        for obj in objects:
            for field in fields:
                self.names.want_value(field, _value(field, obj), then=True)
        # What the names say already is not said once more.
        shown = [
            field for field in fields if not all(self._is_named(obj, field) for obj in objects)
        ]
        columns: list[tuple[str, Any]] = []
        if can_choose:
            columns.append(("chosen", django_tables2.Column(_("Choose"), empty_values=())))
        columns.append(
            (
                "object",
                django_tables2.Column(capfirst(model_admin.opts.verbose_name), empty_values=()),
            )
        )
        columns += [(f"field_{field.name}", _FieldColumn(self, field)) for field in shown[:COLUMNS]]
        columns += [
            ("when", django_tables2.Column(_("Deleted"), empty_values=())),
            ("who", django_tables2.Column(_("Who"), empty_values=())),
            ("why", django_tables2.Column(_("Why"), empty_values=())),
        ]
        super().__init__(objects, reader.request, extra_columns=columns)
        self.caption = gettext("Deleted %(models)s") % {
            "models": model_admin.opts.verbose_name_plural
        }

    def _is_named(self, obj: Any, field: Any) -> bool:
        text = self.names.of_value(field, _value(field, obj), then=True)
        return text.is_empty or text.text in name_of(obj)

    def render_chosen(self, record: Any) -> SafeString:
        """Show the checkbox by which an object is chosen."""
        label = gettext("Choose %(name)s") % {"name": name_of(record)}
        return format_html(
            '<input type="checkbox" name="pk" value="{}" aria-label="{}">',
            key_text(record.pk),
            label,
        )

    def render_object(self, record: Any) -> SafeString:
        """Show the object's name, as the link to its history."""
        url = object_url(self.model_admin, "history", record.pk)
        return format_html(
            '<a href="{}"><bdi class="audittrail-long">{}</bdi></a>', url, name_of(record)
        )

    def render_when(self, record: Any) -> Any:
        """Show when it was deleted, as the link to the revision."""
        revision = self.revisions.get(record.history_revision)
        if revision is None:
            return ""  # it has been erased
        url = revision_url(self.reader.site, revision)
        when = When(revision.committed_at)
        return format_html('<a href="{}">{}</a>', url, when) if url else when

    def render_who(self, record: Any) -> str:
        """Show who deleted it."""
        revision = self.revisions.get(record.history_revision)
        author = self.authors.get(revision.committed_by_id) if revision else None
        return render_to_string("audittrail/admin/includes/who.html", {"author": author})

    def render_why(self, record: Any) -> str:
        """Show the reason."""
        revision = self.revisions.get(record.history_revision)
        reason = revision.reason if revision else ""
        return render_to_string("audittrail/admin/includes/why.html", {"reason": reason})


class _FieldColumn(django_tables2.Column):  # type: ignore[misc]
    """A field of the objects, as it last was."""

    def __init__(self, table: DeletedTable, field: Any) -> None:
        super().__init__(capfirst(field.verbose_name), empty_values=(), accessor=field.attname)
        self._table = table
        self._field = field

    def render(self, record: Any) -> Shown:
        """Show the value as people read it."""
        return self._table.names.of_value(self._field, _value(self._field, record), then=True)


def _fields(model_admin: ModelAdmin[Any], reader: Reader) -> list[models.Field[Any, Any]]:
    """Return the fields of the ModelAdmin's list that are columns of the model, and not hidden from pages of history."""
    left_out = options.hidden_fields(model_admin) | options.masked_fields(model_admin.model)
    found: list[models.Field[Any, Any]] = []
    for name in model_admin.get_list_display(reader.request):
        try:
            field = model_admin.opts.get_field(name) if isinstance(name, str) else None
        except FieldDoesNotExist:
            continue  # a method
        is_column = isinstance(field, models.Field) and field.concrete and not field.many_to_many
        if isinstance(field, models.Field) and is_column and field.name not in left_out:
            found.append(field)
    return found


def _value(field: Any, obj: Any) -> Any:
    # Deferred where the ModelAdmin's queryset says so: that would take a query for each object.
    return obj.__dict__.get(field.attname)
