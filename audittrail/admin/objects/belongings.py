"""Of which tables the timeline of an object consists: its own, those that it inherits from, many-to-many tables, related rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from django.contrib.contenttypes.fields import GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.db import connections, models
from django.db.models.fields.reverse_related import ForeignObjectRel, ManyToManyRel
from django.forms.models import _get_foreign_key
from django.http import HttpRequest
from django.utils.text import capfirst

from audittrail.admin.objects.lookup import Subject
from audittrail.admin.objects.sources import MEMBERS, OWN, RELATED, Source
from audittrail.admin.permissions.columns import ShownFields, shown_by_inline
from audittrail.admin.permissions.fields import hidden_fields, related_names
from audittrail.admin.permissions.models import may_view
from audittrail.admin.permissions.owners import Owner, owner_by_content_type, owner_by_key
from audittrail.capture import lookups, schemas, tracking
from audittrail.diff.parts import many_to_many_of
from audittrail.exceptions import ConfigurationError
from audittrail.revisions.versions import (
    version_model,
    version_name,
)


def sources_of(subject: Subject, request: HttpRequest) -> list[Source]:
    """Return the sources of an object's timeline that its reader may see: its own first, then as the ModelAdmin names them.

    Takes one query, to see which of them can be looked up.
    """
    found = [*_own(subject), *_members(subject), *_related(subject, request)]
    distinct: dict[tuple[Any, ...], Source] = {}
    for source in found:
        key = (source.model, *sorted(source.condition))
        # If the rows of a many-to-many table are inlines as well, they are shown row by row, with the data that they carry.
        if key not in distinct or not source.model._meta.auto_created:
            distinct[key] = source
    return _within_reach(subject.database, distinct.values())


def own_sources(subject: Subject) -> list[Source]:
    """Return the sources of the object itself: its own table first, then those that it inherits from."""
    return [*_own(subject)]


def inlines_of(subject: Subject, request: HttpRequest) -> list[Source]:
    """Return the sources of the ModelAdmin's inlines that the reader may see, in their order."""
    return [
        source
        for inline in subject.model_admin.get_inline_instances(request, subject.obj)
        if may_view(request, inline, subject.obj)
        for source in _of_inline(subject, inline)
    ]


def _own(subject: Subject) -> Iterator[Source]:
    hidden = hidden_fields(subject.model_admin)
    label = subject.model_admin.opts.verbose_name
    for model in dict.fromkeys(
        map(tracking.concrete, (subject.model, *subject.model._meta.all_parents))
    ):
        if tracking.is_tracked(model):
            keys = [getattr(subject.obj, field.attname) for field in model._meta.pk_fields]
            names = [field.attname for field in model._meta.pk_fields]
            lookup = dict(zip(names, keys, strict=True))
            yield _source(
                subject, OWN, "", label, model, lookup, hidden=hidden, shown=subject.shown
            )


def _members(subject: Subject) -> Iterator[Source]:
    hidden = hidden_fields(subject.model_admin)
    for field in many_to_many_of(subject.model):
        if field.name not in hidden and subject.shows(field):
            yield from _of_many_to_many(subject, field)


def _of_many_to_many(subject: Subject, field: Any) -> Iterator[Source]:
    """Yield the rows of a many-to-many field, or of the relation that leads back from its other side."""
    is_reverse = isinstance(field, ManyToManyRel)
    forward = field.field if is_reverse else field
    through: Any = tracking.concrete(forward.remote_field.through)
    if not tracking.is_tracked(through):
        return
    visible = subject.reader.visible.get(through)
    if not through._meta.auto_created and (visible is None or subject.reader.is_guarded(visible)):
        return  # rows that have to be asked about one by one are shown row by row, if at all
    ends = [forward.m2m_field_name(), forward.m2m_reverse_field_name()]
    source, target = map(through._meta.get_field, reversed(ends) if is_reverse else ends)
    if {source.name, target.name} & set(tracking.options_of(through).exclude):
        return
    key = getattr(subject.obj, source.target_field.attname)
    label = field.related_model._meta.verbose_name_plural if is_reverse else field.verbose_name
    yield _source(
        subject,
        MEMBERS,
        field.name,
        label,
        through,
        {source.attname: key},
        visible=None if through._meta.auto_created else visible,
        member=target,
    )


def _related(subject: Subject, request: HttpRequest) -> Iterator[Source]:
    names = related_names(subject.model_admin)
    if names is None:
        yield from inlines_of(subject, request)
        return
    for name in names:
        field: Any = subject.model_admin.opts.get_field(name)
        if isinstance(field, models.ManyToManyField | ManyToManyRel):
            yield from _of_many_to_many(subject, field)
        elif isinstance(field, GenericRelation):
            yield from _of_generic(
                subject,
                name,
                field.related_model,
                field.content_type_field_name,
                field.object_id_field_name,
            )
        elif isinstance(field, ForeignObjectRel):
            yield from _of_foreign_key(subject, name, field.field)
        else:
            raise ConfigurationError(
                f"{type(subject.model_admin).__name__}.audittrail_related names {name!r}, to which no rows of another table belong."
            )


def _of_inline(subject: Subject, inline: Any) -> Iterator[Source]:
    name = str(inline.model._meta.model_name)
    if hasattr(inline, "ct_field"):
        yield from _of_generic(
            subject, name, inline.model, inline.ct_field, inline.ct_fk_field, inline
        )
        return
    field = _get_foreign_key(subject.model_admin.model, inline.model, fk_name=inline.fk_name)
    yield from _of_foreign_key(subject, name, field, inline)


def _of_foreign_key(
    subject: Subject, name: str, field: Any, inline: Any = None
) -> Iterator[Source]:
    lookup = {field.attname: getattr(subject.obj, field.target_field.attname)}
    needed = {field.name}
    owner = None if inline is None else owner_by_key(subject.model_admin, field, inline)
    yield from _of_rows(
        subject, name, tracking.concrete(field.model), lookup, needed, inline, owner
    )


def _of_generic(
    subject: Subject,
    name: str,
    model: type[models.Model],
    type_name: str,
    key_name: str,
    inline: Any = None,
) -> Iterator[Source]:
    fields: Any = [model._meta.get_field(name) for name in (type_name, key_name)]
    own_type = ContentType.objects.db_manager(subject.database).get_for_model(subject.obj)
    values = own_type.pk, fields[1].to_python(subject.pk)
    lookup = {one.attname: value for one, value in zip(fields, values, strict=True)}
    needed = {type_name, key_name}
    owner = None if inline is None else owner_by_content_type(subject.model_admin, inline)
    yield from _of_rows(subject, name, tracking.concrete(model), lookup, needed, inline, owner)


def _of_rows(
    subject: Subject,
    name: str,
    model: type[models.Model],
    lookup: Mapping[str, Any],
    needed: set[str],
    inline: Any,
    owner: Owner | None = None,
) -> Iterator[Source]:
    visible = subject.reader.visible.get(model)
    if visible is None or needed & set(tracking.options_of(model).exclude):
        return
    label = (inline or model._meta).verbose_name_plural
    hidden = hidden_fields(visible.model_admin) | hidden_fields(inline)
    shown = shown_by_inline(subject.reader, visible, inline, subject.obj)
    if shown.names is not None:
        shown = ShownFields(shown.names | needed)
    further = {
        "visible": visible,
        "hidden": hidden,
        "inline": inline,
        "owner": owner,
        "shown": shown,
    }
    yield _source(subject, RELATED, name, label, model, lookup, **further)


def _source(
    subject: Subject,
    kind: str,
    name: str,
    label: Any,
    model: type[models.Model],
    lookup: Mapping[str, Any],
    **further: Any,
) -> Source:
    condition = {version_name(attribute): value for attribute, value in lookup.items()}
    text = str(capfirst(str(label)))
    return Source(kind, name, text, model, condition, lookup, subject.database, **further)


def _within_reach(database: str, found: Iterable[Source]) -> list[Source]:
    found = list(found)
    wanted = {source: _lookup(source) for source in found if source.kind != OWN}
    lacking = lookups.without_index(database, wanted.values())
    return [
        replace(source, is_out_of_reach=True) if wanted.get(source) in lacking else source
        for source in found
    ]


def _lookup(source: Source) -> tuple[str, tuple[str, ...]]:
    meta = version_model(source.model)._meta
    columns = tuple(str(meta.get_field(name).column) for name in source.condition)
    return schemas.history_of(connections[source.database], source.model._meta.db_table), columns
