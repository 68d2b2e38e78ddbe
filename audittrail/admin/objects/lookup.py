"""The object that a page is about: as it is now, or as it last was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.contrib.admin import ModelAdmin
from django.contrib.admin.utils import unquote
from django.db import models
from django.http import Http404, HttpRequest
from django.utils.translation import gettext as _

from audittrail.admin.display.object_text import at_most, name_of, without_masked
from audittrail.admin.layout.keys import read_key
from audittrail.admin.layout.links import Link, object_url
from audittrail.admin.layout.responses import object_breadcrumbs
from audittrail.admin.permissions.columns import ShownFields, shown_of_object
from audittrail.admin.permissions.models import (
    VisibleModel,
    may_add,
    may_view,
    require_view,
)
from audittrail.admin.permissions.readers import Reader, reader_of_model
from audittrail.admin.permissions.rows import deleted_objects
from audittrail.capture.tracking import concrete
from audittrail.revisions.models import BaseRevision
from audittrail.timetravel.moment import resolve


@dataclass(frozen=True, eq=False)
class Subject:
    """An object whose history is shown: `obj` is the present one, or, if it was deleted, as it last was."""

    model_admin: ModelAdmin[Any]
    reader: Reader
    obj: Any
    is_deleted: bool

    @property
    def model(self) -> type[models.Model]:
        """The model of its own table."""
        return concrete(self.model_admin.model)

    @property
    def pk(self) -> Any:
        """Its primary key."""
        return self.obj.pk

    @property
    def database(self) -> str:
        """The alias of the database that holds it."""
        return self.reader.database

    @cached_property
    def shown(self) -> ShownFields:
        """The fields of it that its pages show the reader."""
        return shown_of_object(self.reader.request, self.model_admin, self.obj)

    def shows(self, relation: Any) -> bool:
        """Return whether the reader may see a many-to-many field of it: on a page of it, or, if its rows are a model's own, as that model's."""
        through = relation.remote_field.through
        if not through._meta.auto_created:
            return concrete(through) in self.reader.visible
        return relation.name in self.shown

    @cached_property
    def text(self) -> str:
        """How it is called, or was called last."""
        with at_most(self.database):
            return name_of(self.obj)

    def url(self, name: str, *args: Any, **parameters: Any) -> str | None:
        """Return the address of one of its pages, None if there is no such page."""
        return object_url(self.model_admin, name, self.pk, *args, **parameters)

    def breadcrumbs(self, *further: Link) -> Sequence[Link]:
        """Return the way to its pages of history."""
        own = object_breadcrumbs(self.model_admin, self.pk, self.text, exists=not self.is_deleted)
        return [*own, *further]

    def may_be_restored(self, request: HttpRequest) -> bool:
        """Return whether the user may bring it back to an earlier state: change it, or add it again if it was deleted."""
        if self.is_deleted:
            return may_add(request, self.model_admin)
        return self.model_admin.has_change_permission(request, self.obj)

    def past(self, revision: BaseRevision) -> Any:
        """Return the object as a revision left it, as a queryset that can be restored, whatever the default manager leaves out."""
        then = resolve(revision, self.database)
        return self.model_admin.model._base_manager.using(then.alias).filter(pk=self.pk)


def find(
    model_admin: ModelAdmin[Any],
    request: HttpRequest,
    object_id: str,
) -> Subject:
    """Return the object that an address of the admin names, whether it is still there or was deleted.

    Raises `PermissionDenied` if the user may view none of the model, whichever it is. Raises the same `Http404` if there is no such object and never
    was, and if the user may not view it, there or deleted: so nobody learns which keys there are.
    """
    require_view(request, model_admin)
    reader = reader_of_model(model_admin, request)
    text = unquote(object_id)
    obj = None if "\0" in text else model_admin.get_object(request, text)
    if obj is not None and may_view(request, model_admin, obj):
        return Subject(model_admin, reader, obj, is_deleted=False)
    model: Any = model_admin.model
    key = read_key(model, [text])
    live: Any = None
    last: Any = None
    if key is not None:
        live = model._base_manager.using(reader.database).filter(pk=key).first()
    if key is not None and live is None:
        last = deleted_objects(model, reader.database).filter(pk=key).first()
    is_there = live is not None or last is not None
    if not is_there or not reader.seen_keys(VisibleModel(model, model_admin), [key]):
        raise Http404(
            _("There is no %(name)s with this key, and its history knows of none.")
            % {"name": model_admin.opts.verbose_name}
        )
    if live is not None:
        return Subject(model_admin, reader, live, is_deleted=False)
    return Subject(model_admin, reader, without_masked(last), is_deleted=True)
