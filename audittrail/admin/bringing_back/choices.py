"""What can be chosen of an object that is to be restored: the fields that differ from what they were, many-to-many ones included."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.contrib.admin import ModelAdmin
from django.db import models

from audittrail.admin.bringing_back.preview_rows import badges, column_difference
from audittrail.admin.display.differences import Difference
from audittrail.admin.display.names import Names
from audittrail.admin.display.operations import Badge
from audittrail.admin.display.values import ShownValue, field_label
from audittrail.admin.permissions.columns import ShownFields
from audittrail.admin.permissions.fields import hidden_fields
from audittrail.admin.permissions.plan_rows import counts_of
from audittrail.diff.parts import many_to_many_of, tables_of
from audittrail.restore.plan import Plan, TablePlan


@dataclass(frozen=True)
class FieldChoice:
    """A field that can be restored: what it is now and was then, or how many related rows come and go."""

    name: str
    label: str
    is_chosen: bool
    old: ShownValue | None = None
    new: ShownValue | None = None
    is_masked: bool = False
    badges: tuple[Badge, ...] = ()
    #: Whether the user may not write it, or its rows.
    is_refused: bool = False
    #: What differs between both values, where that tells more than they do.
    difference: Difference | None = None


def relations(model: type[models.Model]) -> dict[type[models.Model], Any]:
    """Return the many-to-many fields of a model by the models of their tables, the inherited ones included."""
    own = tables_of(model)
    fields: list[Any] = [field for field in many_to_many_of(model) if field.model in own]
    return {field.remote_field.through: field for field in fields}


def names_of(plan: Plan, model: type[models.Model]) -> list[str]:
    """Return the names of the fields that a plan of a whole object changes."""
    found = []
    for table in plan.tables:
        if table.model in relations(model):
            found.append(relations(model)[table.model].name)
        elif table.model in tables_of(model):
            found += [
                change.field.name
                for row in table.rows
                for change in row.changes
                if change.field is not None
            ]
    return found


def choices(
    model_admin: ModelAdmin[Any],
    plan: Plan,
    chosen: Collection[str] | None,
    refused: Collection[str],
    names: Names,
    shown: ShownFields,
) -> list[FieldChoice]:
    """Return what can be chosen of what a plan of the whole object changes; takes the fields that are chosen, None for all.

    Takes also the names of the fields that the user may not write, and those that they may see.
    """
    model = model_admin.model
    hidden = hidden_fields(model_admin)
    found: list[FieldChoice] = []
    for table in plan.tables:
        if table.model in relations(model):
            relation = relations(model)[table.model]
            is_chosen = chosen is None or relation.name in chosen
            found.append(_relation_choice(relation, table, is_chosen, relation.name in refused))
        elif table.model in tables_of(model):
            found += _column_choices(table, chosen, refused, names)
    return [choice for choice in found if choice.name not in hidden and choice.name in shown]


def _relation_choice(
    relation: Any, table: TablePlan, is_chosen: bool, is_refused: bool
) -> FieldChoice:
    label = field_label(relation, relation.name)
    return FieldChoice(
        relation.name,
        label,
        is_chosen and not is_refused,
        badges=badges(counts_of(table)),
        is_refused=is_refused,
    )


def _column_choices(
    table: TablePlan, chosen: Collection[str] | None, refused: Collection[str], names: Names
) -> list[FieldChoice]:
    changes = [change for row in table.rows for change in row.changes if change.field is not None]
    for change in changes:
        names.want_change(change, None, names.then)
    found = [(change, column_difference(change, names)) for change in changes]
    return [
        FieldChoice(
            change.field.name,
            difference.label,
            (chosen is None or change.field.name in chosen) and change.field.name not in refused,
            difference.old,
            difference.new,
            change.masked,
            is_refused=change.field.name in refused,
            difference=difference if difference.is_detailed else None,
        )
        for change, difference in found
        if change.field is not None
    ]
