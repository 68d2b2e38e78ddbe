"""A table that holds a part of what belongs to an object: its own rows, those that relate it to others, those that belong to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db import models

from audittrail.admin.permissions.columns import EVERYTHING, ShownFields
from audittrail.admin.permissions.models import VisibleModel
from audittrail.admin.permissions.owners import Owner
from audittrail.admin.permissions.readers import Reader
from audittrail.diff.changes import FieldChange
from audittrail.diff.parts import is_parent_link
from audittrail.revisions.versions import (
    VersionQuerySet,
    version_model,
    versions_of,
)

#: Kinds of sources: rows of the object itself, rows that relate it to others, rows that belong to it.
OWN: Final = "own"
MEMBERS: Final = "members"
RELATED: Final = "related"


#: Rows that are found by a foreign key and put in order afterwards; where there are more, the database puts them in order.
UNORDERED: Final = 2_000


@dataclass(frozen=True, eq=False)
class Source:
    """Versions of one table that belong to the timeline of an object: those that fulfil `condition`.

    `name` is that of the field or relation, by which filters know it. `member` is the field of a many-to-many table that
    holds the key of the other side.
    """

    kind: str
    name: str
    label: str
    model: type[models.Model]
    condition: Mapping[str, Any]
    #: The same by the attributes of the model itself.
    lookup: Mapping[str, Any]
    database: str
    visible: VisibleModel | None = None
    hidden: frozenset[str] = frozenset()
    #: The fields of its rows that the reader may see; of others it is told that something changed, not what.
    shown: ShownFields = EVERYTHING
    member: models.Field[Any, Any] | None = None
    #: The inline that shows its rows, and how it does.
    inline: Any = None
    owner: Owner | None = None
    #: Whether a large history table would have to be read whole to find them.
    is_out_of_reach: bool = False

    @property
    def versions(self) -> VersionQuerySet:
        """The versions, as a queryset."""
        return versions_of(self.model, self.database).filter(**self.condition)

    def is_noise(self, change: FieldChange) -> bool:
        """Return whether a change is not shown: hidden fields, keys that the database makes, the way back to the object."""
        found: Any = change.field
        if change.attribute in self.hidden or change.attribute not in self.shown:
            return True
        if found is None or change.masked:
            return False
        is_made = found.auto_created or isinstance(found, models.AutoField | models.UUIDField)
        if is_parent_link(found) or (found.primary_key and is_made):
            return True
        same = self.lookup.get(getattr(found, "attname", ""))
        return (
            self.kind == RELATED and same is not None and {change.old, change.new} <= {same, None}
        )

    def is_untold(self, change: FieldChange) -> bool:
        """Return whether it is told of a change that there was one, and not what."""
        return change.attribute not in self.hidden and change.attribute not in self.shown

    def seen(self, reader: Reader, rows: Any, *, versioned: bool = False) -> list[Any]:
        """Return those of its rows that the reader may see: by their own pages, and on the page of the object by the inline."""
        ask = reader.seen_versions if versioned else reader.seen
        found = [*rows] if self.visible is None else ask(self.visible, rows)
        if self.inline is None or self.owner is None:
            return found
        # The rows of a model of its own pages may be left out by this inline alone.
        return ask(VisibleModel(self.model, owners=(self.owner,)), found)

    @property
    def key_names(self) -> tuple[str, ...]:
        """The attributes of a version that are the key of its row."""
        names: tuple[str, ...] = version_model(self.model).key_names
        return names


def first(objects: Any, number: int) -> list[Any]:
    """Return the first objects of a queryset by key, so many at most.

    Asked for in order and cut off, the few rows that belong to an object tempt PostgreSQL to walk the keys of the whole table.
    """
    found = [*objects.order_by()[: UNORDERED + 1]]
    if len(found) > UNORDERED:
        return [*objects.order_by("pk")[:number]]
    return sorted(found, key=lambda obj: obj.pk)[:number]
