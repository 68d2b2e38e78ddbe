"""The filters of an object's timeline, with django-filter: by user, time, field and operation."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import django_filters
from django.db.models import BooleanField, Func, OuterRef, Q, Subquery, TextField
from django.db.models.functions import Cast
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from audittrail.admin.display import operations
from audittrail.admin.display.values import field_label
from audittrail.admin.lists.filters import LETTERS, ListFilters, MomentFilter
from audittrail.admin.lists.windows import FIRST_TICK, LAST_TICK
from audittrail.admin.objects.sources import MEMBERS, OWN, Source
from audittrail.diff.columns import RowColumn, columns_of
from audittrail.diff.images import GONE
from audittrail.revisions.models import authors_here, revision_model
from audittrail.revisions.versions import Operation, versions_of

#: How the value of the filter by field names rows of another table.
ROWS = "rows:"


class TimelineFilters(ListFilters):
    """What can be asked of the timeline that some sources make."""

    user = django_filters.CharFilter(
        label=_("User"),
        method="filter_user",
        max_length=LETTERS,
        help_text=_("Name or key, also of a deleted user"),
    )
    since = MomentFilter(label=_("From"))
    until = MomentFilter(label=_("Until"))
    field = django_filters.ChoiceFilter(label=_("Field"), method="keep", empty_label=_("All"))
    operation = django_filters.ChoiceFilter(
        label=_("Operation"),
        method="filter_operation",
        empty_label=_("All"),
        choices=operations.CHOICES,
    )

    def __init__(self, data: QueryDict, sources: Sequence[Source]) -> None:
        super().__init__(data, queryset=sources[0].versions)
        self._sources = sources
        self._database = sources[0].database
        self.filters["field"].extra["choices"] = self._fields()

    def narrow(self, source: Source, versions: Any) -> Any:
        """Return those of a source's versions that are asked for, None if none of the source is."""
        name = self.form.cleaned_data.get("field")
        if name and source.kind != OWN:
            return self.filter_queryset(versions) if name == _name(source) else None
        if not name:
            return self.filter_queryset(versions)
        column = {column.field.name: column for column in columns_of(source.model)}.get(name)
        return None if column is None else _changing(source, self.filter_queryset(versions), column)

    @property
    def is_used(self) -> bool:
        """Whether anything is asked for."""
        return any(self.data.get(name) for name in self.filters)

    @property
    def field_alone(self) -> str:
        """The name of the object's field that is asked for, many-to-many ones included; "" if none is."""
        chosen = self.form.cleaned_data.get("field") or "" if self.is_valid() else ""
        is_field = not chosen.startswith(ROWS) or any(
            source.kind == MEMBERS and _name(source) == chosen for source in self._sources
        )
        return chosen.removeprefix(ROWS) if is_field else ""

    @property
    def ticks(self) -> tuple[int, int]:
        """The ticks after which and before which revisions have been committed at the times that are asked for."""
        given = self.form.cleaned_data
        return (
            _last_before(self._database, given["since"]) if given.get("since") else FIRST_TICK,
            _last_before(self._database, given["until"]) + 1 if given.get("until") else LAST_TICK,
        )

    def filter_user(self, versions: Any, name: str, value: str) -> Any:
        """Keep the versions of the users that a text means."""
        # A subquery for each version is fast enough, since only the versions of one object are looked at.
        revisions = (
            revision_model()
            .objects.using(versions.db)
            .filter(authors_here(), pk=OuterRef("revision_id"))
        )
        author = Subquery(revisions.values("committed_by"))
        return versions.alias(audittrail_author=author).filter(
            audittrail_author__in=self.users(value)
        )

    def filter_operation(self, versions: Any, name: str, value: str) -> Any:
        """Keep the versions of one kind of change."""
        return versions.filter(operation__in=GONE if value == Operation.DELETE else (value,))

    def _fields(self) -> list[Any]:
        own: dict[str, str] = {}
        others = []
        for source in self._sources:
            if source.kind != OWN:
                others.append((_name(source), source.label))
                continue
            for column in columns_of(source.model):
                name = column.field.name
                is_shown = name in source.shown and name not in source.hidden
                if is_shown and not column.field.primary_key:
                    own[column.field.name] = field_label(column.field, column.name)
        groups = [(self._sources[0].label, list(own.items())), (_("What belongs to it"), others)]
        return [(name, choices) for name, choices in groups if choices]


def _name(source: Source) -> str:
    return f"{ROWS}{source.name}"


def _last_before(database: str, moment: datetime) -> int:
    """Return the tick of the last revision that was committed before a moment, one before all others if there is none."""
    found = revision_model().objects.using(database).last_by(moment - timedelta.resolution)
    return FIRST_TICK if found is None or found.committed is None else found.committed


def _changing(source: Source, versions: Any, column: RowColumn) -> Any:
    """Return the versions in which a column has another value than in the version of the same row before, or came or went."""
    same_row = {name: OuterRef(name) for name in source.key_names}
    previous = (
        versions_of(source.model, source.database)
        .filter(version__lt=OuterRef("version"), **same_row)
        .order_by("-version")
        .values(audittrail_text=_comparable(column))[:1]
    )
    changed = Func(
        _comparable(column),
        Subquery(previous),
        template="(%(expressions)s)",
        arg_joiner=" IS DISTINCT FROM ",
        output_field=BooleanField(),
    )
    came_or_went = Q(operation__in=(Operation.INSERT, *GONE)) & ~Q(**{column.name: None})
    found = versions.alias(audittrail_changed=changed)
    return found.filter(Q(audittrail_changed=True) | came_or_went).exclude(
        operation=Operation.BASELINE
    )


def _comparable(column: RowColumn) -> Any:
    """Return a column as an expression that can be compared; of some types nothing else can be than their text."""
    return Cast(column.name, TextField())
