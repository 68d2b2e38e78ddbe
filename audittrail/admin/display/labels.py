"""Name the objects that foreign keys and many-to-many fields of the past refer to: as they were called then, to who may see them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import models

from audittrail.admin.display.naming import at_most, key_text, text_of, without_masked
from audittrail.admin.layout.links import object_url
from audittrail.admin.permissions.models import VisibleModel, may_view
from audittrail.admin.permissions.readers import Reader
from audittrail.capture import tracking
from audittrail.diff.parts import concrete, tables_of
from audittrail.diff.states import key_of, states_at
from audittrail.diff.tracked import tracked_tables
from audittrail.timetravel import machine
from audittrail.timetravel.moment import Moment


@dataclass(frozen=True)
class Label:
    """The text of an object, and the address of its history, None where the reader can't go."""

    text: str
    url: str | None = None


#: An object at a tick.
Point = tuple[type[models.Model], Any, int]


class Labels:
    """The names of objects at ticks, for one reader: first say which are wanted, then load them all at once."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._wanted: dict[type[models.Model], set[tuple[Any, int]]] = defaultdict(set)
        self._found: dict[Point, Label] = {}

    def want(self, field: Any, values: Iterable[Any], tick: int) -> None:
        """Ask for the names of what a relation's values refer to as of a tick."""
        model = named_by(field)
        if model is not None:
            self._wanted[model] |= {(value, tick) for value in values if value is not None}

    def load(self) -> None:
        """Load what was asked for: a few queries for each model, however many objects they are."""
        with machine.in_the_present(), at_most(self._reader.database):
            for model, points in self._wanted.items():
                self._load(model, points)
        self._wanted.clear()

    def label(self, field: Any, value: Any, tick: int) -> Label:
        """Return the name of what a value of a relation refers to; its key alone if it may not be seen, or isn't known."""
        model = named_by(field)
        if model is None:
            return Label(str(value))
        return self._found.get((model, value, tick)) or Label(key_text(model, value))

    def _load(self, model: type[models.Model], points: set[tuple[Any, int]]) -> None:
        keys = {key for key, _ in points}
        visible = self._visible(model)
        if visible is None:
            return
        rows = list(keys)
        seen = self._reader.may_see_rows(visible, [(key,) for key in rows])
        keys = {key for key, is_seen in zip(rows, seen, strict=True) if is_seen}
        points = {(key, tick) for key, tick in points if key in keys}
        objects = (
            self._past(model, points)
            if tracking.is_tracked(model)
            else self._present(model, points)
        )
        for (key, tick), obj in objects.items():
            url = object_url(visible.model_admin, "history", key) if visible.model_admin else None
            self._found[model, key, tick] = Label(text_of(without_masked(obj)), url)

    def _visible(self, model: type[models.Model]) -> VisibleModel | None:
        """Return how the reader may see a model, None if not at all; one that isn't tracked has no history to be asked for."""
        if (found := self._reader.visible.get(model)) is not None:
            # One that is shown with others alone can't be asked for by its key.
            return found if found.model_admin or not found.owners else None
        site = self._reader.site
        if not tracking.is_tracked(model) and site.is_registered(model):
            model_admin = site.get_model_admin(model)
            if may_view(self._reader.request, model_admin):
                return VisibleModel(model, model_admin)
        return None

    def _past(
        self, model: type[models.Model], points: set[tuple[Any, int]]
    ) -> Mapping[tuple[Any, int], models.Model]:
        using = self._reader.database
        tables = tracked_tables(tables_of(model), using)
        if any(table not in tables for table in tables_of(model)):
            return {}
        found: dict[tuple[Any, int], models.Model] = {}
        # What a revision removed was still there just before it.
        for earlier in (0, 1):
            missing = [point for point in points if point not in found]
            if missing:
                wanted = [(key_of(model, key), tick - earlier) for key, tick in missing]
                states = states_at(model, using, wanted, tables)
                for (key, tick), state in zip(missing, states, strict=True):
                    if state is not None:
                        found[key, tick] = state.instance(model, Moment(using, tick))
        return found

    def _present(
        self, model: type[models.Model], points: set[tuple[Any, int]]
    ) -> Mapping[tuple[Any, int], models.Model]:
        present = model._base_manager.using(self._reader.database).in_bulk(
            {key for key, _ in points}
        )
        return {(key, tick): present[key] for key, tick in points if key in present}


def named_by(field: Any) -> type[models.Model] | None:
    """Return the model whose objects are named by the values of a field, None for a field whose values speak for themselves."""
    if field is None or field.remote_field is None or not hasattr(field, "target_field"):
        return None
    target = field.target_field
    # The key of a parent is the key of the child.
    if not target.primary_key:
        return None
    return concrete(target.model)
