"""Methods that query for an object without asking which database it is from: for an object of the past they read as of its moment.

An object of the past carries its moment as the alias of its database. Some methods of Django's, and of packages, ask a manager of the
class and not that: the order with respect to another object, permissions, objects of a content type, managers that objects have as
attributes. Here they are led to the moment; what would write is refused by `read_only`.
"""

from __future__ import annotations

from functools import partialmethod, wraps
from typing import Any

from django.apps import apps
from django.db import models
from django.db.models import base
from django.db.models.manager import BaseManager
from django.db.models.query import QuerySet
from django.db.models.signals import class_prepared
from django.db.models.sql import Query

from audittrail.exceptions import MixedMomentsError
from audittrail.revisions.wording import named
from audittrail.timetravel import along, machine
from audittrail.timetravel.moment import Moment, moment_of
from audittrail.timetravel.query import PastQueryMixin
from audittrail.timetravel.queryset import moment_read
from audittrail.timetravel.read_only import require_present


def install() -> None:
    """Extend Django's methods, and the models that have some of their own, once."""
    model: Any = models.Model
    if hasattr(model._get_next_or_previous_in_order, "__wrapped__"):
        return
    model._get_next_or_previous_in_order = _along_with(model._get_next_or_previous_in_order)
    _order_accessors()
    query: Any = Query
    query.check_query_object_type = _of_the_same_moment(query.check_query_object_type)
    queryset: Any = QuerySet
    queryset.contains = _containing(queryset.contains)
    for found in apps.get_models(include_auto_created=True):
        _attributes_follow(found)
    class_prepared.connect(_prepared, dispatch_uid="audittrail.following")
    if apps.is_installed("django.contrib.contenttypes"):
        _content_types_follow()
    if apps.is_installed("django.contrib.auth"):
        _permissions_follow()


def _prepared(sender: Any, **kwargs: Any) -> None:
    _attributes_follow(sender)


def _along_with(live: Any) -> Any:
    """Return a method that reads along the moment of its object until it returns."""

    @wraps(live)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        moment = moment_of(self)
        if moment is None:
            return live(self, *args, **kwargs)
        with along.reading_along(along.Along(moment)):
            return live(self, *args, **kwargs)

    return method


# The order with respect to another object


def _order_accessors() -> None:
    module: Any = base
    get_order, set_order = module.method_get_order, module.method_set_order

    @wraps(get_order)
    def method_get_order(self: Any, ordered_obj: Any) -> Any:
        keys = get_order(self, ordered_obj)
        moment = moment_of(self)
        return keys if moment is None else keys.using(moment.alias)

    @wraps(set_order)
    def method_set_order(self: Any, ordered_obj: Any, *args: Any, **kwargs: Any) -> Any:
        require_present((self,))
        return set_order(self, ordered_obj, *args, **kwargs)

    # Models that are made later get these, those that are there have Django's already.
    module.method_get_order, module.method_set_order = method_get_order, method_set_order
    for model in apps.get_models(include_auto_created=True):
        for name, method in list(vars(model).items()):
            if not isinstance(method, partialmethod):
                continue
            for live, ours in ((get_order, method_get_order), (set_order, method_set_order)):
                if method.func is live:
                    setattr(model, name, partialmethod(ours, *method.args))


# Objects as values in a query


def _of_the_same_moment(live: Any) -> Any:
    @wraps(live)
    def check_query_object_type(self: Any, value: Any, opts: Any, field: Any) -> Any:
        moment = moment_of(value) if isinstance(value, models.Model) else None
        if moment is not None and not _reads_at(self, moment):
            raise MixedMomentsError(_in_another_query(value, moment, field.name))
        return live(self, value, opts, field)

    return check_query_object_type


def _reads_at(query: Any, moment: Moment) -> bool:
    if isinstance(query, PastQueryMixin):
        return query.moment in (None, moment)
    return machine.is_at(moment) or along.current() == moment


def _in_another_query(value: models.Model, moment: Moment, name: str) -> str:
    return (
        f"{named(value)} is as of {moment}, and the query that it is put into is of the present or of another moment. Read both as of "
        f"the same revision, Model.history(revision=...), or ask for its key: {name}={value.pk!r}."
    )


def _containing(live: Any) -> Any:
    @wraps(live)
    def contains(self: Any, obj: Any) -> bool:
        moment = moment_of(obj) if isinstance(obj, models.Model) else None
        if moment is not None and moment_read(self) != moment:
            raise MixedMomentsError(_in_another_query(obj, moment, "pk"))
        found: bool = live(self, obj)
        return found

    return contains


# Managers that objects have


class _ManagerOfObject:
    """A manager that a class has as a plain attribute: that of an object of the past reads as of its moment."""

    def __init__(self, manager: Any) -> None:
        self.manager = manager

    def __get__(self, instance: models.Model | None, owner: type[models.Model]) -> Any:
        moment = moment_of(instance)
        return self.manager if moment is None else self.manager.db_manager(moment.alias)


def _attributes_follow(model: Any) -> None:
    # Abstract models have some as well, and are no models of the project themselves.
    for owner in model.__mro__:
        for name, value in list(vars(owner).items()):
            if isinstance(value, BaseManager):
                setattr(owner, name, _ManagerOfObject(value))


# Content types and permissions


def _content_types_follow() -> None:
    from django.contrib.contenttypes.models import ContentType

    kind: Any = ContentType
    one, every = kind.get_object_for_this_type, kind.get_all_objects_for_this_type

    @wraps(one)
    def get_object_for_this_type(self: Any, using: str | None = None, **kwargs: Any) -> Any:
        moment = moment_of(self)
        return one(self, using=moment.alias if using is None and moment else using, **kwargs)

    @wraps(every)
    def get_all_objects_for_this_type(self: Any, **kwargs: Any) -> Any:
        moment = moment_of(self)
        if moment is None:
            return every(self, **kwargs)
        return self.model_class()._base_manager.using(moment.alias).filter(**kwargs)

    kind.get_object_for_this_type = get_object_for_this_type
    kind.get_all_objects_for_this_type = get_all_objects_for_this_type


def _permissions_follow() -> None:
    from django.contrib.auth.backends import ModelBackend

    backend: Any = ModelBackend
    live, alive = backend._get_permissions, backend._aget_permissions

    @wraps(live)
    def _get_permissions(self: Any, user_obj: Any, *args: Any) -> Any:
        moment = moment_of(user_obj) if isinstance(user_obj, models.Model) else None
        if moment is None:
            return live(self, user_obj, *args)
        with along.reading_along(along.Along(moment)):
            return live(self, user_obj, *args)

    @wraps(alive)
    async def _aget_permissions(self: Any, user_obj: Any, *args: Any) -> Any:
        moment = moment_of(user_obj) if isinstance(user_obj, models.Model) else None
        if moment is None:
            return await alive(self, user_obj, *args)
        with along.reading_along(along.Along(moment)):
            return await alive(self, user_obj, *args)

    backend._get_permissions = _get_permissions
    backend._aget_permissions = _aget_permissions
