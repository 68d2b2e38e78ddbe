"""How rows of tracked tables refer to each other: by the foreign keys of the database, and by those of models without one there.

A model may refer by several columns (`ForeignObject`), to another column than the key (`to_field`), or without a constraint.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models.fields.related import ForeignObject

from audittrail.restore import constraints
from audittrail.restore.catalog import LiveTable, table_of
from audittrail.restore.staging import Staging


@dataclass(frozen=True)
class RowReference:
    """A way in which rows of a table refer to those of another: by which columns to which."""

    table: LiveTable
    columns: tuple[str, ...]
    target: LiveTable
    target_columns: tuple[str, ...]


def from_tables(staging: Staging, tables: Iterable[LiveTable]) -> list[RowReference]:
    """Return how some tables refer to tracked ones."""
    wanted = {table.relation for table in tables}
    return [found for found in _all(staging, wanted) if found.table.relation in wanted]


def to_tables(staging: Staging, targets: Iterable[LiveTable]) -> list[RowReference]:
    """Return how tracked tables refer to some."""
    wanted = {table.relation for table in targets}
    return [found for found in _all(staging, wanted) if found.target.relation in wanted]


def _all(staging: Staging, relations: Iterable[int]) -> Iterable[RowReference]:
    """Return the references of the database that concern some tables, and all those of models; each once."""
    found: dict[tuple[int, tuple[str, ...], int], RowReference] = {}
    for key in constraints.load(staging.cursor, relations).foreign_keys:
        table, target = staging.tables.get(key.relation), staging.tables.get(key.target)
        if table is not None and target is not None:
            found[table.relation, key.columns, target.relation] = RowReference(
                table, key.columns, target, key.target_columns
            )
    for table in staging.tables.values():
        for reference in _of_model(staging, table):
            key_of = (table.relation, reference.columns, reference.target.relation)
            found.setdefault(key_of, reference)
    return found.values()


def _of_model(staging: Staging, table: LiveTable) -> Iterator[RowReference]:
    if table.model is None:
        return
    for field in table.model._meta.local_fields:
        if not isinstance(field, ForeignObject):
            continue
        pairs: Any = field.related_fields
        # What it refers to may be inherited: then it is in another table than the model's own.
        target = table_of(staging.tables.values(), pairs[0][1].model)
        if target is None:
            continue
        columns = tuple(ours.column for ours, _ in pairs)
        target_columns = tuple(theirs.column for _, theirs in pairs)
        if {column.name for column in target.columns}.issuperset(target_columns):
            yield RowReference(table, columns, target, target_columns)
