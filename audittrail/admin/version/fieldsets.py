"""An object of the past as its ModelAdmin lays it out: fieldsets, read-only fields, inlines, with the values of then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from django.contrib.admin.utils import flatten_fieldsets, label_for_field, lookup_field
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.http import HttpRequest
from django.template.defaultfilters import linebreaksbr
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from audittrail.admin.display.differences import shown_of
from audittrail.admin.display.names import Names
from audittrail.admin.display.object_text import name_of, without_masked
from audittrail.admin.display.values import FOLDED, ShownValue, as_text, field_label
from audittrail.admin.objects.lookup import Subject
from audittrail.admin.objects.sources import Source
from audittrail.admin.permissions.fields import hidden_fields, is_excluded
from audittrail.capture import tracking
from audittrail.diff.parts import is_parent_link
from audittrail.exceptions import TimeTravelError
from audittrail.timetravel.moment import Moment

#: Rows of an inline, and objects of a many-to-many field, that are shown.
ROWS: Final = 100

#: Letters of long texts that a page has room for; each is shown whole as long as there is some left.
ROOM: Final = 2_000_000


@dataclass(frozen=True)
class Cell:
    """A field with its value, as HTML."""

    label: str
    value: Any


@dataclass(frozen=True)
class Fieldset:
    """Fields that stand together: lines of one or more."""

    name: str
    description: Any
    lines: Sequence[Sequence[Cell]]
    is_folded: bool = False


@dataclass(frozen=True)
class Inline:
    """The rows of an inline; `is_known` unless its table was not tracked then."""

    label: str
    columns: Sequence[str] = ()
    rows: Sequence[tuple[str, Sequence[Cell]]] = field(default_factory=tuple)
    is_tabular: bool = True
    is_more: bool = False
    is_known: bool = True


class ObjectLayout:
    """Lay out an object as of a moment for one reader."""

    def __init__(
        self, subject: Subject, request: HttpRequest, obj: models.Model, moment: Moment
    ) -> None:
        self._subject = subject
        self._request = request
        self._obj = without_masked(obj)
        self._moment = moment
        self._names = Names(subject.reader)
        self._room = ROOM

    @property
    def text(self) -> str:
        """How the object was called."""
        return name_of(self._obj)

    def lay_out(self, sources: Iterable[Source]) -> tuple[list[Fieldset], list[Inline]]:
        """Return the fieldsets and the inlines; takes the sources of the inlines that the reader may see."""
        model_admin = self._subject.model_admin
        described = [*self._described()]
        hidden = hidden_fields(model_admin)
        names = [name for _, _, lines, _ in described for line in lines for name in line]
        self._want(self._obj, names, hidden)
        found = [(source, self._rows(source)) for source in sources]
        for source, rows in found:
            for row in rows or ():
                self._want(row, self._columns(source), source.hidden)
        self._names.load()
        fieldsets = []
        for name, description, lines, is_folded in described:
            cells = [[*self._cells(self._obj, model_admin, line, hidden)] for line in lines]
            if any(cells):
                fieldsets.append(
                    Fieldset(name, description, [line for line in cells if line], is_folded)
                )
        return fieldsets, [self._inline(source, rows) for source, rows in found]

    def _described(self) -> Iterator[tuple[str, Any, list[list[Any]], bool]]:
        """Yield name, description and lines of the fieldsets: the ModelAdmin's own, and one of what these leave out."""
        model_admin, obj = self._subject.model_admin, self._obj
        seen: set[Any] = set()
        for name, described in model_admin.get_fieldsets(self._request, obj):
            lines = [
                [line] if isinstance(line, str) or not isinstance(line, Iterable) else [*line]
                for line in described.get("fields", ())
            ]
            seen.update(one for line in lines for one in line)
            classes = described.get("classes", ())
            yield str(name or ""), described.get("description"), lines, "collapse" in classes
        further = [
            [one.name]
            for one in (*obj._meta.concrete_fields, *obj._meta.many_to_many)
            if one.name not in seen and one.name in self._subject.shown and not _is_made(one)
        ]
        if further:
            yield _("Further fields"), None, further, True

    def _rows(self, source: Source) -> list[models.Model] | None:
        """Return the rows of an inline as of the moment that the reader may see; None if they are not known."""
        assert source.visible is not None
        related = {one.name for one in source.model._meta.many_to_many}
        names = related & {str(name) for name in self._columns(source)}
        try:
            rows = source.inline.get_queryset(self._request).using(self._moment.alias)
            found = [*rows.filter(**source.lookup).prefetch_related(*names)[: ROWS + 1]]
        except TimeTravelError:
            return None
        seen = source.seen(self._subject.reader, found)
        return [without_masked(row) for row in seen]

    def _columns(self, source: Source) -> list[Any]:
        fieldsets = source.inline.get_fieldsets(self._request, self._obj)
        names: list[Any] = flatten_fieldsets(fieldsets)
        return [
            name for name in names if not (isinstance(name, str) and _is_way_back(source, name))
        ]

    def _inline(self, source: Source, rows: list[models.Model] | None) -> Inline:
        from django.contrib.admin.options import StackedInline

        if rows is None:
            return Inline(source.label, is_known=False)
        columns = self._columns(source)
        shown = [
            (name_of(row), [*self._cells(row, source.inline, columns, source.hidden)])
            for row in rows[:ROWS]
        ]
        labels = [cell.label for cell in shown[0][1]] if shown else []
        is_tabular = not isinstance(source.inline, StackedInline)
        return Inline(source.label, labels, shown, is_tabular, len(rows) > ROWS)

    def _want(self, obj: models.Model, names: Iterable[Any], hidden: frozenset[str]) -> None:
        for name in names:
            one = _field(obj, name)
            if one is not None and one.name not in hidden:
                self._names.want(one, _keys(obj, one), self._moment.tick)

    def _cells(
        self, obj: models.Model, model_admin: Any, names: Iterable[Any], hidden: frozenset[str]
    ) -> Iterator[Cell]:
        for name in names:
            one = _field(obj, name)
            if one is None:
                if name not in hidden and (cell := _computed(obj, model_admin, name)) is not None:
                    yield cell
            elif one.name not in hidden and not is_excluded(one):
                yield Cell(field_label(one, one.name), self._value(obj, one))

    def _value(self, obj: models.Model, one: Any) -> ShownValue:
        keys = _keys(obj, one)
        value = tuple(keys) if one.many_to_many else getattr(obj, one.attname)
        shown = shown_of(one, value, self._names, self._moment.tick)
        letters = max(self._room, FOLDED)
        self._room -= min(len(shown.text), letters)
        return replace(shown, letters=letters)


def _field(obj: models.Model, name: Any) -> Any:
    """Return the field of a name that has values of its own or is many-to-many, None if there is none."""
    if not isinstance(name, str):
        return None
    try:
        found: Any = obj._meta.get_field(name)
    except FieldDoesNotExist:
        return None
    # From Django 6.1 on, `concrete` is false for a many-to-many field.
    is_own = isinstance(found, models.ManyToManyField) or getattr(found, "concrete", False)
    return found if is_own else None


def _keys(obj: models.Model, one: Any) -> list[Any]:
    """Return the keys of the objects that a field refers to, or the value of an ordinary one."""
    if not one.many_to_many:
        return [getattr(obj, one.attname)]
    if not tracking.is_tracked(one.remote_field.through):
        return []
    try:
        return [related.pk for related in getattr(obj, one.name).all()[:ROWS]]
    except TimeTravelError:
        return []


def _computed(obj: models.Model, model_admin: Any, name: Any) -> Cell | None:
    """Return what a read-only field that is no field of the model says of an object, None if there is no such thing.

    It is code of the project, which may fail for an object of the past.
    """
    try:
        label = label_for_field(name, type(obj), model_admin)
    except AttributeError:
        return None  # a field of the form alone
    try:
        _found, attribute, value = lookup_field(name, obj, model_admin)
        shown = _computed_value(attribute, value)
    except Exception:  # noqa: BLE001 - code of the project
        shown = ShownValue(_("not known for the past"), is_empty=True).__html__()
    return Cell(str(capfirst(str(label))), shown)


def _computed_value(attribute: Any, value: Any) -> SafeString:
    if getattr(attribute, "boolean", False):
        return ShownValue(_("Yes") if value else _("No")).__html__()
    if value is None or value == "":
        empty = getattr(attribute, "empty_value_display", None)
        return ShownValue(str(empty or _("none")), is_empty=True).__html__()
    if hasattr(value, "__html__"):
        return conditional_escape(value)
    return conditional_escape(linebreaksbr(as_text(value)))


def _is_made(one: Any) -> bool:
    """Return whether a field is a key that Django makes, or leads to a parent's row."""
    return is_parent_link(one) or (one.primary_key and (one.auto_created or not one.editable))


def _is_way_back(source: Source, name: str) -> bool:
    try:
        found: Any = source.model._meta.get_field(name)
    except FieldDoesNotExist:
        return False
    return getattr(found, "attname", None) in source.lookup
