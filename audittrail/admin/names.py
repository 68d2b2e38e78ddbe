"""Values and objects as people read them, of now and of then: those alone that the reader may see."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.contrib.contenttypes.models import ContentType
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils import formats, timezone
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from audittrail.admin import permissions, row_permissions
from audittrail.admin.readers import Reader
from audittrail.capture import tracking
from audittrail.exceptions import TimeTravelError
from audittrail.timetravel import changes, moment
from audittrail.timetravel.moment import Moment

#: Characters of a value that a page shows; of longer ones it says how many there are.
LONGEST: Final = 2_000


@dataclass(frozen=True)
class Text:
    """A value as text; `is_empty` for one that stands for the absence of any, `length` of one that was cut short."""

    text: str
    is_empty: bool = False
    length: int = 0

    def __str__(self) -> str:
        return self.text


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

    def of_value(self, field: Any, value: Any, *, then: bool) -> Text:
        """Return a value as text: a choice by its label, a foreign key by the object's name and its key."""
        target = None if value is None else _target(field, then)
        name = None if target is None else self._name(target, value)
        if name is not None:
            key = str(value)
            return Text(name if key in name else f"{name} ({key})")
        return plain(field, value)

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
            attributes = row_permissions.attributes(visible)
            rows = [[getattr(obj, name) for name in attributes] for obj in objects]
            seen = self.reader.may_see_rows(visible, rows) if rows else []
            return [obj for obj, is_seen in zip(objects, seen, strict=True) if is_seen]
        site, request = self.reader.site, self.reader.request
        if tracking.is_tracked(concrete) or not site.is_registered(model):
            return []
        model_admin = site.get_model_admin(model)
        return [obj for obj in objects if permissions.may_view(request, model_admin, obj)]


def name_of(obj: models.Model) -> str:
    """Return the name of an object as one line, its key where its `__str__` fails, as it may for an object of the past."""
    try:
        name = str(obj)
    except Exception:  # noqa: BLE001 - a project's __str__ may need what was deleted along
        name = ""
    return Truncator(" ".join(name.split())).chars(200) or key_text(obj.pk)


def key_text(key: Any) -> str:
    """Return a primary key as text."""
    return ", ".join(map(str, key)) if isinstance(key, tuple) else str(key)


def plain(field: Any, value: Any) -> Text:
    """Return a value as text, without looking anything up."""
    choices = dict(getattr(field, "flatchoices", None) or ())
    if value is not None and _is_hashable(value) and value in choices:
        return Text(str(choices[value]))
    if value is None:
        return Text(_("none"), is_empty=True)
    text = _text(value)
    if text == "":
        return Text(_("empty"), is_empty=True)
    if len(text) > LONGEST:
        return Text(f"{text[:LONGEST]}…", length=len(text))
    return Text(text)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    if isinstance(value, bytes | memoryview):
        data = bytes(value)
        size = ngettext("%(number)d byte", "%(number)d bytes", len(data)) % {"number": len(data)}
        return f"{data[:24].hex(' ')}{' …' if len(data) > 24 else ''} ({size})"
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, ensure_ascii=False, indent=1, cls=_Encoder)
    if isinstance(value, datetime):
        local = timezone.localtime(value) if timezone.is_aware(value) else value
        return formats.date_format(local, "DATETIME_FORMAT")
    return str(formats.localize(value))


class _Encoder(DjangoJSONEncoder):
    def default(self, o: Any) -> Any:
        try:
            return super().default(o)
        except TypeError:
            return str(o)


def _is_hashable(value: Any) -> bool:
    return getattr(type(value), "__hash__", None) is not None and not isinstance(value, tuple)


def _target(field: Any, then: bool) -> _Target | None:
    """Return what a foreign key refers to; None for another field."""
    if not isinstance(field, models.ForeignKey):
        return None
    # The model of a foreign key may be a name still, if its app is not installed.
    model: Any = field.remote_field.model
    return _Target(model, field.target_field.attname, then) if isinstance(model, type) else None
