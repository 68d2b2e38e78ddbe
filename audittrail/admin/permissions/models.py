"""Who may see and do what: asked on the server for every request, of the site's own ModelAdmins.

A row of history appears only to who may view its model in that site. A model without a ModelAdmin of its own is seen with
the one that shows its rows (as inlines, or as a many-to-many field); all others appear to superusers alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.admin.options import BaseModelAdmin, InlineModelAdmin
from django.contrib.admin.utils import flatten_fieldsets
from django.contrib.auth.admin import UserAdmin
from django.core.exceptions import PermissionDenied
from django.db import models
from django.forms.models import BaseModelForm
from django.http import HttpRequest

from audittrail.capture import tracking
from audittrail.diff.parts import concrete, many_to_many_of
from audittrail.timetravel import machine

UNDO = "audittrail.undo_revision"
UNDELETE_COMPLETELY = "audittrail.undelete_completely"
VIEW_ALL_FIELDS = "audittrail.view_all_fields"
RESTORE_ALL = "audittrail.restore_database"
ROLL_BACK = "audittrail.roll_back_database"

#: The methods by which a ModelAdmin or an inline lays out objects and gives them forms, each in its own way.
_HOOKS = (
    "get_fieldsets",
    "get_fields",
    "get_readonly_fields",
    "get_exclude",
    "formfield_for_dbfield",
)

_CACHE = "_audittrail_visible_models"


@dataclass(frozen=True)
class Owner:
    """A ModelAdmin that shows rows of another model with its objects: by an inline, or else as its many-to-many field.

    `attribute` is that of a row which holds the key of the object.
    """

    model_admin: ModelAdmin[Any]
    attribute: str
    inline: Any = None
    field: Any = None


@dataclass(frozen=True)
class VisibleModel:
    """A tracked model whose rows a user may see in a site, and why.

    `model_admin` is that of the model or of a proxy of it. Without one, `owners` are those on whose pages its rows are shown; a
    superuser needs neither.
    """

    model: type[models.Model]
    model_admin: ModelAdmin[Any] | None = None
    owners: tuple[Owner, ...] = ()


def model_admin_of(site: AdminSite, model: type[models.Model]) -> ModelAdmin[Any] | None:
    """Return the ModelAdmin of a model in a site, None for a model that is not registered there."""
    return site.get_model_admin(model) if site.is_registered(model) else None


def has_own_hook(model_admin: BaseModelAdmin[Any], name: str) -> bool:
    """Return whether a ModelAdmin or an inline decides something itself: whether a method of Django's is overridden."""
    hook = getattr(model_admin, name)
    # Django's own is read each time, since the time machine replaces it when it is installed.
    base = ModelAdmin if isinstance(model_admin, ModelAdmin) else InlineModelAdmin
    return getattr(hook, "__func__", hook) is not getattr(base, name)


def depends_on_object(asked: Any) -> bool:
    """Return whether a ModelAdmin or an inline may show and take other fields of other objects, so that each has to be asked about."""
    made_by = "get_form" if isinstance(asked, ModelAdmin) else "get_formset"
    return any(has_own_hook(asked, name) for name in (made_by, *_HOOKS)) or has_own_beginning(
        asked.form
    )


def has_own_beginning(form: Any) -> bool:
    """Return whether a form changes its fields when it is made for an object; otherwise it need not be made, which takes queries."""
    return form.__init__ is not BaseModelForm.__init__


def sees_all_fields(request: HttpRequest) -> bool:
    """Return whether the user may see also what no page of the admin shows."""
    user: Any = getattr(request, "user", None)
    return is_superuser(request) or (user is not None and bool(user.has_perm(VIEW_ALL_FIELDS)))


def is_superuser(request: HttpRequest) -> bool:
    """Return whether the user of a request may do everything."""
    return bool(getattr(request.user, "is_superuser", False))


def may_view(
    request: HttpRequest, model_admin: ModelAdmin[Any], obj: models.Model | None = None
) -> bool:
    """Return whether the user may view the objects of a model in a site, or this one.

    `obj` may be one of the past: the object as it was.
    """
    return bool(model_admin.has_view_permission(request, obj))


def require_view(
    request: HttpRequest, model_admin: ModelAdmin[Any], obj: models.Model | None = None
) -> None:
    """Raise `PermissionDenied` unless `may_view`."""
    if not may_view(request, model_admin, obj):
        raise PermissionDenied


def may_add(request: HttpRequest, model_admin: ModelAdmin[Any]) -> bool:
    """Return whether the add page is open to the user; that of Django's users wants the permission to change them as well."""
    return bool(model_admin.has_add_permission(request)) and (
        not isinstance(model_admin, UserAdmin) or bool(model_admin.has_change_permission(request))
    )


def has_permission(request: HttpRequest, permission: str) -> bool:
    """Return whether the user has one of the permissions over whole revisions: UNDO, RESTORE_ALL, ROLL_BACK.

    Who travels changes nothing.
    """
    if machine.current() is not None:
        return False
    user: Any = getattr(request, "user", None)
    return user is not None and bool(user.has_perm(permission))


def require_permission(request: HttpRequest, permission: str) -> None:
    """Raise `PermissionDenied` unless `has_permission`."""
    if not has_permission(request, permission):
        raise PermissionDenied


def visible_models(
    site: AdminSite, request: HttpRequest
) -> Mapping[type[models.Model], VisibleModel]:
    """Return the tracked models whose rows the user of a request may see in a site, by their concrete models.

    Asked once a request; it takes no query beyond those of the permissions themselves.
    """
    cache: dict[int, dict[type[models.Model], VisibleModel]] = request.__dict__.setdefault(
        _CACHE, {}
    )
    if id(site) not in cache:
        with machine.in_the_present():
            cache[id(site)] = _visible_models(site, request)
    return cache[id(site)]


def require_any_model(site: AdminSite, request: HttpRequest) -> None:
    """Raise `PermissionDenied` if the user may see the history of no model at all."""
    if not visible_models(site, request):
        raise PermissionDenied


def _visible_models(
    site: AdminSite, request: HttpRequest
) -> dict[type[models.Model], VisibleModel]:
    registered: set[type[models.Model]] = set()
    found: dict[type[models.Model], VisibleModel] = {}
    # Proxies last: the ModelAdmin of the model itself counts before those of its proxies.
    for model, model_admin in sorted(site._registry.items(), key=lambda item: item[0]._meta.proxy):
        own = concrete(model)
        registered.add(own)
        if own not in found and tracking.is_tracked(own) and may_view(request, model_admin):
            found[own] = VisibleModel(own, model_admin)
    owners: dict[type[models.Model], list[Owner]] = {}
    for visible in [*found.values()]:
        assert visible.model_admin is not None
        for model, owner in _shown_with(request, visible.model_admin):
            if model not in registered and tracking.is_tracked(model):
                owners.setdefault(model, []).append(owner)
    for model, shown_by in owners.items():
        found[model] = VisibleModel(model, owners=tuple(shown_by))
    if is_superuser(request):
        for model in tracking.tracked_models():
            if model not in registered:
                found[model] = VisibleModel(model)
    return found


def owner_by_field(model_admin: ModelAdmin[Any], field: Any) -> Owner:
    """Return how a ModelAdmin shows the rows of a many-to-many field: as that of its form."""
    source = field.remote_field.through._meta.get_field(field.m2m_field_name())
    return Owner(model_admin, source.attname, field=field)


def _shown_relations(request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[Any]:
    """Return the many-to-many fields that pages of a ModelAdmin show; all where that depends on the object."""
    fields: list[Any] = [*many_to_many_of(model_admin.model)]
    if not fields or sees_all_fields(request) or depends_on_object(model_admin):
        return fields
    names = flatten_fieldsets(model_admin.get_fieldsets(request))
    return [field for field in fields if field.name in names]


def _shown_with(
    request: HttpRequest, model_admin: ModelAdmin[Any]
) -> Iterator[tuple[type[models.Model], Owner]]:
    """Yield models whose rows a ModelAdmin shows with its objects, and how it does."""
    for field in _shown_relations(request, model_admin):
        through: Any = field.remote_field.through
        if through._meta.auto_created:
            yield through, owner_by_field(model_admin, field)
    for inline in model_admin.get_inline_instances(request):
        rows = concrete(inline.model)
        if not inline.has_view_permission(request):
            continue
        named = getattr(inline, "fk_name", None)
        for field in rows._meta.local_concrete_fields:
            target = getattr(field.remote_field, "model", None)
            # Another foreign key of the rows to the same model leads to an object whose page does not show them.
            if named not in (None, field.name):
                continue
            if isinstance(target, type) and issubclass(model_admin.model, target):
                yield rows, Owner(model_admin, field.attname, inline)
