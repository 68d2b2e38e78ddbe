"""The objects that keys lead to, as of then, and their names, in a bounded number of queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db import models
from django.db.backends.postgresql.psycopg_any import sql

from audittrail.capture import tracking
from audittrail.diff.loading import converted
from audittrail.diff.parts import parts_of, tables_of
from audittrail.diff.statements import (
    fetch,
    history_table,
    in_chunks,
    key_fields,
    keys_of,
    literals,
    table_names,
)
from audittrail.diff.states import Key, ObjectState, states_at
from audittrail.diff.tracked import TrackingPeriod, tracking_periods
from audittrail.exceptions import AuditTrailError
from audittrail.revisions.versions import version_name
from audittrail.timetravel import registry
from audittrail.timetravel.moment import Moment

#: How many objects are looked up together.
CHUNK = 500


@dataclass(frozen=True)
class LookupTime:
    """A tick, and the moment as of which objects of that time read what they are related to."""

    moment: Moment
    tick: int


@dataclass(frozen=True)
class ReferencedObject:
    """What a value leads to: an object of a model, found by one of its fields, at a time."""

    model: type[models.Model]
    field: Any
    value: Any
    time: LookupTime


def references_of(field: Any, values: Any, time: LookupTime) -> list[ReferencedObject]:
    """Return what the value of a foreign key, or the values of a many-to-many field, lead to; nothing for other fields."""
    if field is None or field.remote_field is None:
        return []
    if field.many_to_many:
        through = field.remote_field.through
        field = through._meta.get_field(field.m2m_reverse_field_name())
    elif not isinstance(values, tuple):
        values = (values,)
    return [
        ReferencedObject(field.remote_field.model, field.target_field, value, time)
        for value in values or ()
        if value is not None
    ]


def names_of(
    references: Iterable[ReferencedObject],
    may_see: Callable[[type[models.Model]], bool] = lambda model: True,
) -> dict[ReferencedObject, str]:
    """Return the names of the objects that some references lead to; those are missing that can't be told or must not."""
    objects = objects_of(references, may_see)
    names = {reference: _name(found) for reference, found in objects.items()}
    return {reference: name for reference, name in names.items() if name}


def objects_of(
    references: Iterable[ReferencedObject],
    may_see: Callable[[type[models.Model]], bool] = lambda model: True,
) -> dict[ReferencedObject, models.Model]:
    """Return the objects that some references lead to, as of their times; those are missing that are not known or must not be seen."""
    objects: dict[ReferencedObject, models.Model] = {}
    groups: dict[Any, list[ReferencedObject]] = defaultdict(list)
    for reference in dict.fromkeys(references):
        groups[reference.model, reference.field, reference.time.moment.using].append(reference)
    seen = {model: may_see(model) for model, _, _ in groups}
    tables = {
        using: tracking_periods(
            [
                table
                for model, _, database in groups
                if database == using and seen[model] and _is_tracked(model)
                for table in tables_of(model)
            ],
            using,
        )
        for using in {using for _, _, using in groups}
    }
    for (model, field, using), wanted in groups.items():
        if not seen[model]:
            continue
        if _is_tracked(model):
            objects |= _then(model, field, using, wanted, tables[using])
        elif registry.may_be_read_live(".".join(table_names(model))):
            objects |= _now(model, field, using, wanted)
    return objects


def _is_tracked(model: type[models.Model]) -> bool:
    return all(tracking.is_tracked(part.model) for part in parts_of(model))


def _now(
    model: type[models.Model], field: Any, using: str, wanted: list[ReferencedObject]
) -> dict[ReferencedObject, models.Model]:
    """Return the objects as of now, of a model that is not tracked but may be read."""
    found: Any = model._base_manager.using(using)
    objects = found.filter(**{f"{field.name}__in": {reference.value for reference in wanted}})
    by_value = {getattr(one, field.attname): one for one in objects}
    return {r: by_value[r.value] for r in wanted if r.value in by_value}


def _then(
    model: type[models.Model],
    field: Any,
    using: str,
    wanted: list[ReferencedObject],
    tables: dict[type[models.Model], TrackingPeriod],
) -> dict[ReferencedObject, models.Model]:
    own = [tables.get(part.model) for part in parts_of(model)]
    if None in own:
        return {}
    since = max(table.known_from for table in own if table is not None)
    wanted = [reference for reference in wanted if reference.time.tick >= since]
    keys = _keys(model, field, using, {reference.value for reference in wanted})
    points = [(r, key) for r in wanted for key in keys.get(r.value, ())]
    objects = {}
    for chunk in in_chunks(points, CHUNK):
        ticks = [(key, reference.time.tick) for reference, key in chunk]
        for (reference, _), state in zip(
            chunk, states_at(model, using, ticks, tables), strict=True
        ):
            if state is not None and _has(state, model, field, reference.value):
                objects[reference] = state.instance(model, reference.time.moment)
    return objects


def _keys(
    model: type[models.Model], field: Any, using: str, values: set[Any]
) -> dict[Any, list[Key]]:
    """Return the primary keys that may belong to values of a field: they are the values themselves, as a rule."""
    part = parts_of(model)[0]
    if field is model._meta.pk and len(tracking.concrete(model)._meta.pk_fields) > 1:
        return {value: [tuple(value)] for value in values}
    if (
        tracking.concrete(model)._meta.pk_fields == [field]
        or field not in part.model._meta.local_fields
    ):
        return {value: [(value,)] for value in values}
    if not values:
        return {}
    history: Any = part.version_model
    if all(column.field is not field for column in part.columns):
        return {}  # never stored
    stored = history._meta.get_field(version_name(field.attname))
    statement = sql.SQL("SELECT DISTINCT {0}, {1} FROM {2} h WHERE {0} IN ({3})").format(
        sql.Identifier("h", stored.column),
        keys_of(history, "h"),
        history_table(history),
        literals(stored, values, using),
    )
    found: dict[Any, list[Key]] = defaultdict(list)
    fields = [stored, *key_fields(history)]
    for value, *key in converted(history, using, fields, fetch(using, statement)):
        found[value].append(tuple(key))
    return found


def _has(state: ObjectState, model: type[models.Model], field: Any, value: Any) -> bool:
    image = state.images[0]
    name = version_name(field.attname)
    return image is None or not hasattr(image.row, name) or getattr(image.row, name) == value


def _name(found: models.Model) -> str:
    try:
        return str(found)
    except (AuditTrailError, ObjectDoesNotExist, AttributeError, TypeError, ValueError):
        # A model's __str__ may read what is not known as of then. Then the object is called by its key.
        return ""


def previous_ticks(revisions: Mapping[tuple[int, str], Any]) -> dict[tuple[int, str], int | None]:
    """Return for each revision the tick of the one committed before it, as far as times of commits tell; None for the first."""
    found: dict[tuple[int, str], int | None] = {}
    for using in {using for _, using in revisions}:
        numbers = [number for number, database in revisions if database == using]
        statement = sql.SQL(
            "SELECT r.id, (SELECT p.committed FROM audittrail.revision p"
            " WHERE p.committed_at <= r.committed_at AND p.committed < r.committed"
            " ORDER BY p.committed_at DESC, p.committed DESC LIMIT 1)"
            " FROM audittrail.revision r WHERE r.id IN ({})"
        ).format(sql.SQL(", ").join(map(sql.Literal, numbers)))
        for number, previous in fetch(using, statement):
            found[number, using] = previous
    return {key: found.get(key) for key in revisions}
