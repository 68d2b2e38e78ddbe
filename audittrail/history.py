"""The public functions, `from audittrail import history`, and `Model.history`, the way in to a model's history."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from django.apps import apps
from django.db import models, router
from django.db.models.signals import class_prepared

from audittrail.capture import tracking
from audittrail.capture.tracking import register
from audittrail.diff.questions import Questions
from audittrail.exceptions import MomentError, NotTrackedError
from audittrail.revisions.context import context
from audittrail.revisions.editing import editing
from audittrail.revisions.models import BaseRevision
from audittrail.revisions.pruning import prune
from audittrail.revisions.redacting import redact
from audittrail.revisions.versions import VersionQuerySet, versions_of, versions_of_object
from audittrail.timetravel import changes, moment, present
from audittrail.timetravel.machine import in_the_present, travelling
from audittrail.timetravel.managers import past_manager_method
from audittrail.timetravel.moment import Moment
from audittrail.timetravel.present import at_rev
from audittrail.timetravel.queryset import past_queryset

__all__ = [
    "History", "at_rev", "context", "editing", "in_the_present", "of", "prune", "redact", "register", "travelling",
]  # fmt: skip

NAME: Final = "history"


class History(Questions):
    """The history of a model, or of one of its objects: its versions, its state as of any revision, and what changed.

    Called with a revision it gives all objects as that revision left them. Within `at_rev` it has the methods of the
    model's own querysets, which then read as of that moment: `User.history.filter(...)`.
    """

    def __init__(self, model: type[models.Model], instance: models.Model | None = None) -> None:
        self.model = model
        self.instance = instance

    def __repr__(self) -> str:
        """Return whose history this is."""
        key = "" if self.instance is None else f" {self.instance.pk!r}"
        return f"<History of {self.model._meta.label}{key}>"

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
        queryset = past_queryset(self.model, self._moment(revision, using))
        if self.instance is None:
            return queryset
        base = self.model._base_manager.using(queryset.moment.alias)
        return base.get(pk=self.instance.pk)

    def as_of(self, point: BaseRevision | datetime, *, using: str | None = None) -> Any:
        """Return the objects of the model, or the object, as of a revision or a datetime."""
        return self(point, using=using)

    def deleted(
        self, revision: BaseRevision | datetime | None = None, *, using: str | None = None
    ) -> Any:
        """Return the objects that were deleted, as they last were: a queryset, by default as of now.

        Each has its `history_operation`, `history_revision`, the number of the revision that deleted it, and `history_version`, the
        tick at which that was. They are all that were deleted, whatever the model's default manager leaves out. From an object, that
        object alone, if it was deleted.

        Raises `NotTrackedError` if the model is not tracked.
        """
        self._require_tracked()
        point: Moment | None
        if revision is None and present.moment_for(self._database(using)) is None:
            point = moment.newest(self._database(using))
            if point is None:
                return self.model._default_manager.none()
        else:
            point = self._moment(revision, using)
        found = changes.deleted_objects(self.model, point)
        return found if self.instance is None else found.filter(pk=self.instance.pk)

    @property
    def versions(self) -> VersionQuerySet:
        """The versions of the model's rows, or of the object's row alone, as a queryset.

        Raises `NotTrackedError` if the model is not tracked.
        """
        if self.instance is None:
            return versions_of(self.model, using=self._database(None))
        return versions_of_object(self.instance, using=self._database(None))

    def __getattr__(self, name: str) -> Any:
        """Give what the model's querysets and its default manager have, as of the moment of `at_rev`."""
        if name == "versions":
            # The property has raised NotTrackedError, which is an AttributeError, so Python asks here once more.
            self._require_tracked()
        manager = self.model._default_manager
        if (
            name.startswith("_")
            or self.instance is not None
            or not (hasattr(manager.all(), name) or hasattr(manager, name))
        ):
            raise AttributeError(f"{self!r} has no attribute {name!r}")
        queryset = self()
        if hasattr(queryset, name):
            return getattr(queryset, name)
        return past_manager_method(self.model, queryset.moment, name)

    def _moment(self, point: BaseRevision | datetime | None, using: str | None) -> Moment:
        if point is not None:
            database = self._database(using) if isinstance(point, datetime) else using
            return moment.resolve(point, database)
        found = present.moment_for(self._database(using))
        if found is None:
            name = self.model.__name__
            raise MomentError(
                f"{name}.history needs a moment of database {self._database(using)!r}: call it with a revision, "
                f"{name}.history(revision=rev), or use it inside history.at_rev(rev)."
            )
        return found

    def _database(self, using: str | None) -> str:
        if using is not None:
            return using
        if self.instance is not None and self.instance._state.db is not None:
            return moment.live_alias(self.instance._state.db)
        return moment.live_alias(router.db_for_read(self.model))

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
    # Reverse relations of other models are attributes, which the loop has seen. Asking `_meta` for them would fail while models are
    # still being loaded, so only the model's own fields are asked here.
    meta = model._meta
    own = (*meta.fields, *meta.many_to_many, *meta.private_fields)
    return any(NAME in (field.name, getattr(field, "attname", None)) for field in own)


def _attach_late(sender: Any, **kwargs: Any) -> None:
    if apps.ready and sender._meta.apps is apps and not sender._meta.abstract:
        attach(sender)
