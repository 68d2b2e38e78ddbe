"""The table of deleted objects, with django-tables2: which, when, by whom, why, and some of their fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import django_tables2
from django.contrib.admin import ModelAdmin
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audittrail.admin.display.names import Names
from audittrail.admin.display.object_text import name_of
from audittrail.admin.display.revision_cells import RevisionCells
from audittrail.admin.display.values import ShownValue
from audittrail.admin.layout.keys import key_text
from audittrail.admin.layout.links import history_url
from audittrail.admin.permissions.fields import hidden_fields, is_masked
from audittrail.admin.permissions.readers import Reader

#: Columns of the ModelAdmin's list_display that are shown beside the name.
COLUMNS = 4


class DeletedTable(RevisionCells):
    """Deleted objects: which, when, by whom, why, and some of their fields."""

    def __init__(
        self,
        objects: Sequence[Any],
        model_admin: ModelAdmin[Any],
        reader: Reader,
        *,
        can_choose: bool,
    ) -> None:
        self.model_admin = model_admin
        found = {obj.history_revision for obj in objects}
        self.revisions: dict[int, Any] = reader.revisions.in_bulk(found) if found else {}
        self.names = Names(reader)
        fields = _fields(model_admin, reader)
        for obj in objects:
            for field in fields:
                self.names.want(field, (_value(field, obj),), None)
        # A column whose values stand in the objects' names already is left out.
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
        columns += [
            ("when", django_tables2.Column(_("Deleted"), empty_values=())),
            ("who", django_tables2.Column(_("Who"), empty_values=())),
            ("why", django_tables2.Column(_("Why"), empty_values=())),
        ]
        # Where there is no room for all columns, it is these that are scrolled to.
        columns += [(f"field_{field.name}", _FieldColumn(self, field)) for field in shown[:COLUMNS]]
        super().__init__(objects, reader, self.revisions.values(), extra_columns=columns)
        self.caption = gettext("Deleted %(models)s") % {
            "models": model_admin.opts.verbose_name_plural
        }

    def _is_named(self, obj: Any, field: Any) -> bool:
        text = self.names.shown(field, _value(field, obj), None)
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
        url = history_url(self.model_admin, record.pk)
        return format_html(
            '<a href="{}"><bdi class="audittrail-long">{}</bdi></a>', url, name_of(record)
        )

    def revision_of(self, record: Any) -> Any:
        """Return the revision that deleted an object, None if it has been erased."""
        return self.revisions.get(record.history_revision)


class _FieldColumn(django_tables2.Column):  # type: ignore[misc]
    """A field of the objects, as it last was."""

    def __init__(self, table: DeletedTable, field: Any) -> None:
        super().__init__(capfirst(field.verbose_name), empty_values=(), accessor=field.attname)
        self._table = table
        self._field = field

    def render(self, record: Any) -> ShownValue:
        """Show the value as people read it."""
        return self._table.names.shown(self._field, _value(self._field, record), None)


def _fields(model_admin: ModelAdmin[Any], reader: Reader) -> list[models.Field[Any, Any]]:
    """Return the fields of the ModelAdmin's list that are columns of the model, and not hidden from pages of history."""
    hidden = hidden_fields(model_admin)
    found: list[models.Field[Any, Any]] = []
    for name in model_admin.get_list_display(reader.request):
        try:
            field = model_admin.opts.get_field(name) if isinstance(name, str) else None
        except FieldDoesNotExist:
            continue  # a method
        is_column = isinstance(field, models.Field) and field.concrete and not field.many_to_many
        if (
            isinstance(field, models.Field)
            and is_column
            and field.name not in hidden
            and not is_masked(field)
        ):
            found.append(field)
    return found


def _value(field: Any, obj: Any) -> Any:
    # Not getattr: for a field that the ModelAdmin's queryset defers, that would send a query for each object.
    return obj.__dict__.get(field.attname)
