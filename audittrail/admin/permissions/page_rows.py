"""Rows that a ModelAdmin's own pages would have to write: each is one of its queryset, its hooks permit it, and its form takes the fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib.admin import ModelAdmin

from audittrail.admin.permissions.forms import (
    is_the_rows_own,
    page_fields,
    takes_all,
)
from audittrail.admin.permissions.lacks import (
    FORBIDDEN,
    MANY,
    NEEDED,
    Reason,
    Reasons,
    Writing,
    is_told,
    reasons_by_action,
    reasons_of_updated,
)
from audittrail.admin.permissions.models import (
    VisibleModel,
    depends_on_object,
    has_own_hook,
    may_add,
)
from audittrail.restore.plan import RowPlan, TablePlan


def reasons_of_page(writing: Writing, model_admin: ModelAdmin[Any], table: TablePlan) -> Reasons:
    """Return what keeps a user from writing rows as a ModelAdmin's pages do; they may be those that its model inherits."""

    def ask(action: str, rows: list[RowPlan]) -> Reasons | Reason:
        if not _has_permission(writing.reader.request, model_admin, action):
            return FORBIDDEN
        if writing.is_unlimited:
            return _reasons_of_hooks(writing, model_admin, table, action, rows)
        if not is_told(table, action) and not _writes_all_alike(
            writing, model_admin, table, action
        ):
            return MANY
        return _reasons_of_action(writing, model_admin, table, action, rows)

    return reasons_by_action(table, ask)


def present(
    writing: Writing, model_admin: ModelAdmin[Any], keys: Any, name: str = "pk"
) -> dict[Any, Any]:
    """Return the objects of some keys that a ModelAdmin's pages find, by their primary keys; takes the field whose values the keys are."""
    queryset: Any = model_admin.get_queryset(writing.reader.request)
    found = queryset.using(writing.reader.database).filter(**{f"{name}__in": [*keys]})
    return {obj.pk: obj for obj in found}


def _has_permission(request: Any, model_admin: ModelAdmin[Any], action: str) -> bool:
    """Return whether the user may do something to some rows at all; where a hook decides by object, it is asked of each."""
    if action == "I":
        return may_add(request, model_admin)
    name = f"has_{NEEDED[action]}_permission"
    return has_own_hook(model_admin, name) or bool(getattr(model_admin, name)(request))


def _reasons_of_hooks(
    writing: Writing,
    model_admin: ModelAdmin[Any],
    table: TablePlan,
    action: str,
    rows: Sequence[RowPlan],
) -> Reasons | Reason:
    """Ask hooks for single objects alone, of all rows that are there."""
    name = f"has_{NEEDED[action]}_permission"
    if action == "I" or not has_own_hook(model_admin, name):
        return {}
    if not is_told(table, action):
        return MANY
    objects = model_admin.model._base_manager.using(writing.reader.database)
    found = objects.in_bulk([row.pk for row in rows])
    return {
        (action, row.place): FORBIDDEN
        for row in rows
        if row.pk in found and not getattr(model_admin, name)(writing.reader.request, found[row.pk])
    }


def _writes_all_alike(
    writing: Writing, model_admin: ModelAdmin[Any], table: TablePlan, action: str
) -> bool:
    """Return whether any row may be written in any field, so that rows which the plan does not tell need not be asked about."""
    request = writing.reader.request
    visible = VisibleModel(model_admin.model, model_admin)
    if (
        writing.reader.is_guarded(visible)
        or depends_on_object(model_admin)
        or any(has_own_hook(model_admin, f"has_{name}_permission") for name in NEEDED.values())
    ):
        return False
    if action == "D":
        return True
    # What depends on no object is the same for all of them, and for a new one.
    taken = page_fields(request, model_admin, None if action == "I" else model_admin.model())
    fields = table.model._meta.local_concrete_fields if table.model else ()
    return all(is_the_rows_own(one) or takes_all(taken, one.name) for one in fields)


def _reasons_of_action(
    writing: Writing,
    model_admin: ModelAdmin[Any],
    table: TablePlan,
    action: str,
    rows: Sequence[RowPlan],
) -> Reasons:
    request = writing.reader.request
    keys = [row.pk for row in rows]
    if action == "I":
        visible = VisibleModel(model_admin.model, model_admin)
        seen = set(writing.reader.seen_keys(visible, keys))
        found = {(action, row.place): FORBIDDEN for row in rows if row.pk not in seen}
        new = [row for row in rows if row.pk in seen]
        return found | writing.reasons_of_new(table, page_fields(request, model_admin, None), new)
    there = present(writing, model_admin, keys)
    hook = getattr(model_admin, f"has_{NEEDED[action]}_permission")
    reasons: Reasons = {}
    fields: Any = None
    for row in rows:
        obj = there.get(row.pk)
        if obj is None or not hook(request, obj):
            reasons[action, row.place] = FORBIDDEN
        elif action == "U":
            if fields is None or depends_on_object(model_admin):
                fields = page_fields(request, model_admin, obj)
            reasons |= reasons_of_updated(fields, [row])
    return reasons
