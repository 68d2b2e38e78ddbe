"""Show who made revisions, also when the user has been deleted since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import models, router
from django.db.models import Q
from django.http import HttpRequest
from django.utils.translation import gettext as _

from audittrail.admin.display.naming import text_of, without_masked
from audittrail.admin.layout.links import object_url
from audittrail.admin.permissions.fields import masked_fields
from audittrail.admin.permissions.models import may_view
from audittrail.capture import tracking
from audittrail.revisions.models import BaseRevision
from audittrail.timetravel import changes, moment

#: Users that a part of a name stands for, at most.
MOST_USERS = 200


@dataclass(frozen=True)
class Author:
    """A user by key and name, with the address of the user's own page where the reader may open it."""

    key: Any
    text: str
    url: str | None = None
    is_deleted: bool = False


def authors(
    site: AdminSite, request: HttpRequest, revisions: Iterable[BaseRevision]
) -> Mapping[Any, Author]:
    """Return the authors of revisions by `committed_by_id`, with three queries at most.

    A deleted user has the name that history remembers, or else the key alone.
    """
    wanted = {revision.committed_by_id for revision in revisions} - {None}
    return authors_by_key(site, request, wanted)


def authors_by_key(
    site: AdminSite, request: HttpRequest, keys: Iterable[Any]
) -> Mapping[Any, Author]:
    """Return the authors that have these keys, see `authors`."""
    model: Any = get_user_model()
    wanted = set(keys)
    if not wanted:
        return {}
    database = router.db_for_read(model)
    model_admin = _model_admin(site, model)
    found = {}
    for user in model._base_manager.using(database).filter(pk__in=wanted):
        url = None
        if model_admin is not None and may_view(request, model_admin, user):
            url = object_url(model_admin, "change", user.pk)
        found[user.pk] = Author(user.pk, text_of(without_masked(user)), url)
    missing = wanted - found.keys()
    for user in _deleted(model, database, missing) if missing else ():
        found[user.pk] = Author(user.pk, text_of(without_masked(user)), is_deleted=True)
    for key in missing - found.keys():
        found[key] = Author(key, _("user %(key)s") % {"key": key}, is_deleted=True)
    return found


def find_keys(text: str) -> list[Any]:
    """Return the keys of the users that a text means: the user with that key, or that name, or else all whose name has it.

    Deleted users are found by the names that history remembers, of very many users only the first. Takes three queries at most.
    """
    model: Any = get_user_model()
    field = model._meta.get_field(model.USERNAME_FIELD)
    key = _as_key(model, text)
    # By a name that is never shown nobody is found either.
    is_known = _is_text(field) and field.name not in masked_fields(model)
    named = Q(**{f"{field.name}__icontains": text}) if is_known else Q()
    wanted = named if key is None else named | Q(pk=key)
    database = router.db_for_read(model)
    names: dict[Any, str] = {}
    if wanted:
        present = model._base_manager.using(database)
        newest = moment.newest(database) if tracking.is_tracked(model) else None
        sources = [present, changes.deleted_objects(model, newest)] if newest else [present]
        for source in sources:
            found = source.filter(wanted).order_by("pk").values_list("pk", field.name)
            names.update(found[:MOST_USERS])
    if key is not None and (key in names or not names):
        return [key]
    return [pk for pk, name in names.items() if str(name).lower() == text.lower()] or [*names]


def _as_key(model: Any, text: str) -> Any:
    target = model._meta.pk
    while target.remote_field is not None:
        target = target.target_field
    try:
        key = target.to_python(text)
        target.run_validators(key)
    except (ValidationError, ValueError, OverflowError):
        return None
    return key


def _is_text(field: Any) -> bool:
    return isinstance(field, models.CharField | models.TextField)


def _model_admin(site: AdminSite, model: type[models.Model]) -> ModelAdmin[Any] | None:
    return site.get_model_admin(model) if site.is_registered(model) else None


def _deleted(model: type[models.Model], database: str, keys: set[Any]) -> Iterable[models.Model]:
    newest = moment.newest(database) if tracking.is_tracked(model) else None
    return () if newest is None else changes.deleted_objects(model, newest).filter(pk__in=keys)
