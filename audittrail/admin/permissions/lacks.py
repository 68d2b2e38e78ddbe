"""What a user may not do of a plan: rows, or fields of rows, that the admin's own form would not let them write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import models

from audittrail.admin.permissions.fields import is_excluded
from audittrail.admin.permissions.forms import (
    Fields,
    given_by_add_page,
    is_the_rows_own,
    takes,
)
from audittrail.admin.permissions.models import UNDELETE_COMPLETELY, has_permission, is_superuser
from audittrail.admin.permissions.readers import Reader
from audittrail.capture.tracking import concrete
from audittrail.restore.plan import Plan, RowPlan, TablePlan

#: The permission that each action on a row needs.
NEEDED: Final = {"I": "add", "U": "change", "D": "delete"}


@dataclass(frozen=True)
class Lack:
    """Rows of a table that the user may not write; or, if fields are named, may not write in these."""

    table: TablePlan
    fields: tuple[Any, ...] = ()
    #: Whether they could come back, if the user had the permission to undelete completely.
    is_completeness: bool = False


@dataclass(frozen=True, eq=False)
class Writing:
    """A plan that a user wants to carry out; collects which fields come back that the add page would not let them write."""

    reader: Reader
    plan: Plan
    completed: dict[str, tuple[TablePlan, dict[Any, None]]] = field(default_factory=dict)

    @property
    def is_unlimited(self) -> bool:
        """Whether the user may do everything, so that only hooks are asked."""
        return is_superuser(self.reader.request)

    def actions(self, model: type[models.Model]) -> Mapping[Any, str]:
        """Return what the plan does to the rows of a model, by their keys: those that it tells one by one."""
        return {
            row.pk: row.action
            for table in self.plan.tables
            if table.model is concrete(model)
            for row in table.rows
        }

    def lack_of_new(
        self, table: TablePlan, fields: Fields, rows: Sequence[RowPlan], given: Iterable[str] = ()
    ) -> Lack | None:
        """Return what keeps rows from being inserted that come back whole; takes what the form takes, and what it gives by itself.

        A field that the form does not take may have the value which it has in a row that the form makes. For any other the user needs
        the permission to undelete completely.
        """
        found: dict[Any, None] = {}
        for row in rows:
            known = {change.field or change.column: change for change in row.changes}
            for one, change in known.items():
                if isinstance(one, models.Field):
                    is_free = is_the_rows_own(one) or one.attname in given
                    if is_free or (not change.masked and takes(fields, one.name, change.new)):
                        continue
                    is_same = not change.masked and given_by_add_page(one, change.new)
                    if not is_same:
                        found[one] = None
                elif change.new is not None:
                    found[one] = None
            found |= dict.fromkeys(_given_up(table, fields, known))
        if not found:
            return None
        if has_permission(self.reader.request, UNDELETE_COMPLETELY):
            self.completed.setdefault(table.table, (table, {}))[1].update(found)
            return None
        return Lack(table, tuple(found), is_completeness=True)


def lack_of_updated(table: TablePlan, fields: Fields, rows: Iterable[RowPlan]) -> Lack | None:
    """Return which fields of updated rows a form does not take."""
    found: dict[Any, None] = {}
    for row in rows:
        for change in row.changes:
            one = change.field
            # A form takes a masked field as a whole: which value it has may not be said, so it is not asked about either.
            if one is None or not (
                one.name in fields if change.masked else takes(fields, one.name, change.new)
            ):
                found[one or change.column] = None
    return Lack(table, tuple(found)) if found else None


def joined(lacks: Iterable[Lack | None]) -> Lack | None:
    """Return all that is lacking as one: rows before fields, and all fields that are lacking."""
    found = [lack for lack in lacks if lack is not None]
    whole = [lack for lack in found if not lack.fields]
    if whole or not found:
        return whole[0] if whole else None
    fields = dict.fromkeys(one for lack in found for one in lack.fields)
    return Lack(found[0].table, tuple(fields), all(lack.is_completeness for lack in found))


def _given_up(table: TablePlan, fields: Fields, known: Mapping[Any, Any]) -> list[Any]:
    """Return the fields that history does not hold, and that a form would not let anybody leave empty: passwords, for example."""
    if table.model is None:
        return []
    return [
        one
        for one in table.model._meta.local_concrete_fields
        if one not in known
        and is_excluded(one)
        and one.name not in fields
        and not (one.blank or one.null or one.has_default())
    ]
