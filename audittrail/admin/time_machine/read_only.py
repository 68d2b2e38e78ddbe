"""Permissions while somebody travels: who may see what is asked of the present, and nobody may add, change or delete.

Projects override the methods that Django asks, mostly without calling Django's own. So each class that has such a method gets it
extended where it stands, once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from types import FunctionType
from typing import Any, Final

from asgiref.sync import iscoroutinefunction
from django.contrib.admin.options import InlineModelAdmin
from django.contrib.auth import get_user_model
from django.db.models import Model
from django.utils.text import capfirst

from audittrail import conf
from audittrail.admin.permissions.rows import deleted_objects, seen_now
from audittrail.capture import tracking
from audittrail.exceptions import TimeTravelError
from audittrail.timetravel import machine, obstacles
from audittrail.timetravel.live_keys import has_live_key
from audittrail.timetravel.moment import live_alias, moment_of

#: Set on a request: what its page does not show of the past, by reason.
MISSING: Final = "audittrail_missing"

_MARK: Final = "_knows_travellers"

_USER_METHODS: Final = (
    "has_perm", "has_perms", "has_module_perms", "get_user_permissions", "get_group_permissions", "get_all_permissions",
)  # fmt: skip


def extend_model_admin(cls: type[Any]) -> None:
    """Extend what a class of ModelAdmins or inlines says about permissions."""
    _extend(
        cls, ("has_add_permission", "has_change_permission", "has_delete_permission"), _refusing
    )
    _extend(cls, ("has_view_permission",), _viewing)
    _extend(cls, ("has_module_permission",), _in_the_present)
    _extend(cls, ("get_queryset",), _seen_now)


def extend_site(cls: type[Any]) -> None:
    """Extend what a class of AdminSites says about permissions."""
    _extend(cls, ("has_permission",), _in_the_present)


def extend_user() -> None:
    """Extend what the user model says about permissions."""
    names = [*_USER_METHODS, *(f"a{name}" for name in _USER_METHODS)]
    _extend(get_user_model(), names, _of_present_users)


def _extend(cls: type[Any], names: Iterable[str], extended: Callable[[Any], Any]) -> None:
    for owner in cls.__mro__:
        for name in names:
            method = vars(owner).get(name)
            if isinstance(method, FunctionType) and not hasattr(method, _MARK):
                replaced = wraps(method)(extended(method))
                setattr(replaced, _MARK, True)
                setattr(owner, name, replaced)


def _refusing(method: Any) -> Any:
    def has_permission(self: Any, *args: Any, **kwargs: Any) -> Any:
        return False if machine.current() is not None else method(self, *args, **kwargs)

    return has_permission


def _in_the_present(method: Any) -> Any:
    def has_permission(self: Any, *args: Any, **kwargs: Any) -> Any:
        with machine.in_the_present():
            return method(self, *args, **kwargs)

    return has_permission


def _viewing(method: Any) -> Any:
    def has_view_permission(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        if machine.current() is None:
            return method(self, request, *args, **kwargs)
        with machine.in_the_present():
            asked, named = list(args), kwargs
            if conf.rights_as_of() == "now" and not _asks_as_django(type(self)):
                asked = [_as_now(value) for value in args]
                named = {name: _as_now(value) for name, value in kwargs.items()}
            # Whoever may change an object may view it, as in Django; asked here, in the present, since the time machine refuses it.
            may = method(self, request, *asked, **named) or self.has_change_permission(
                request, *asked, **named
            )
        return may and not (isinstance(self, InlineModelAdmin) and _is_missing(self, request))

    return has_view_permission


def _seen_now(method: Any) -> Any:
    """Leave out of the past what the user may not see now: who has lost the right to an object does not get it back by travelling."""

    def get_queryset(self: Any, request: Any) -> Any:
        found = method(self, request)
        if machine.current() is None or conf.rights_as_of() == "then":
            return found
        if not tracking.is_tracked(tracking.concrete(self.model)):
            return found
        queries = seen_now(request, self, live_alias(found.db))
        if queries is None:
            return found
        return found.filter(has_live_key(self.model, queries)) if queries else found.none()

    return get_queryset


def _asks_as_django(cls: type[Any]) -> bool:
    """Return whether a class leaves the question to Django, which looks at no object."""
    hooks = (cls.has_view_permission, cls.has_change_permission)
    return all(hook.__module__.startswith("django.contrib.") for hook in hooks)


def _as_now(value: Any) -> Any:
    """Return an object as it is now, or as it last was if it is gone: who has lost it may not see it in the past either."""
    moment = moment_of(value) if isinstance(value, Model) else None
    if moment is None:
        return value
    model = type(value)
    present = model._base_manager.using(moment.using).filter(pk=value.pk).first()
    return present or deleted_objects(model, moment.using).filter(pk=value.pk).first() or value


def _is_missing(inline: Any, request: Any) -> bool:
    """Return whether the rows of an inline are not known; the page of their object is shown without them."""
    try:
        obstacles.require_known(inline.model)
    except TimeTravelError:
        missing = request.__dict__.setdefault(MISSING, {})
        missing[capfirst(str(inline.verbose_name_plural))] = None
        return True
    return False


def _of_present_users(method: Any) -> Any:
    if iscoroutinefunction(method):

        async def amethod(self: Any, *args: Any, **kwargs: Any) -> Any:
            if moment_of(self) is not None:
                return await method(self, *args, **kwargs)
            with machine.in_the_present():
                return await method(self, *args, **kwargs)

        return amethod

    def of_user(self: Any, *args: Any, **kwargs: Any) -> Any:
        if machine.current() is None or moment_of(self) is not None:
            return method(self, *args, **kwargs)
        with machine.in_the_present():
            return method(self, *args, **kwargs)

    return of_user
