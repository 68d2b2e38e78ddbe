"""Refuse to write because of an object of the past, before anything is done, also where another database is named or no router asked."""

from __future__ import annotations

from collections.abc import Iterable
from functools import wraps
from inspect import iscoroutinefunction
from types import FunctionType
from typing import Any, Final, NoReturn

from django.apps import apps
from django.db import models
from django.db.models.deletion import Collector
from django.db.models.fields.files import FieldFile
from django.db.models.query import QuerySet
from django.db.models.signals import class_prepared

from audittrail.exceptions import MixedMomentsError, PastIsReadOnlyError
from audittrail.revisions.wording import named, spelled
from audittrail.timetravel import machine
from audittrail.timetravel.moment import Moment, moment_of

#: Methods that models override to do more than write.
_WRITING: Final = ("save", "delete", "asave", "adelete")

_MARK: Final = "audittrail_of_present_objects"


def refuse_write(instance: models.Model, moment: Moment) -> NoReturn:
    """Raise `PastIsReadOnlyError` for something that would be written because of an object of the past."""
    name = type(instance).__name__
    raise PastIsReadOnlyError(
        f"{named(instance)} is as of {moment}, and the past is read-only: neither it nor what belongs to it can be written. Change the "
        f"present object, {name}.objects.get(pk={instance.pk!r}), or bring this state back with "
        f"{name}.history(revision=...).filter(pk={instance.pk!r}).restore()."
    )


def require_present(instances: Iterable[Any]) -> None:
    """Raise `PastIsReadOnlyError` if one of the objects is of the past."""
    for instance in instances:
        moment = moment_of(instance) if isinstance(instance, models.Model) else None
        if moment is not None:
            refuse_write(instance, moment)


def require_no_journey(model: type[models.Model]) -> None:
    """Raise `PastIsReadOnlyError` for a model whose objects are written while somebody travels who reads them as of a moment."""
    journey = machine.current()
    if journey is not None and machine.travels(model):
        raise PastIsReadOnlyError(
            f"{model._meta.label} can't be written in the time machine, which is at {spelled(journey.time)}: "
            "the past is read-only. Return to the present first."
        )


def install() -> None:
    """Extend Django's methods, once."""
    model: Any = models.Model
    if hasattr(model.save_base, "__wrapped__"):
        return
    # Checks of uniqueness are refused as well: they come before saving, and ask the present rows of the class.
    for name in (
        "save_base",
        "_perform_unique_checks",
        "_perform_date_checks",
        "validate_constraints",
    ):
        setattr(model, name, _of_present_objects(getattr(model, name)))
    for found in apps.get_models(include_auto_created=True):
        _own_methods_refuse(found)
    class_prepared.connect(_prepared, dispatch_uid="audittrail.read_only")
    for name in ("save_base", "delete"):
        setattr(model, name, _in_the_present(getattr(model, name), type))
    model.prepare_database_save = _as_a_value(model.prepare_database_save)
    collector: Any = Collector
    collector.add = _with_present_objects(collector.add)
    queryset: Any = QuerySet
    for name in ("bulk_create", "bulk_update"):
        setattr(queryset, name, _with_present_objects(getattr(queryset, name)))
    for name in ("bulk_create", "bulk_update", "update", "delete", "_raw_delete"):
        setattr(queryset, name, _in_the_present(getattr(queryset, name), _model_of))
    file: Any = FieldFile
    for name in ("save", "delete"):
        # Refused here: the file would be written or deleted before the object's own save() refuses.
        setattr(file, name, _of_a_present_object(getattr(file, name)))


def _prepared(sender: Any, **kwargs: Any) -> None:
    _own_methods_refuse(sender)


def _own_methods_refuse(model: Any) -> None:
    """Let the methods with which a model saves and deletes in its own way refuse before they do anything.

    They may write something else first, send messages, or say themselves that the object is of the database that they are given.
    """
    for owner in model.__mro__:
        for name in _WRITING if owner is not models.Model else ():
            method = vars(owner).get(name)
            if isinstance(method, FunctionType) and not hasattr(method, _MARK):
                refusing = _of_present_objects(method)
                setattr(refusing, _MARK, True)
                setattr(owner, name, refusing)


def _of_present_objects(live: Any) -> Any:
    if iscoroutinefunction(live):

        @wraps(live)
        async def coroutine(self: Any, *args: Any, **kwargs: Any) -> Any:
            require_present((self,))
            return await live(self, *args, **kwargs)

        return coroutine

    @wraps(live)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        require_present((self,))
        return live(self, *args, **kwargs)

    return method


def _in_the_present(live: Any, model_of: Any) -> Any:
    """Return a method that refuses while somebody travels; takes what tells the model that it writes."""

    @wraps(live)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        require_no_journey(model_of(self))
        return live(self, *args, **kwargs)

    return method


def _model_of(queryset: Any) -> Any:
    return queryset.model


def _of_a_present_object(live: Any) -> Any:
    @wraps(live)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        require_present((self.instance,))
        return live(self, *args, **kwargs)

    return method


def _with_present_objects(live: Any) -> Any:
    @wraps(live)
    def method(self: Any, objs: Any, *args: Any, **kwargs: Any) -> Any:
        given = list(objs)
        require_present(given)
        return live(self, given, *args, **kwargs)

    return method


def _as_a_value(live: Any) -> Any:
    @wraps(live)
    def prepare_database_save(self: Any, field: Any) -> Any:
        moment = moment_of(self)
        if moment is not None:
            raise MixedMomentsError(
                f"{named(self)} is as of {moment} and can't be written into {field.model._meta.label}.{field.name}. Take the present object, or "
                f"its key, {field.name}={self.pk!r}."
            )
        return live(self, field)

    return prepare_database_save
