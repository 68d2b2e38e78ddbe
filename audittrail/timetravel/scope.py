"""Scopes: which rows of a model's table a query sees instead of those of the moment, and how SQL names them.

A query of changed or deleted rows reads them from a table that is not there: its name says which rows are wanted, and the
connection puts the query for them in front of the statement. Everything else in the statement is as of the moment.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from django.db import models
from django.db.models.sql.constants import INNER

from audittrail.capture import tracking
from audittrail.capture.tables import SCHEMA_TRICK

CHANGED: Final = "changed"
DELETED: Final = "deleted"
LAST: Final = "last"

_NAME = re.compile(r"audittrail_(?:(changed)_(-?\d+)|(deleted|last))_(.+)", re.DOTALL)


@dataclass(frozen=True)
class Scope:
    """The rows of the model's own table that a revision changed, that are deleted, or as they last were.

    With `follows`, what foreign keys lead to is read as it last was too: it may have been deleted along with the rows.
    """

    kind: str
    revision: int = 0
    follows: bool = False

    def table(self, name: str) -> str:
        """Return the name, without a schema, of the table that stands for these rows of a table."""
        number = f"{self.revision}_" if self.kind == CHANGED else ""
        if name.startswith('"') and name.endswith('"'):
            name = name[1:-1]  # quoted by hand
        return f"audittrail_{self.kind}_{number}{name.replace(SCHEMA_TRICK, '.')}"


def parse(name: str) -> tuple[Scope, str] | None:
    """Return scope and table that a name in a statement stands for, or None for any other name."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    return Scope(found[1] or found[3], int(found[2] or 0)), found[4]


def narrow(scope: Scope, query: Any, join: Any) -> None:
    """Let a join of a query read the rows of a scope, if it is its first table, or a parent of that.

    What a model inherits from other tables is read as it last was: with a deleted row its parents are gone as well.
    """
    if join.join_type is None:
        if not query.alias_map and parse(join.table_name) is None:
            join.table_name = scope.table(join.table_name)
    elif (join.join_type == INNER and _is_parent(query, join)) or (
        scope.follows and _leads_to_one(join)
    ):
        join.table_name = Scope(LAST).table(join.table_name)


def _leads_to_one(join: Any) -> bool:
    """Return whether a join is by a foreign key to what it refers to, in a tracked table."""
    field = join.join_field
    if not (isinstance(field, models.ForeignKey) and isinstance(field.remote_field.model, type)):
        return False
    target = tracking.concrete(field.remote_field.model)
    return join.table_name == target._meta.db_table and tracking.is_tracked(target)


def _is_parent(query: Any, join: Any) -> bool:
    field = join.join_field
    if parse(join.table_name) is not None or not getattr(
        getattr(field, "remote_field", None), "parent_link", False
    ):
        return False
    child = query.alias_map.get(join.parent_alias)
    return (
        child is not None
        and parse(child.table_name) is not None
        and join.table_name == field.remote_field.model._meta.db_table
    )
