"""What can be asked of the revisions of a database, with django-filter, and the search that it makes."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from typing import Any

import django_filters
from django import forms
from django.db.models import Q, TextField
from django.db.models.functions import Cast
from django.http import QueryDict
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audittrail.admin.display import operations, origins
from audittrail.admin.display.authors import authors_by_key
from audittrail.admin.layout.keys import read_number, read_row_key
from audittrail.admin.lists.filters import (
    LETTERS,
    FilterForm,
    ListFilters,
    MomentFilter,
)
from audittrail.admin.lists.searching import Search
from audittrail.admin.permissions.readers import DATABASE, Reader, databases
from audittrail.revisions.models import authors_here


class RevisionForm(FilterForm):
    """The form of the filters."""

    def clean(self) -> dict[str, Any]:
        """Check also that an object is named together with its model, and by a key that it can have."""
        cleaned = super().clean()
        if cleaned.get("object") and not cleaned.get("model") and "model" not in self.errors:
            self.add_error("object", gettext("Choose the model of the object as well."))
        elif cleaned.get("object") and cleaned.get("model"):
            model = cleaned["model"]
            if read_row_key(model, cleaned["object"]) is None:
                text = gettext("That is no primary key of %(model)s.")
                self.add_error("object", text % {"model": model._meta.verbose_name})
        return cleaned


class RevisionFilters(ListFilters):
    """What a reader can ask of the revisions of a database; `search` finds them."""

    q = django_filters.CharFilter(
        label=_("Search"),
        method="filter_text",
        max_length=LETTERS,
        widget=forms.TextInput(attrs={"type": "search"}),
        help_text=_("Reason, context, user, or number of a revision"),
    )
    user = django_filters.CharFilter(
        label=_("User"),
        method="filter_user",
        max_length=LETTERS,
        help_text=_("Name or key; deleted ones too"),
    )
    since = MomentFilter(label=_("From"))
    until = MomentFilter(label=_("Until"))
    model = django_filters.TypedChoiceFilter(label=_("Model"), method="keep")
    object = django_filters.CharFilter(
        label=_("Object"), method="keep", help_text=_("Its primary key")
    )
    operation = django_filters.ChoiceFilter(
        label=_("Operation"), method="keep", empty_label=_("All"), choices=operations.CHOICES
    )
    reason = django_filters.CharFilter(
        label=_("Reason"), method="filter_reason", max_length=LETTERS
    )
    source = django_filters.ChoiceFilter(
        label=_("Source"), method="filter_source", empty_label=_("All"), choices=origins.KINDS
    )
    database = django_filters.ChoiceFilter(label=_("Database"), method="keep", empty_label=None)

    choosing = (DATABASE,)

    class Meta:
        form = RevisionForm

    def __init__(self, data: QueryDict, reader: Reader) -> None:
        self.reader = reader
        self.span: Any = None
        super().__init__(data, queryset=reader.revisions, request=reader.request)
        labels = {model._meta.label_lower: model for model in _listed(reader)}
        self.filters["model"].extra.update(
            choices=_model_choices(reader), coerce=labels.get, empty_value=None
        )
        if len(databases()) > 1:
            self.filters["database"].extra["choices"] = [(name, name) for name in databases()]
        else:
            del self.filters["database"]

    def filter_queryset(self, queryset: Any) -> Any:
        """Narrow the revisions down, first by time: that is what searching goes by."""
        given = self.form.cleaned_data
        if since := given.get("since"):
            queryset = queryset.filter(committed_at__gte=since)
        if until := given.get("until"):
            queryset = queryset.filter(committed_at__lt=until)
        self.span = queryset
        return super().filter_queryset(queryset)

    @cached_property
    def search(self) -> Search | None:
        """The search for what is asked, None while something of it is wrong."""
        if self.errors:
            return None
        conditions, given = self.qs, self.form.cleaned_data
        model, text = given["model"], given["object"]
        return Search(
            self.reader,
            self.span,
            conditions,
            model=model,
            key=read_row_key(model, text) if model and text else None,
            operation=given["operation"],
            is_slow=bool(
                given["q"]
                or given["reason"]
                or given["source"]
                or (given["user"] and self.reader.has_many_revisions)
            ),
        )

    @property
    def is_extended(self) -> bool:
        """Whether one of the filters is used that stand apart from the ordinary ones."""
        return any(
            self.data.get(name) for name in ("model", "object", "operation", "reason", "source")
        )

    @property
    def clear_url(self) -> str:
        """The query string without any filter."""
        kept = self.data.get(DATABASE)
        return f"?{DATABASE}={kept}" if kept and "database" in self.filters else "?"

    def filter_reason(self, queryset: Any, name: str, value: str) -> Any:
        """Keep the revisions whose reason has a text."""
        return queryset.filter(reason__icontains=value)

    def filter_source(self, queryset: Any, name: str, value: str) -> Any:
        """Keep the revisions from one kind of source."""
        return queryset.filter(origins.condition(value))

    def filter_text(self, queryset: Any, name: str, value: str) -> Any:
        """Keep the revisions that have a text in what they say of themselves."""
        said = queryset.alias(said=Cast("context", TextField()))
        condition = (
            Q(reason__icontains=value)
            | Q(said__icontains=value)
            | Q(application_name__icontains=value)
            | Q(db_user__icontains=value)
        )
        if keys := self.users(value):
            condition |= Q(committed_by__in=keys) & authors_here()
        if (number := read_number(value)) is not None:
            condition |= Q(pk=number)
        return said.filter(condition)

    def text_of(self, name: str, value: Any) -> str:
        """Return the value of a filter as people read it."""
        if name == "model":
            return str(capfirst(value._meta.verbose_name_plural))
        if name == "user":
            keys = self.users(value)
            known = authors_by_key(self.reader.site, self.reader.request, keys[:1])
            return known[keys[0]].text if len(keys) == 1 else value
        choices = dict(getattr(self.form.fields[name], "choices", ()))
        return str(choices[value]) if value in choices else super().text_of(name, value)


def _model_choices(reader: Reader) -> list[Any]:
    apps: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for model in _listed(reader):
        meta = model._meta
        apps[str(meta.app_config.verbose_name)].append(
            (meta.label_lower, str(capfirst(meta.verbose_name_plural)))
        )
    groups = [(name, sorted(found, key=lambda choice: choice[1])) for name, found in apps.items()]
    return [("", _("All")), *sorted(groups)]


def _listed(reader: Reader) -> list[Any]:
    """Return the models that the reader may view as a whole; of others not even the name is told."""
    return [model for model, visible in reader.visible.items() if visible.is_listed]
