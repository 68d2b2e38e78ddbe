"""Objects as they were at given ticks, put together from the row images of their parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import models
from django.db.backends.postgresql.psycopg_any import sql
from django.db.models.fields.files import FieldFile

from audittrail.capture.tracking import concrete
from audittrail.diff.changes import FieldChange
from audittrail.diff.columns import RowColumn
from audittrail.diff.images import RowImage, changes_between, is_gone
from audittrail.diff.loading import Images
from audittrail.diff.parts import ObjectPart, parts_of
from audittrail.diff.statements import (
    Fragment,
    fetch,
    history_table,
    key_fields,
    live_rows,
    rows_of_keys,
    same_key,
)
from audittrail.diff.tracked import TrackingPeriod
from audittrail.revisions.models import BaseRevision
from audittrail.revisions.versions import version_name
from audittrail.timetravel.moment import Moment

Key = tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class ObjectState:
    """An object as of a tick: the images of its parts, in the order of `parts_of`."""

    images: tuple[RowImage | None, ...]

    def instance(self, model: type[models.Model], moment: Moment) -> models.Model:
        """Return the state as an object of the past, see `past_object`."""
        versions = {
            part.model: None if image is None else image.row
            for part, image in zip(parts_of(model), self.images, strict=True)
        }
        return past_object(model, versions, moment)


def past_object(
    model: type[models.Model],
    versions: Mapping[type[models.Model], models.Model | None],
    moment: Moment,
) -> models.Model:
    """Return an object of the past from versions of its tables, by their models; None for a table without a row of it.

    Its relations lead to other objects of the same moment. Columns that history doesn't hold are None; those of a table that is
    not among the given ones are read when they are asked for.
    """
    names, values = [], []
    for field in model._meta.concrete_fields:
        owner = concrete(field.model)
        if owner not in versions:
            continue
        version = versions[owner]
        value = None if version is None else version.__dict__.get(version_name(field.attname))
        names.append(field.attname)
        # A version that was looked at may have an object in place of a file's name.
        values.append(value.name if isinstance(value, FieldFile) else value)
    return model.from_db(moment.alias, names, values)


Columns = tuple[tuple[RowColumn, ...], ...]


def columns_of_parts(model: type[models.Model]) -> Columns:
    """Return the columns of each part of the objects of a model, in the order of `parts_of`."""
    return tuple(part.columns for part in parts_of(model))


def changes_of_state(
    columns: Columns,
    old: ObjectState | None,
    new: ObjectState | None,
    revision: BaseRevision | None = None,
) -> tuple[FieldChange, ...]:
    """Return the changes of an object's own fields and inherited ones from one state to another; None if it is not there."""
    changes: list[FieldChange] = []
    # Inherited fields come first, as in the model itself.
    for position in reversed(range(len(columns))):
        before = None if old is None else old.images[position]
        after = None if new is None else new.images[position]
        changes += changes_between(columns[position], before, after, revision)
    return tuple(changes)


def states_at(
    model: type[models.Model],
    using: str,
    wanted: Sequence[tuple[Key, int]],
    tables: dict[type[models.Model], TrackingPeriod],
    *,
    dropped: bool = False,
) -> list[ObjectState | None]:
    """Return the states of objects of a model at ticks, None where there was no such object.

    Takes pairs of key and tick, what the database knows of the tables of the model's parts, and whether columns that no field has
    any more are wanted. Sends one query for each part.
    """
    images: dict[ObjectPart, list[RowImage | None]] = {}
    for part in parts_of(model):
        table = tables[part.model]
        if part.child is None:
            images[part] = images_at(part, using, wanted, table, dropped)
            continue
        link = version_name(part.link.attname)
        present = [
            (position, (getattr(image.row, link), wanted[position][1]))
            for position, image in enumerate(images[part.child])
            if image is not None
        ]
        found = images_at(
            part, using, [((value,), tick) for _, (value, tick) in present], table, dropped
        )
        images[part] = [None] * len(wanted)
        for (position, _), image in zip(present, found, strict=True):
            images[part][position] = image
    states = zip(*images.values(), strict=True)
    return [None if state[0] is None else ObjectState(state) for state in states]


_IMAGES: Final = """
    SELECT w.position, {columns}
      FROM {rows}
     CROSS JOIN LATERAL (
           (SELECT {stored} {dropped} FROM {history} h LEFT JOIN audittrail.revision r ON r.id = h.revision_id
             WHERE {same_row} AND h.version <= w.audittrail_tick AND h.version >= {since}
               AND (r.id IS NULL OR r.committed <= w.audittrail_tick)
             ORDER BY h.version DESC LIMIT 1)
           {live}) p
"""


def images_at(
    part: ObjectPart,
    using: str,
    wanted: Sequence[tuple[Key, int]],
    table: TrackingPeriod,
    dropped: bool = False,
) -> list[RowImage | None]:
    """Return the images of rows of a part at ticks, None for those that were not there.

    A version counts from the commit of its revision on; one whose revision has been erased is as old as itself.
    """
    found: list[RowImage | None] = [None] * len(wanted)
    if not wanted:
        return found
    model = part.version_model
    images = Images(model, using, "p", dropped=dropped)
    statement = sql.SQL(_IMAGES).format(
        columns=images.columns(),
        rows=rows_of_keys(model, using, [key for key, _ in wanted], [tick for _, tick in wanted]),
        stored=images.stored("h"),
        dropped=images.dropped("h"),
        history=history_table(model),
        same_row=same_key(model, "h", "w"),
        since=sql.Literal(table.since_version),
        live=_live(model, images, table, dropped),
    )
    for position, *values in fetch(using, statement):
        image = images.image(values)
        if image is not None and not is_gone(image.row):  # type: ignore[arg-type]
            found[position] = image
    return found


def _live(model: Any, images: Images, table: TrackingPeriod, dropped: bool) -> Fragment:
    """Return the arm for rows without a version: while a baseline is incomplete, they are as they were when tracking began."""
    if table.baseline_complete:
        return sql.SQL("")
    return sql.SQL(
        "UNION ALL SELECT {columns} {dropped} FROM {live} WHERE audittrail.shows_untold({number}) AND {same_row} AND NOT EXISTS ("
        "SELECT FROM {history} h WHERE {versions} AND h.version >= {since})"
    ).format(
        columns=images.stored("b"),
        dropped=sql.SQL(", NULL::jsonb" if dropped else ""),
        live=live_rows(model, "b", table.since_version),
        number=sql.Literal(table.id),
        same_row=same_key(model, "b", "w"),
        history=history_table(model),
        versions=same_key(model, "h", "w"),
        since=sql.Literal(table.since_version),
    )


def key_of(model: type[models.Model], pk: Any) -> Key:
    """Return a primary key as a tuple of the values of its fields.

    Raises `ValueError` for what can't be a key of the model.
    """
    fields = key_fields(parts_of(model)[0].version_model)
    values = pk if len(fields) > 1 else (pk,)
    if isinstance(values, tuple | list) and len(values) == len(fields) and None not in values:
        try:
            return tuple(
                field.get_prep_value(value) for field, value in zip(fields, values, strict=True)
            )
        except (TypeError, ValueError, ValidationError):
            pass
    names = ", ".join(field.name for field in concrete(model)._meta.pk_fields)
    raise ValueError(
        f"{pk!r} can't be a primary key of {model._meta.label}, which consists of {names}."
    )


def pk_of(key: Sequence[Any]) -> Any:
    """Return a key as objects have it, in `pk`: a tuple only if it has several columns."""
    return key[0] if len(key) == 1 else tuple(key)


def operation_of(old: object, new: object, changes: Sequence[FieldChange]) -> str:
    """Return what became of an object between two states, None for none: "I", "U" or "D", or "" if it stayed as it was."""
    if old is None or new is None:
        return "D" if old is not None else "I" if new is not None else ""
    return "U" if changes else ""
