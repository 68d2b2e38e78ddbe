"""What the objects are called that keys lead to, as of then or now: to who may see them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

from django.contrib.contenttypes.models import ContentType
from django.db import models

from audittrail.admin.display.excerpts import Room
from audittrail.admin.display.object_text import at_most, name_of, unnamed
from audittrail.admin.display.values import ObjectLabel, ShownValue, shown
from audittrail.admin.layout.keys import key_text
from audittrail.admin.layout.links import history_url
from audittrail.admin.permissions.models import may_view, model_admin_of
from audittrail.admin.permissions.readers import Reader
from audittrail.admin.permissions.rows import deleted_objects
from audittrail.capture import tracking
from audittrail.diff.changes import FieldChange
from audittrail.diff.references import LookupTime, ReferencedObject, objects_of
from audittrail.restore.plan import ColumnChange
from audittrail.timetravel import machine
from audittrail.timetravel.moment import Moment


class ObjectToName(NamedTuple):
    """An object that is to be named: the one of the model whose field has the value, by the name that it had at the tick.

    Without a tick it has the name that it has now or, if it was deleted, last had.
    """

    model: type[models.Model]
    field: Any
    value: Any
    tick: int | None


class Names:
    """The names of objects for one reader: first say which are wanted, then each model is read at once.

    With `falls_back`, an object that isn't known as of its tick has the name that it has now, or last had. `then` is the tick as
    of which to name what is brought back, None if it has the name that it last had.
    """

    def __init__(
        self, reader: Reader, *, then: Moment | None = None, falls_back: bool = False
    ) -> None:
        self._reader = reader
        self._falls_back = falls_back
        self.then = None if then is None else then.tick
        #: How much the page may compare exactly.
        self.room = Room()
        self._wanted: set[ObjectToName] = set()
        self._found: dict[ObjectToName, ObjectLabel | None] = {}

    def want(self, field: Any, values: Iterable[Any], tick: int | None) -> None:
        """Ask for the names of what some values of a relation refer to; those of another field speak for themselves."""
        for value in values:
            if value is not None and (wanted := _wanted(field, value, tick)) is not None:
                self._wanted.add(wanted)

    def want_change(
        self, change: FieldChange | ColumnChange, before: int | None, after: int | None
    ) -> None:
        """Ask for the names of what both values of a change refer to: the old one as of a tick before, the new one as of one after."""
        self.want(change.field, (change.old,), before)
        self.want(change.field, (change.new,), after)

    def want_object(self, model: type[models.Model], key: Any, tick: int | None) -> None:
        """Ask for the name of an object by its primary key."""
        self._wanted.add(ObjectToName(model, model._meta.pk, key, tick))

    def load(self) -> None:
        """Load what was asked for: a few queries for each model, however many objects they are."""
        with machine.in_the_present():
            possible = {one for one in self._wanted if self._may_appear(one.model)}
            objects = self._as_of(possible)
            objects |= self._now_or_last(
                {
                    one
                    for one in possible - objects.keys()
                    if one.tick is None or self._falls_back or not _is_tracked(one.model)
                }
            )
            appearing = self._appearing(objects.values())
            with at_most(self._reader.database):
                for one in self._wanted:
                    obj = objects.get(one)
                    if obj is not None and id(obj) not in appearing:
                        obj = None
                    self._found[one] = None if obj is None else self._label(obj)
        self._wanted.clear()

    def label(self, field: Any, value: Any, tick: int | None) -> ObjectLabel:
        """Return what a value of a relation refers to; the model and the key if it may not be seen, or isn't known."""
        wanted = _wanted(field, value, tick)
        if wanted is None:
            return ObjectLabel(str(value))
        return self._get(wanted) or ObjectLabel(unnamed(wanted.model, value))

    def shown(self, field: Any, value: Any, tick: int | None) -> ShownValue:
        """Return a value as text: that of a relation as the object's name with its key."""
        wanted = None if value is None else _wanted(field, value, tick)
        label = None if wanted is None else self._get(wanted)
        if label is None:
            return shown(field, value)
        key = str(value)
        return ShownValue(label.text if key in label.text else f"{label.text} ({key})")

    def name(self, model: type[models.Model], key: Any, tick: int | None) -> str:
        """Return the name of an object, its key where it has none that the reader may see."""
        label = self._get(ObjectToName(model, model._meta.pk, key, tick))
        return key_text(key) if label is None else label.text

    def _get(self, wanted: ObjectToName) -> ObjectLabel | None:
        if wanted not in self._found:
            self._wanted.add(wanted)
            self.load()
        return self._found[wanted]

    def _as_of(self, wanted: set[ObjectToName]) -> dict[ObjectToName, models.Model]:
        """Return the objects as of the ticks that are asked for."""
        found: dict[ObjectToName, models.Model] = {}
        # An object that a revision deleted is not there as of the revision, but it was just before: one tick earlier.
        for earlier in (0, 1):
            references = {
                self._reference(one, one.tick, earlier): one
                for one in wanted - found.keys()
                if one.tick is not None and _is_tracked(one.model)
            }
            objects = objects_of(references) if references else {}
            found |= {references[reference]: obj for reference, obj in objects.items()}
        return found

    def _reference(self, wanted: ObjectToName, tick: int, earlier: int) -> ReferencedObject:
        time = LookupTime(Moment(self._reader.database, tick), tick - earlier)
        return ReferencedObject(wanted.model, wanted.field, wanted.value, time)

    def _now_or_last(self, wanted: set[ObjectToName]) -> dict[ObjectToName, models.Model]:
        """Return the objects as they are now, and those that were deleted as they last were."""
        found: dict[ObjectToName, models.Model] = {}
        using = self._reader.database
        for model, field in {(one.model, one.field) for one in wanted}:
            sources = [model._base_manager.using(using)]
            if _is_tracked(model):
                sources.append(deleted_objects(model, using))
            for source in sources:
                missing = [
                    one for one in wanted - found.keys() if (one.model, one.field) == (model, field)
                ]
                if missing:
                    # A list, since Django takes no set of composite keys.
                    values = [*{one.value for one in missing}]
                    objects = {
                        getattr(obj, field.attname): obj
                        for obj in source.filter(**{f"{field.attname}__in": values})
                    }
                    found |= {one: objects[one.value] for one in missing if one.value in objects}
        return found

    def _may_appear(self, model: type[models.Model]) -> bool:
        """Return whether objects of a model can appear at all; one that isn't tracked has no history to be asked for."""
        if _is_tracked(model):
            return tracking.concrete(model) in self._reader.visible
        return model is ContentType or model_admin_of(self._reader.site, model) is not None

    def _appearing(self, objects: Iterable[models.Model]) -> set[int]:
        """Return which of some objects appear to the reader, by their ids in memory."""
        by_model: dict[type[models.Model], list[Any]] = defaultdict(list)
        for obj in objects:
            by_model[type(obj)].append(obj)
        return {id(obj) for model, found in by_model.items() for obj in self._seen(model, found)}

    def _seen(self, model: type[models.Model], objects: list[Any]) -> list[Any]:
        visible = self._reader.visible.get(tracking.concrete(model))
        if visible is not None:
            return self._reader.seen(visible, objects)
        if model is ContentType:
            return objects
        model_admin = model_admin_of(self._reader.site, model)
        request = self._reader.request
        return [obj for obj in objects if model_admin and may_view(request, model_admin, obj)]

    def _label(self, obj: models.Model) -> ObjectLabel:
        visible = self._reader.visible.get(tracking.concrete(type(obj)))
        if visible is not None:
            model_admin = visible.model_admin
        else:
            model_admin = model_admin_of(self._reader.site, type(obj))
        return ObjectLabel(name_of(obj), history_url(model_admin, obj.pk))


def _is_tracked(model: type[models.Model]) -> bool:
    return tracking.is_tracked(tracking.concrete(model))


def _wanted(field: Any, value: Any, tick: int | None) -> ObjectToName | None:
    """Return the object that a value of a relation leads to; None for a field whose values speak for themselves."""
    if not isinstance(field, models.ForeignKey | models.ManyToManyField):
        return None
    # If its app is not installed, the model of a foreign key is still its name, a string.
    model: Any = field.remote_field.model
    return ObjectToName(model, field.target_field, value, tick) if isinstance(model, type) else None
