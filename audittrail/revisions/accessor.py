"""`Model.history` and `obj.history`: the way in to a model's history, without a line in the model."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.db import models
from django.db.models.signals import class_prepared

from audittrail.capture import tracking
from audittrail.revisions.versions import VersionQuerySet, versions_of, versions_of_object

NAME = "history"


class History:
    """The history of a model, or of one of its objects."""

    def __init__(self, model: type[models.Model], instance: models.Model | None = None) -> None:
        self.model = model
        self.instance = instance

    def __repr__(self) -> str:
        """Return whose history this is."""
        return (
            f"<History of {self.instance!r}>"
            if self.instance
            else f"<History of {self.model._meta.label}>"
        )

    @property
    def versions(self) -> VersionQuerySet:
        """The versions of the model's rows, or of the object's row alone, as a queryset.

        Raises `NotTrackedError` if the model is not tracked.
        """
        if self.instance is None:
            return versions_of(self.model)
        return versions_of_object(self.instance)


class HistoryDescriptor:
    """Give a model class and its objects their `History`."""

    def __get__(self, instance: models.Model | None, owner: type[models.Model]) -> History:
        return History(owner, instance)


def of(target: type[models.Model] | models.Model) -> History:
    """Return the history of a model or an object, also where the name `history` is taken by something else."""
    if isinstance(target, models.Model):
        return History(type(target), target)
    return History(target)


def install() -> None:
    """Give every model of the project its accessor, and those that are made later."""
    for model in tracking.candidates():
        attach(model)
    class_prepared.connect(_attach_late, dispatch_uid="audittrail.accessor")


def attach(model: type[models.Model]) -> None:
    """Give a model its accessor, unless it uses the name itself (which `checks` reports)."""
    if not name_is_taken(model):
        setattr(model, NAME, HistoryDescriptor())


def name_is_taken(model: type[models.Model]) -> bool:
    """Return whether a model has an attribute or a field of the accessor's name that is not ours."""
    for base in model.__mro__:
        if NAME in vars(base):
            return not isinstance(vars(base)[NAME], HistoryDescriptor)
    return any(
        NAME in (field.name, getattr(field, "attname", None)) for field in model._meta.get_fields()
    )


def _attach_late(sender: Any, **kwargs: Any) -> None:
    if apps.ready and sender._meta.apps is apps and not sender._meta.abstract:
        attach(sender)
