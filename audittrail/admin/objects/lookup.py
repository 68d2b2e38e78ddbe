"""The object that a page of history is about: as it is now, or as it last was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.contrib.admin import ModelAdmin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models
from django.http import Http404, HttpRequest
from django.utils.translation import gettext as _

from audittrail.admin.display.naming import at_most, text_of, without_masked
from audittrail.admin.layout.links import Link, object_url
from audittrail.admin.layout.responses import object_breadcrumbs
from audittrail.admin.permissions.models import VisibleModel, require_view
from audittrail.admin.permissions.readers import Reader
from audittrail.diff.parts import concrete
from audittrail.timetravel import changes, moment


@dataclass(frozen=True, eq=False)
class Subject:
    """An object whose history is shown: `obj` is the present one, or, if it was deleted, as it last was."""

    model_admin: ModelAdmin[Any]
    reader: Reader
    obj: models.Model
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
    def text(self) -> str:
        """How it is called, or was called last."""
        with at_most(self.database):
            return text_of(self.obj)

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
            return self.model_admin.has_add_permission(request)
        return self.model_admin.has_change_permission(request, self.obj)


def find(model_admin: ModelAdmin[Any], request: HttpRequest, object_id: str) -> Subject:
    """Return the object that an address of the admin names, whether it is still there or was deleted.

    Raises `Http404` if there is no such object and never was, and for one that the ModelAdmin's queryset leaves out;
    `PermissionDenied` if the user may not view it.
    """
    require_view(request, model_admin)
    database = moment.live_alias(model_admin.get_queryset(request).db)
    reader = Reader(model_admin.admin_site, request, database)
    # No text in the database has null characters, and psycopg refuses to ask for one.
    is_key = "\0" not in object_id
    obj = model_admin.get_object(request, unquote(object_id)) if is_key else None
    if obj is not None:
        require_view(request, model_admin, obj)
        return Subject(model_admin, reader, obj, is_deleted=False)
    missing = Http404(
        _("There is no %(name)s with this key, and its history knows of none.")
        % {"name": model_admin.opts.verbose_name}
    )
    if not is_key:
        raise missing
    model = concrete(model_admin.model)
    try:
        pk = model._meta.pk.to_python(unquote(object_id))
        exists = model._base_manager.using(database).filter(pk=pk).exists()
    except (ValidationError, ValueError, OverflowError):
        raise missing from None
    deleted = None if exists else _deleted(model_admin.model, database, pk)
    if deleted is None:
        raise missing
    if not reader.may_see_rows(VisibleModel(model, model_admin), [(pk,)])[0]:
        raise PermissionDenied
    return Subject(model_admin, reader, without_masked(deleted), is_deleted=True)


def _deleted(model: type[models.Model], database: str, pk: Any) -> models.Model | None:
    newest = moment.newest(database)
    if newest is None:
        return None
    found: models.Model | None = changes.deleted_objects(model, newest).filter(pk=pk).first()
    return found
