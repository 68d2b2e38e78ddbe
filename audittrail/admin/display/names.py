"""Values and objects as people read them, of now and of then: those alone that the reader may see."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass
from typing import Any, Final

from django.contrib.contenttypes.models import ContentType
from django.db import models

from audittrail.admin.display.naming import text_of, without_masked
from audittrail.admin.display.values import Shown, shown
from audittrail.admin.permissions.models import may_view
from audittrail.admin.permissions.readers import Reader
from audittrail.admin.permissions.rows import attributes
from audittrail.capture import tracking
from audittrail.exceptions import TimeTravelError
from audittrail.timetravel import changes, moment
from audittrail.timetravel.moment import Moment

#: Marks that turn the direction of all that follows (Unicode Standard Annex 9, section 2).
_TURNING: Final = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])


@dataclass(frozen=True)
class _Target:
    """Objects to be named: of which model, by which attribute, and whether as they are or as they were."""

    model: type[models.Model]
    attribute: str
    then: bool


class Names:
    """Names of objects and values for one page: what is wanted is gathered first, then each model is read at once.

    Takes the moment that "then" means; without one, objects of then are as they last were.
    """

    def __init__(self, reader: Reader, then: Moment | None) -> None:
        self.reader = reader
        self.moment = then
        self._wanted: dict[_Target, set[Any]] = defaultdict(set)
        self._found: dict[_Target, dict[Any, str]] = defaultdict(dict)

    def want(self, model: type[models.Model], key: Any, *, then: bool) -> None:
        """Say that the name of an object will be asked for."""
        self._wanted[_Target(model, "pk", then)].add(key)

    def want_value(self, field: Any, value: Any, *, then: bool) -> None:
        """Say that the text of a field's value will be asked for."""
        if value is not None and (target := _target(field, then)) is not None:
            self._wanted[target].add(value)

    def of(self, model: type[models.Model], key: Any, *, then: bool) -> str:
        """Return the name of an object, its key where it has none that the reader may see."""
        name = self._name(_Target(model, "pk", then), key)
        return key_text(key) if name is None else name

    def of_value(self, field: Any, value: Any, *, then: bool) -> Shown:
        """Return a value as text: a choice by its label, a foreign key by the object's name and its key."""
        target = None if value is None else _target(field, then)
        name = None if target is None else self._name(target, value)
        if name is not None:
            key = str(value)
            return Shown(name if key in name else f"{name} ({key})")
        return shown(field, value)

    def _name(self, target: _Target, key: Any) -> str | None:
        wanted = self._wanted.pop(target, set()) | {key}
        if missing := wanted - self._found[target].keys():
            found = self._load(target, missing)
            self._found[target].update({key: found.get(key, "") for key in missing})
        return self._found[target][key] or None

    def _load(self, target: _Target, keys: set[Any]) -> dict[Any, str]:
        names: dict[Any, str] = {}
        for source in self._sources(target):
            missing = [*(keys - names.keys())]  # composite keys want a list
            try:
                objects = [*source.filter(**{f"{target.attribute}__in": missing})]
                visible = self._visible(target.model, objects)
                names |= {getattr(obj, target.attribute): name_of(obj) for obj in visible}
            except TimeTravelError:
                continue  # it was not tracked then
            if keys == names.keys():
                break
        return names

    def _sources(self, target: _Target) -> Iterable[Any]:
        """Yield the querysets to look into, the best first."""
        model, using = target.model, self.reader.database
        present = model._base_manager.using(using)
        if not tracking.is_tracked(model):
            yield present
            return
        if target.then and self.moment is not None:
            yield model._base_manager.using(self.moment.alias)
        else:
            yield present
        newest = moment.newest(using)
        if newest is not None:
            yield changes.deleted_objects(model, newest)
        yield present

    def _visible(self, model: type[models.Model], objects: list[Any]) -> list[Any]:
        if model is ContentType:
            return objects
        concrete = model._meta.concrete_model or model
        visible = self.reader.visible.get(concrete)
        if visible is not None:
            names = attributes(visible)
            rows = [[getattr(obj, name) for name in names] for obj in objects]
            seen = self.reader.may_see_rows(visible, rows) if rows else []
            return [obj for obj, is_seen in zip(objects, seen, strict=True) if is_seen]
        site, request = self.reader.site, self.reader.request
        if tracking.is_tracked(concrete) or not site.is_registered(model):
            return []
        model_admin = site.get_model_admin(model)
        return [obj for obj in objects if may_view(request, model_admin, obj)]


def name_of(obj: models.Model) -> str:
    """Return the name of an object without what is masked."""
    # A copy: the object itself may be asked about yet.
    return text_of(without_masked(copy(obj)))


def name_in_sentence(obj: models.Model) -> str:
    """Return the name of an object as a sentence may hold it: without marks that turn the words behind it."""
    return name_of(obj).translate(_TURNING)


def key_text(key: Any) -> str:
    """Return a primary key as text."""
    return ", ".join(map(str, key)) if isinstance(key, tuple) else str(key)


def _target(field: Any, then: bool) -> _Target | None:
    """Return what a foreign key refers to; None for another field."""
    if not isinstance(field, models.ForeignKey):
        return None
    # The model of a foreign key may be a name still, if its app is not installed.
    model: Any = field.remote_field.model
    return _Target(model, field.target_field.attname, then) if isinstance(model, type) else None
