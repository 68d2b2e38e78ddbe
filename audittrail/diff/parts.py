"""What an object consists of: rows of its own table and of those that its model inherits from, and many-to-many relations."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.db import models

from audittrail.capture import tracking
from audittrail.diff.columns import RowColumn, columns_of
from audittrail.exceptions import UnknownFieldError
from audittrail.revisions.versions import version_model, version_name


@dataclass(frozen=True, eq=False)
class ObjectPart:
    """A table that holds a part of an object: the model's own, or one that it inherits from."""

    model: type[models.Model]
    #: The part whose field `link` holds the key of this one; None for the model's own table.
    child: ObjectPart | None = None
    link: Any = None

    @property
    def version_model(self) -> Any:
        """The version model of the table; raises `NotTrackedError`."""
        return version_model(self.model)

    @property
    def columns(self) -> tuple[RowColumn, ...]:
        """The columns by which its rows are compared."""
        return columns_of(self.model)


@dataclass(frozen=True, eq=False)
class Relation:
    """A many-to-many field, and the table of its rows: auto-created or a model's own.

    `part` is where the field is defined; the rows' column `source` holds its field `key`.
    """

    field: Any
    part: ObjectPart
    key: models.Field[Any, Any]
    through: type[models.Model]
    source: models.Field[Any, Any]
    target: models.Field[Any, Any]

    @property
    def masked(self) -> bool:
        """Whether it is not to be shown which objects are related."""
        return not {self.source.name, self.target.name}.isdisjoint(
            tracking.options_of(self.through).mask
        )

    def column(self, field: models.Field[Any, Any]) -> Any:
        """Return the field of the versions of its table that holds a field of it."""
        return version_model(self.through)._meta.get_field(version_name(field.attname))


def is_parent_link(field: Any) -> bool:
    """Return whether a field leads to the row that an object inherits from, which is a part of the object itself."""
    return bool(getattr(getattr(field, "remote_field", None), "parent_link", False))


@cache
def _parts(model: Any) -> tuple[ObjectPart, ...]:
    parts = [ObjectPart(model)]
    for part in parts:  # which grows meanwhile
        for parent, link in part.model._meta.parents.items():
            if link is None or link.model is not part.model:
                continue  # inherited itself, or the parent of a proxy
            parent = tracking.concrete(parent)
            if all(parent is not known.model for known in parts):
                parts.append(ObjectPart(parent, part, link))
    return tuple(parts)


def parts_of(model: type[models.Model]) -> tuple[ObjectPart, ...]:
    """Return the parts that the objects of a model consist of: its own table first, each other one after that which links to it."""
    return _parts(tracking.concrete(model))


def many_to_many_of(model: type[models.Model]) -> list[models.ManyToManyField[Any, Any]]:
    """Return the many-to-many fields of a model, the inherited ones included.

    Managers of other packages that pass for one, such as django-taggit's, have no table with two foreign keys: they are left out.
    """
    fields: list[Any] = list(model._meta.many_to_many)
    return [field for field in fields if isinstance(field, models.ManyToManyField)]


def relations_of(
    model: type[models.Model], names: frozenset[str] | None = None
) -> tuple[Relation, ...]:
    """Return the many-to-many fields of a model, inherited ones included, whose tables are tracked with the columns that count.

    Takes the names to look at; None for all.
    """
    relations = []
    for field in many_to_many_of(tracking.concrete(model)):
        through: Any = field.remote_field.through
        if not tracking.is_tracked(through) or (names is not None and field.name not in names):
            continue
        source = through._meta.get_field(field.m2m_field_name())
        target = through._meta.get_field(field.m2m_reverse_field_name())
        if {source.name, target.name}.isdisjoint(tracking.options_of(through).exclude):
            key = source.target_field
            part = _part_with(model, key)
            if part is not None:
                relations.append(
                    Relation(field, part, key, tracking.concrete(through), source, target)
                )
    return tuple(relations)


def _part_with(model: type[models.Model], key: Any) -> ObjectPart | None:
    """Return the part whose own table has a field; None if it isn't stored."""
    for part in parts_of(model):
        if any(column.field is key for column in part.columns):
            return part
    return None


def tables_of(
    model: type[models.Model], relations: Iterable[Relation] = ()
) -> list[type[models.Model]]:
    """Return the models of the tables that hold the objects themselves, then those of their many-to-many relations."""
    found = [part.model for part in parts_of(model)]
    return [*found, *(relation.through for relation in relations)]


def chosen_fields(model: type[models.Model], names: Iterable[str] | None) -> frozenset[str] | None:
    """Return the names of the fields to look at; None stands for all of them.

    Raises `UnknownFieldError` for a name that is no field of the model, or whose past is not recorded.
    """
    if names is None:
        return None
    given = frozenset([names] if isinstance(names, str) else names)
    known = {column.field.name for part in parts_of(model) for column in part.columns}
    known |= {relation.field.name for relation in relations_of(model)}
    if unknown := given - known:
        raise UnknownFieldError(
            f"{model._meta.label} has no field {min(unknown)!r} in its history, which knows {', '.join(sorted(known))}. Excluded "
            "columns are never stored."
        )
    return given
