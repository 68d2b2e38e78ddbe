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
from audittrail.admin.permissions.lacks import NEEDED, Lack, Writing, joined, lack_of_updated
from audittrail.admin.permissions.models import (
    VisibleModel,
    depends_on_object,
    has_own_hook,
    may_add,
)
from audittrail.admin.permissions.plan_rows import counts_of
from audittrail.restore.plan import RowPlan, TablePlan


def lack_of_page(writing: Writing, model_admin: ModelAdmin[Any], table: TablePlan) -> Lack | None:
    """Return what keeps a user from writing rows as a ModelAdmin's pages do; they may be those that its model inherits."""
    request = writing.reader.request
    actions = [action for action, number in counts_of(table).items() if number]
    if not all(_has_permission(request, model_admin, action) for action in actions):
        return Lack(table)
    if writing.is_unlimited:
        return _lack_of_hooks(writing, model_admin, table, actions)
    if not table.complete and not _writes_all_alike(writing, model_admin, table):
        return Lack(table)
    rows = {action: [row for row in table.rows if row.action == action] for action in actions}
    return joined(
        _lack_of_action(writing, model_admin, table, action, found)
        for action, found in rows.items()
    )


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


def _lack_of_hooks(
    writing: Writing, model_admin: ModelAdmin[Any], table: TablePlan, actions: Sequence[str]
) -> Lack | None:
    """Ask hooks for single objects alone, of all rows that are there."""
    database = writing.reader.database
    for action in actions:
        name = f"has_{NEEDED[action]}_permission"
        if action == "I" or not has_own_hook(model_admin, name):
            continue
        keys = [row.pk for row in table.rows if row.action == action]
        found = model_admin.model._base_manager.using(database).filter(pk__in=keys)
        if not table.complete or not all(
            getattr(model_admin, name)(writing.reader.request, obj) for obj in found
        ):
            return Lack(table)
    return None


def _writes_all_alike(writing: Writing, model_admin: ModelAdmin[Any], table: TablePlan) -> bool:
    """Return whether any row may be written in any field, so that rows which the plan does not tell need not be asked about."""
    request = writing.reader.request
    visible = VisibleModel(model_admin.model, model_admin)
    if (
        writing.reader.is_guarded(visible)
        or depends_on_object(model_admin)
        or any(has_own_hook(model_admin, f"has_{name}_permission") for name in NEEDED.values())
    ):
        return False
    if not table.inserted and not table.updated:
        return True
    # What depends on no object is the same for all of them, and for a new one.
    taken = page_fields(request, model_admin, None if table.inserted else model_admin.model())
    fields = table.model._meta.local_concrete_fields if table.model else ()
    return all(is_the_rows_own(one) or takes_all(taken, one.name) for one in fields)


def _lack_of_action(
    writing: Writing,
    model_admin: ModelAdmin[Any],
    table: TablePlan,
    action: str,
    rows: Sequence[RowPlan],
) -> Lack | None:
    request = writing.reader.request
    keys = [row.pk for row in rows]
    if action == "I":
        visible = VisibleModel(model_admin.model, model_admin)
        if table.complete and len(writing.reader.seen_keys(visible, keys)) < len(keys):
            return Lack(table)
        return writing.lack_of_new(table, page_fields(request, model_admin, None), rows)
    found = present(writing, model_admin, keys)
    hook = getattr(model_admin, f"has_{NEEDED[action]}_permission")
    if not all(key in found and hook(request, found[key]) for key in keys):
        return Lack(table)
    if action == "D":
        return None
    fields: Any = None
    lacks = []
    for key, row in zip(keys, rows, strict=True):
        if fields is None or depends_on_object(model_admin):
            fields = page_fields(request, model_admin, found[key])
        lacks.append(lack_of_updated(table, fields, [row]))
    return joined(lacks)
