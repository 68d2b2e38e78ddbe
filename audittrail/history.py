"""The public functions, `from audittrail import history`, and `Model.history`, the way in to a model's history."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Any, Final

from django.apps import apps
from django.db import models, router
from django.db.models.signals import class_prepared

from audittrail.capture import tracking
from audittrail.capture.tracking import register
from audittrail.exceptions import MomentError, NotTrackedError
from audittrail.revisions.context import context
from audittrail.revisions.editing import editing
from audittrail.revisions.models import BaseRevision
from audittrail.revisions.versions import VersionQuerySet, versions_of, versions_of_object
from audittrail.timetravel import changes, moment
from audittrail.timetravel.moment import Moment
from audittrail.timetravel.query import past_queryset

__all__ = ["History", "at_rev", "context", "editing", "of", "register"]

NAME: Final = "history"

_present: ContextVar[Moment | None] = ContextVar("audittrail_moment", default=None)


class History:
    """The history of a model, or of one of its objects: its versions, and its state as of any revision.

    Called with a revision it gives all objects as that revision left them. Within `at_rev` it has the methods of the
    model's own querysets, which then read as of that moment: `User.history.filter(...)`.
    """

    def __init__(self, model: type[models.Model], instance: models.Model | None = None) -> None:
        self.model = model
        self.instance = instance

    def __repr__(self) -> str:
        """Return whose history this is."""
        whose = self.model._meta.label if self.instance is None else repr(self.instance)
        return f"<History of {whose}>"

    def __call__(
        self, revision: BaseRevision | datetime | None = None, *, using: str | None = None
    ) -> Any:
        """Return the objects of the model as a revision left them, or the object alone.

        Takes a revision or a datetime; by default the moment of `at_rev`. Gives an ordinary queryset of the ordinary model,
        which reads every tracked table as of that revision; from an object, that object.

        Raises `NotTrackedError`, `MomentError`, `Revision.DoesNotExist` before the first revision, and
        `Model.DoesNotExist` for an object that did not exist then.
        """
        self._require_tracked()
        point = _moment(self.model, revision, using)
        queryset = past_queryset(self.model, point)
        if self.instance is None:
            return queryset
        return queryset.model._base_manager.db_manager(point.alias).get(pk=self.instance.pk)

    def as_of(self, point: BaseRevision | datetime, *, using: str | None = None) -> Any:
        """Return the objects of the model, or the object, as of a revision or a datetime."""
        return self(point, using=using)

    def deleted(
        self, revision: BaseRevision | datetime | None = None, *, using: str | None = None
    ) -> Any:
        """Return the objects that were deleted, as they last were: a queryset, by default as of now.

        Each has its `history_operation` and `history_revision`, the number of the revision that deleted it.

        Raises `NotTrackedError` if the model is not tracked.
        """
        self._require_tracked()
        if revision is None and _present.get() is None:
            point = moment.newest(using or router.db_for_read(self.model))
            if point is None:
                return self.model._default_manager.none()
        else:
            point = _moment(self.model, revision, using)
        return changes.deleted_objects(self.model, point)

    @property
    def versions(self) -> VersionQuerySet:
        """The versions of the model's rows, or of the object's row alone, as a queryset.

        Raises `NotTrackedError` if the model is not tracked.
        """
        if self.instance is None:
            return versions_of(self.model)
        return versions_of_object(self.instance)

    def __getattr__(self, name: str) -> Any:
        """Give the methods of the model's querysets, as of the moment of `at_rev`."""
        if name.startswith("_") or self.instance is not None:
            raise AttributeError(f"{self!r} has no attribute {name!r}")
        if _present.get() is None and not hasattr(self.model._default_manager.all(), name):
            raise AttributeError(f"{self!r} has no attribute {name!r}")
        return getattr(self(), name)

    def _require_tracked(self) -> None:
        if not tracking.is_tracked(self.model):
            raise NotTrackedError(
                f"{self.model._meta.label} is not tracked, so it has no history. Take it out of AUDITTRAIL_EXCLUDE or "
                f"call history.register({self.model.__name__}), then run manage.py migrate."
            )


class HistoryDescriptor:
    """Give a model class and its objects their `History`."""

    def __get__(self, instance: models.Model | None, owner: type[models.Model]) -> History:
        return History(owner, instance)


@contextmanager
def at_rev(rev: BaseRevision | datetime, *, using: str | None = None) -> Iterator[Moment]:
    """Let `Model.history` read as of a revision or a datetime inside the block.

    Nests; holds for the thread, task or generator that entered it, and for what `sync_to_async` runs for it. Only `Model.history` is
    concerned: `Model.objects` goes on reading the present. A queryset made inside keeps its moment when it leaves.

    Raises `MomentError` for what is no moment, `Revision.DoesNotExist` before the first revision.
    """
    point = moment.resolve(rev, using)
    outer = _present.get()
    _present.set(point)
    try:
        yield point
    finally:
        # Not by a token: a generator may end in another copy of the context variables than it began in.
        _present.set(outer)


def of(target: type[models.Model] | models.Model) -> History:
    """Return the history of a model or an object, also where the name `history` is taken by something else."""
    if isinstance(target, models.Model):
        return History(type(target), target)
    return History(target)


def install() -> None:
    """Give every model of the project its accessor, and those that are made later."""
    for model in tracking.candidates():
        attach(model)
    class_prepared.connect(_attach_late, dispatch_uid="audittrail.history")


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


def _moment(
    model: type[models.Model], point: BaseRevision | datetime | None, using: str | None
) -> Moment:
    if point is None:
        present = _present.get()
        if present is None:
            raise MomentError(
                f"{model.__name__}.history needs a moment: call it with a revision, {model.__name__}.history(revision=rev), "
                "or use it inside history.at_rev(rev)."
            )
        return present
    if using is None and isinstance(point, datetime):
        using = router.db_for_read(model)
    return moment.resolve(point, using)


def _attach_late(sender: Any, **kwargs: Any) -> None:
    if apps.ready and sender._meta.apps is apps and not sender._meta.abstract:
        attach(sender)
