"""Who may see and do what: asked on the server for every request, of the site's own ModelAdmins.

A row of history appears only to who may view its model in that site. A model without a ModelAdmin of its own is seen with
the one that shows its rows (as inlines, or as a many-to-many field); all others appear to superusers alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.admin.options import BaseModelAdmin, InlineModelAdmin
from django.contrib.admin.utils import flatten_fieldsets
from django.contrib.auth.admin import UserAdmin
from django.core.exceptions import PermissionDenied
from django.db import models
from django.forms.models import BaseModelForm
from django.http import HttpRequest

from audittrail.admin.permissions.owners import (
    Owner,
    owner_by_field,
    owners_by_inline,
)
from audittrail.capture import tracking
from audittrail.diff.parts import many_to_many_of
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

#: The methods by which a project says itself who may view what.
_VIEW_HOOKS = ("has_view_permission", "has_view_or_change_permission")

_CACHE = "_audittrail_visible_models"


@dataclass(frozen=True)
class VisibleModel:
    """A tracked model whose rows a user may see in a site, and why.

    `model_admin` is that of the model or of a proxy of it. Without one, `owners` are those on whose pages its rows are shown.
    """

    model: type[models.Model]
    model_admin: ModelAdmin[Any] | None = None
    owners: tuple[Owner, ...] = ()
    #: Whether the user may view the model as a whole; otherwise the ModelAdmin is asked about each object, and may refuse all.
    is_listed: bool = True
    #: Whether every row appears, on whosever page: to superusers, of what is registered nowhere.
    is_whole: bool = False


def model_admin_of(site: AdminSite, model: type[models.Model]) -> ModelAdmin[Any] | None:
    """Return the ModelAdmin of a model in a site, None for a model that is not registered there."""
    return site.get_model_admin(model) if site.is_registered(model) else None


def has_own_hook(model_admin: BaseModelAdmin[Any], name: str) -> bool:
    """Return whether a ModelAdmin or an inline decides something itself: whether a method of Django's is overridden."""
    hook = getattr(model_admin, name)
    # Django's own is read each time, since the time machine replaces it when it is installed.
    base = ModelAdmin if isinstance(model_admin, ModelAdmin) else InlineModelAdmin
    return getattr(hook, "__func__", hook) is not getattr(base, name)


def decides_by_object(request: HttpRequest, asked: BaseModelAdmin[Any]) -> bool:
    """Return whether a ModelAdmin or an inline may let its user view some objects and others not."""
    if any(has_own_hook(asked, name) for name in _VIEW_HOOKS):
        return True
    # Who may change an object may view it; that matters to those alone who may not view all of them.
    return has_own_hook(asked, "has_change_permission") and not asked.has_view_permission(request)


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
    request: HttpRequest, asked: BaseModelAdmin[Any], obj: models.Model | None = None
) -> bool:
    """Return whether Django's own pages show the user the objects of a ModelAdmin or the rows of an inline, or this one.

    Who may change it may view it, whatever the project says of viewing, since its change page shows it. `obj` may be one of the past:
    the object as it was. Of an inline it is the object on whose page the rows stand.
    """
    return bool(asked.has_view_or_change_permission(request, obj))


def require_view(request: HttpRequest, model_admin: ModelAdmin[Any]) -> None:
    """Raise `PermissionDenied` if the user may view none of the objects of a ModelAdmin, whichever it is."""
    if not may_view(request, model_admin) and not decides_by_object(request, model_admin):
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


def may_view_any(site: AdminSite, request: HttpRequest) -> bool:
    """Return whether the user may view some tracked model of a site as a whole, so that its lists are for them."""
    return any(visible.is_listed for visible in visible_models(site, request).values())


def require_any_model(site: AdminSite, request: HttpRequest) -> None:
    """Raise `PermissionDenied` unless `may_view_any`."""
    if not may_view_any(site, request):
        raise PermissionDenied


def _visible_models(
    site: AdminSite, request: HttpRequest
) -> dict[type[models.Model], VisibleModel]:
    registered: set[type[models.Model]] = set()
    found: dict[type[models.Model], VisibleModel] = {}
    # Proxies last: the ModelAdmin of the model itself counts before those of its proxies.
    for model, model_admin in sorted(site._registry.items(), key=lambda item: item[0]._meta.proxy):
        own = tracking.concrete(model)
        registered.add(own)
        if not tracking.is_tracked(own):
            continue
        known = found.get(own)
        if (known is None or not known.is_listed) and may_view(request, model_admin):
            found[own] = VisibleModel(own, model_admin)
        elif known is None and decides_by_object(request, model_admin):
            found[own] = VisibleModel(own, model_admin, is_listed=False)
    owners: dict[type[models.Model], list[Owner]] = {}
    for visible in [*found.values()]:
        assert visible.model_admin is not None
        for model, owner in _shown_with(request, visible.model_admin):
            if model not in registered and tracking.is_tracked(model):
                owners.setdefault(model, []).append(owner)
    for model, shown_by in owners.items():
        is_listed = any(
            found[tracking.concrete(one.model_admin.model)].is_listed for one in shown_by
        )
        found[model] = VisibleModel(model, owners=tuple(shown_by), is_listed=is_listed)
    if is_superuser(request):
        for model in tracking.tracked_models():
            if model not in registered:
                known = found.get(model, VisibleModel(model))
                found[model] = replace(known, is_listed=True, is_whole=True)
    return found


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
        # Django's inlines have no rows at all for who may view none without an object.
        if may_view(request, inline):
            for owner in owners_by_inline(model_admin, inline):
                yield tracking.concrete(inline.model), owner
