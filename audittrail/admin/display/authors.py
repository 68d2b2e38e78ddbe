"""Show who made revisions, also when the user has been deleted since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.admin import AdminSite
from django.contrib.auth import get_user_model
from django.db import models, router
from django.db.models import Q
from django.http import HttpRequest
from django.utils.translation import gettext as _

from audittrail.admin.display.object_text import name_of
from audittrail.admin.layout.keys import read_key
from audittrail.admin.layout.links import object_url
from audittrail.admin.permissions.fields import is_masked
from audittrail.admin.permissions.models import may_view, model_admin_of
from audittrail.admin.permissions.rows import deleted_objects
from audittrail.capture import tracking
from audittrail.revisions.models import BaseRevision

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
    """Return the authors of revisions by their `author_key`, with three queries at most.

    A deleted user has the name that history remembers, or else the key alone; so has a user of another tenant.
    """
    wanted = {revision.author_key for revision in revisions} - {None}
    others = {key for key in wanted if isinstance(key, tuple)}
    text = _("user %(key)s of another tenant")
    return {
        **authors_by_key(site, request, wanted - others),
        **{key: Author(key[1], text % {"key": key[1]}) for key in others},
    }


def authors_by_key(
    site: AdminSite, request: HttpRequest, keys: Iterable[Any]
) -> Mapping[Any, Author]:
    """Return the authors that have these keys, see `authors`."""
    model: Any = get_user_model()
    wanted = set(keys)
    if not wanted:
        return {}
    database = router.db_for_read(model)
    model_admin = model_admin_of(site, model)
    found = {}
    for user in model._base_manager.using(database).filter(pk__in=wanted):
        url = None
        if model_admin is not None and may_view(request, model_admin, user):
            url = object_url(model_admin, "change", user.pk)
        found[user.pk] = Author(user.pk, name_of(user), url)
    missing = wanted - found.keys()
    gone = missing if tracking.is_tracked(model) else ()
    for user in deleted_objects(model, database).filter(pk__in=gone) if gone else ():
        found[user.pk] = Author(user.pk, name_of(user), is_deleted=True)
    for key in missing - found.keys():
        found[key] = Author(key, _("user %(key)s") % {"key": key}, is_deleted=True)
    return found


def find_keys(text: str) -> list[Any]:
    """Return the keys of the users that a text means: the user with that key, or that name, or else all whose name has it.

    Deleted users are found by the names that history remembers, of very many users only the first. Takes three queries at most.
    """
    model: Any = get_user_model()
    field = model._meta.get_field(model.USERNAME_FIELD)
    key = read_key(model, [text])
    # A masked name is never shown, so nobody can be searched for by it.
    is_known = _is_text(field) and not is_masked(field)
    named = Q(**{f"{field.name}__icontains": text}) if is_known else Q()
    wanted = named if key is None else named | Q(pk=key)
    database = router.db_for_read(model)
    names: dict[Any, str] = {}
    if wanted:
        present = model._base_manager.using(database)
        is_tracked = tracking.is_tracked(model)
        for source in [present, deleted_objects(model, database)] if is_tracked else [present]:
            found = source.filter(wanted).order_by("pk").values_list("pk", field.name)
            names.update(found[:MOST_USERS])
    if key is not None and (key in names or not names):
        return [key]
    return [pk for pk, name in names.items() if str(name).lower() == text.lower()] or [*names]


def _is_text(field: Any) -> bool:
    return isinstance(field, models.CharField | models.TextField)
