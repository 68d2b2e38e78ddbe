"""What a user may not do of a plan, row by row and field by field, and why: what the admin's own pages would not let them write."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final, NamedTuple

from django.db import models

from audittrail.admin.permissions.fields import is_excluded
from audittrail.admin.permissions.forms import (
    Fields,
    given_by_add_page,
    is_the_rows_own,
    takes,
)
from audittrail.admin.permissions.models import UNDELETE_COMPLETELY, has_permission, is_superuser
from audittrail.admin.permissions.plan_rows import counts_of
from audittrail.admin.permissions.readers import Reader
from audittrail.capture.tracking import concrete
from audittrail.restore.plan import LeftAlone, Plan, RowPlan, TablePlan

#: The permission that each action on a row needs.
NEEDED: Final = {"I": "add", "U": "change", "D": "delete"}


class Why(Enum):
    """Why a user may not write a row, or some fields of it."""

    #: No page lets them do it with this row.
    FORBIDDEN = auto()
    #: The form of its page does not take the fields, or not these values; the others it takes.
    FIELDS = auto()
    #: It would come back with values of fields that the add page does not take.
    COMPLETENESS = auto()
    #: Another part of the same object can't come back, or go.
    PART = auto()
    #: The rows are more than a plan tells, and each would have to be asked about.
    MANY = auto()


class Reason(NamedTuple):
    """Why a row is left out, and the fields concerned, if it is because of fields."""

    why: Why
    fields: tuple[Any, ...] = ()


FORBIDDEN: Final = Reason(Why.FORBIDDEN)
MANY: Final = Reason(Why.MANY)

#: Reasons by the action and the place of a row; by the action and "" for all rows of it, those included that the plan does not tell.
Reasons = dict[tuple[str, str], Reason]


@dataclass(frozen=True)
class Lack:
    """The rows of a table that the user may not write, or not in all fields."""

    table: TablePlan
    reasons: Reasons

    def reason_of(self, row: RowPlan) -> Reason | None:
        """Return why the user may not write a row, None if they may."""
        return self.reasons.get((row.action, "")) or self.reasons.get((row.action, row.place))

    @property
    def rows(self) -> list[RowPlan]:
        """The rows that the plan tells."""
        return [row for row in self.table.rows if self.reason_of(row)]

    @property
    def left_out(self) -> LeftAlone:
        """What the plan has to leave out for the user to be able to carry out the rest."""
        oid = self.table.relation
        kept = {
            (oid, place, getattr(one, "column", one))
            for (_action, place), reason in self.reasons.items()
            if reason.why is Why.FIELDS
            for one in reason.fields
        }
        rest = [key for key, reason in self.reasons.items() if reason.why is not Why.FIELDS]
        return LeftAlone(
            frozenset((oid, place) for _action, place in rest if place),
            frozenset(kept),
            frozenset((oid, action) for action, place in rest if not place),
        )


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

    def reasons_of_new(
        self, table: TablePlan, fields: Fields, rows: Iterable[RowPlan], given: Iterable[str] = ()
    ) -> Reasons:
        """Return what keeps rows from being inserted that come back whole; takes what the form takes, and what it gives by itself.

        A field that the form does not take may have the value which it has in a row that the form makes. For any other the user needs
        the permission to undelete completely.
        """
        found = {row.place: _beyond_the_form(table, fields, row, given) for row in rows}
        if has_permission(self.reader.request, UNDELETE_COMPLETELY):
            for beyond in found.values():
                if beyond:
                    self.completed.setdefault(table.table, (table, {}))[1].update(beyond)
            return {}
        return {
            ("I", place): Reason(Why.COMPLETENESS, tuple(beyond))
            for place, beyond in found.items()
            if beyond
        }


def reasons_by_action(
    table: TablePlan, ask: Callable[[str, list[RowPlan]], Reasons | Reason]
) -> Reasons:
    """Return the reasons of a table, asked for each action with which the plan does something, and with the rows that it tells of it.

    A reason is one for all rows. If the plan tells some of them alone, and one of these lacks something, all of them are left out.
    """
    found: Reasons = {}
    for action, rows in by_action(table).items():
        asked = ask(action, rows)
        if asked and not isinstance(asked, dict):
            asked = {(action, ""): asked}
        elif asked and len(rows) < counts_of(table)[action]:
            asked = {(action, ""): next(iter(asked.values()))._replace(why=Why.MANY)}
        found |= asked
    return found


def by_action(table: TablePlan) -> dict[str, list[RowPlan]]:
    """Return the rows that a plan tells of a table, by each action with which it does something."""
    return {
        action: [row for row in table.rows if row.action == action]
        for action, number in counts_of(table).items()
        if number
    }


def is_told(table: TablePlan, action: str) -> bool:
    """Return whether a plan tells all rows with which it does something."""
    return len(by_action(table).get(action, ())) == counts_of(table)[action]


def reasons_of_updated(fields: Fields, rows: Iterable[RowPlan]) -> Reasons:
    """Return which fields of updated rows a form does not take."""
    found: Reasons = {}
    for row in rows:
        refused = tuple(
            change.field or change.column
            for change in row.changes
            if change.field is None or not _takes(fields, change)
        )
        if refused:
            found[row.action, row.place] = Reason(Why.FIELDS, refused)
    return found


def _takes(fields: Fields, change: Any) -> bool:
    # A form takes a masked field as a whole: which value it has may not be said, so it is not asked about either.
    name = change.field.name
    return name in fields if change.masked else takes(fields, name, change.new)


def _beyond_the_form(
    table: TablePlan, fields: Fields, row: RowPlan, given: Iterable[str]
) -> dict[Any, None]:
    """Return the fields of a row that comes back whole which its form would not let anybody write."""
    found: dict[Any, None] = {}
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
    return found | dict.fromkeys(_given_up(table, fields, known))


def _given_up(table: TablePlan, fields: Fields, known: Mapping[Any, Any]) -> Sequence[Any]:
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
