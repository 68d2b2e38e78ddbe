"""Which columns a person may see: those that a page of the ModelAdmin or of an inline shows them, in its form, read-only, or in its list.

All others are shown to those alone who may view all fields; others are told that something else changed, not what.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.contrib.admin import ModelAdmin
from django.contrib.admin.utils import flatten_fieldsets
from django.db import models
from django.http import HttpRequest

from audittrail.admin.permissions.models import (
    VisibleModel,
    depends_on_object,
    may_view,
    sees_all_fields,
)
from audittrail.admin.permissions.readers import Reader
from audittrail.admin.permissions.rows import deleted_objects
from audittrail.diff.parts import is_parent_link

#: Where the inlines of a request's ModelAdmins are kept, by the models that they show.
_CACHE: Final = "_audittrail_inlines"


@dataclass(frozen=True)
class ShownFields:
    """The names of the fields of a row that a person may see; None: all of them, columns that no field has any more included."""

    names: frozenset[str] | None = None

    def __contains__(self, name: str) -> bool:
        """Return whether a field is shown."""
        return self.names is None or name in self.names


EVERYTHING: Final = ShownFields()


def shown_of_object(
    request: HttpRequest, model_admin: ModelAdmin[Any], obj: models.Model
) -> ShownFields:
    """Return what its own pages show the user of an object."""
    if sees_all_fields(request):
        return EVERYTHING
    return _shown(model_admin.model, _of_page(request, model_admin, obj))


def shown_by_inline(
    reader: Reader, visible: VisibleModel, inline: Any, parent: models.Model
) -> ShownFields:
    """Return what an inline on the page of an object shows of rows, and pages of their own; None: no inline."""
    if sees_all_fields(reader.request):
        return EVERYTHING
    names = set(_of_model(reader, visible))
    if inline is not None:
        names.update(_plain(flatten_fieldsets(inline.get_fieldsets(reader.request, parent))))
    return _shown(visible.model, names)


def shown_of_rows(
    reader: Reader, visible: VisibleModel, keys: Iterable[Any]
) -> Mapping[Any, ShownFields]:
    """Return for each key of a row what pages show of it; takes a query if that depends on the objects."""
    wanted = [*keys]
    if sees_all_fields(reader.request) or visible.model._meta.auto_created:
        return dict.fromkeys(wanted, EVERYTHING)
    always = {*_of_model(reader, visible)}
    found = dict.fromkeys(wanted, _shown(visible.model, always))
    model_admin = visible.model_admin
    if model_admin is None or not wanted or not depends_on_object(model_admin):
        return found
    there = [*model_admin.model._base_manager.using(reader.database).filter(pk__in=wanted)]
    gone = {*wanted} - {obj.pk for obj in there} - {None}
    if gone:
        # One that is gone has the pages that it would have as it last was.
        there += deleted_objects(model_admin.model, reader.database).filter(pk__in=[*gone])
    for obj in there:
        names = always | {*_of_page(reader.request, model_admin, obj)}
        found[obj.pk] = _shown(visible.model, names)
    return found


def shown_of_model(reader: Reader, visible: VisibleModel) -> ShownFields:
    """Return what pages show of every row of a model."""
    return shown_of_rows(reader, visible, (None,))[None]


def _of_model(reader: Reader, visible: VisibleModel) -> Iterator[str]:
    """Yield the names that pages show of every row of a model, whichever it is; a layout that depends on the object shows none of them."""
    request, model_admin = reader.request, visible.model_admin
    if model_admin is not None:
        yield from _plain(model_admin.get_list_display(request))
        if not depends_on_object(model_admin):
            yield from _of_page(request, model_admin, None)
    for inline in _inlines_of(reader, visible.model):
        if not depends_on_object(inline):
            yield from _plain(flatten_fieldsets(inline.get_fieldsets(request, None)))
    for attribute in (name for owner in visible.owners for name in owner.names):
        yield attribute
        yield visible.model._meta.get_field(attribute).name


def _of_page(
    request: HttpRequest, model_admin: ModelAdmin[Any], obj: models.Model | None
) -> Iterator[str]:
    yield from _plain(flatten_fieldsets(model_admin.get_fieldsets(request, obj)))
    yield from _plain(model_admin.get_list_display(request))


def _inlines_of(reader: Reader, model: type[models.Model]) -> list[Any]:
    """Return the inlines that show rows of a model to the user, on the pages of whatever they may view."""
    cache: dict[Any, list[Any]] = reader.request.__dict__.setdefault(_CACHE, {})
    if reader.site not in cache:
        cache[reader.site] = [
            inline
            for visible in reader.visible.values()
            if visible.model_admin is not None
            for inline in visible.model_admin.get_inline_instances(reader.request)
            if may_view(reader.request, inline)
        ]
    return [one for one in cache[reader.site] if one.opts.concrete_model is model]


def _plain(names: Iterable[Any]) -> Iterator[str]:
    return (name for name in names if isinstance(name, str))


def _shown(model: type[models.Model], names: Iterable[str]) -> ShownFields:
    """Return fields as shown: those named, and keys, which name the rows themselves."""
    keys = {
        field.name
        for field in model._meta.concrete_fields
        if field.primary_key or is_parent_link(field) or field in model._meta.pk_fields
    }
    return ShownFields(frozenset({*names} | keys))
