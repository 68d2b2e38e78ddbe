"""Rows that are written on the page of another object: by the inline that shows them, or as the many-to-many field of its form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from audittrail.admin.permissions import plan_rows
from audittrail.admin.permissions.forms import inline_fields, page_fields, takes
from audittrail.admin.permissions.lacks import (
    FORBIDDEN,
    MANY,
    NEEDED,
    Reason,
    Reasons,
    Why,
    Writing,
    is_told,
    reasons_by_action,
    reasons_of_updated,
)
from audittrail.admin.permissions.models import VisibleModel, has_own_hook, may_add
from audittrail.admin.permissions.owners import Owner
from audittrail.admin.permissions.page_rows import present
from audittrail.admin.permissions.rows import attributes
from audittrail.restore.plan import RowPlan, TablePlan


class _Page(NamedTuple):
    """The page on which rows would be written: of an object, or of one that is to be inserted or deleted as well."""

    obj: Any = None
    is_deleted: bool = False


def reasons_of_owners(writing: Writing, visible: VisibleModel, table: TablePlan) -> Reasons:
    """Return what keeps a user from writing rows that have no ModelAdmin of their own; one page that would do it is enough."""
    asked = [_reasons_of_owner(writing, visible, owner, table) for owner in visible.owners]
    if not asked or not all(asked):
        return {}
    found: Reasons = {}
    for key in {key for reasons in asked for key in reasons}:
        action, _place = key
        known = [reasons.get(key) or reasons.get((action, "")) for reasons in asked]
        lacking = [reason for reason in known if reason is not None]
        if len(lacking) == len(asked):
            # What takes some of it counts more than what takes nothing.
            found[key] = next((one for one in lacking if one.why is Why.FIELDS), lacking[0])
    return found


def _reasons_of_owner(
    writing: Writing, visible: VisibleModel, owner: Owner, table: TablePlan
) -> Reasons:
    def ask(action: str, rows: list[RowPlan]) -> Reasons | Reason:
        if writing.is_unlimited:
            return _reasons_of_hooks(writing, owner, table, action, rows)
        if action == "U" and owner.inline is None:
            return FORBIDDEN  # rows of a many-to-many field come and go; they never change
        if not is_told(table, action):
            return MANY
        return _reasons_of_rows(writing, visible, owner, table, action, rows)

    return reasons_by_action(table, ask)


def _reasons_of_rows(
    writing: Writing,
    visible: VisibleModel,
    owner: Owner,
    table: TablePlan,
    action: str,
    rows: list[RowPlan],
) -> Reasons:
    shown = VisibleModel(visible.model, owners=(owner,))
    known = plan_rows.values(writing.reader, table, rows, attributes(shown))
    pairs = [*zip(rows, known, strict=True)]
    seen = writing.reader.seen(shown, pairs, lambda pair, name: pair[1].get(name))
    found: Reasons = {(action, row.place): FORBIDDEN for row in rows}
    by_parent: dict[Any, list[RowPlan]] = {}
    for row, values in seen:
        # The page of an object neither takes rows from another nor gives it any.
        if not _moves(row, owner):
            by_parent.setdefault(_parent(writing, owner, values), []).append(row)
    pages = _pages(writing, owner, by_parent)
    ask = _reasons_of_members if owner.inline is None else _reasons_of_inline
    for parent, own in by_parent.items():
        if parent in pages:
            for row in own:
                del found[action, row.place]
            found |= ask(writing, owner, table, pages[parent], action, own)
    return found


def _pages(writing: Writing, owner: Owner, parents: Any) -> dict[Any, _Page]:
    """Return the pages of the objects of some keys that the user may use."""
    request, model_admin = writing.reader.request, owner.model_admin
    planned = writing.actions(model_admin.model)
    found: dict[Any, _Page] = {}
    for obj in present(writing, model_admin, set(parents) - {None}, owner.target).values():
        key = getattr(obj, owner.target)
        if planned.get(obj.pk) == "D":
            found[key] = _Page(obj, is_deleted=True)
        elif model_admin.has_change_permission(request, obj):
            found[key] = _Page(obj)
    for key in parents if owner.target == "pk" else ():
        if planned.get(key) == "I" and may_add(request, model_admin):
            found[key] = _Page()
    return found


def _reasons_of_members(
    writing: Writing,
    owner: Owner,
    table: TablePlan,
    page: _Page,
    action: str,
    rows: list[RowPlan],
) -> Reasons:
    if page.is_deleted:
        return {}  # they go with their object
    fields = page_fields(writing.reader.request, owner.model_admin, page.obj)
    target = owner.field.m2m_reverse_field_name()

    def takes_row(row: RowPlan) -> bool:
        added = [c.new for c in row.changes if c.field is not None and c.field.name == target]
        return owner.field.name in fields and (
            action == "D" or all(takes(fields, owner.field.name, one) for one in added)
        )

    return {(action, row.place): FORBIDDEN for row in rows if not takes_row(row)}


def _reasons_of_inline(
    writing: Writing,
    owner: Owner,
    table: TablePlan,
    page: _Page,
    action: str,
    rows: list[RowPlan],
) -> Reasons:
    request = writing.reader.request
    all_of_them: Reasons = {(action, row.place): FORBIDDEN for row in rows}
    if page.is_deleted:
        # The page that deletes an object asks nothing about rows without a ModelAdmin that go with it.
        return {} if action == "D" else all_of_them
    inline = next(
        (
            one
            for one in owner.model_admin.get_inline_instances(request, page.obj)
            if type(one) is type(owner.inline)
        ),
        None,
    )
    if inline is None or not getattr(inline, f"has_{NEEDED[action]}_permission")(request, page.obj):
        return all_of_them
    if action == "I":
        if not _has_room(writing, owner, inline, page, table, len(rows)):
            return all_of_them
        fields = inline_fields(request, inline, page.obj, None)
        return writing.reasons_of_new(table, fields, rows, owner.names)
    if action == "D" and not inline.can_delete:
        return all_of_them
    queryset = inline.get_queryset(request).using(writing.reader.database)
    there = {one.pk: one for one in queryset.filter(pk__in=[row.pk for row in rows])}
    reasons: Reasons = {}
    for row in rows:
        if row.pk not in there:
            reasons[action, row.place] = FORBIDDEN
        elif action == "U":
            taken = inline_fields(request, inline, page.obj, there[row.pk])
            reasons |= reasons_of_updated(taken, [row])
    return reasons


def _parent(writing: Writing, owner: Owner, values: Mapping[str, Any]) -> Any:
    """Return what names the object on whose page a row stands."""
    return owner.parent([values.get(name) for name in owner.names], writing.reader.database)


def _moves(row: RowPlan, owner: Owner) -> bool:
    """Return whether an updated row would be another object's than before."""
    return row.action == "U" and any(
        change.field is not None and change.field.attname in owner.names for change in row.changes
    )


def _has_room(
    writing: Writing, owner: Owner, inline: Any, page: _Page, table: TablePlan, added: int
) -> bool:
    """Return whether an inline has room for so many rows more, once those are gone that the plan deletes."""
    most = inline.get_max_num(writing.reader.request, page.obj)
    if most is None:
        return True
    held = 0
    if page.obj is not None:
        rows = inline.model._base_manager.using(writing.reader.database)
        own = rows.filter(**owner.lookup(page.obj, writing.reader.database))
        going = [row.pk for row in table.rows if row.action == "D"]
        held = own.exclude(pk__in=going).count()
    return bool(held + added <= most)


def _reasons_of_hooks(
    writing: Writing, owner: Owner, table: TablePlan, action: str, rows: list[RowPlan]
) -> Reasons | Reason:
    """Ask hooks alone: that of the inline, and whether the object may be changed; those that decide by object of each object, and of none for one that is not there."""
    request, model_admin = writing.reader.request, owner.model_admin
    asked = [(model_admin, "has_change_permission")]
    if owner.inline is not None:
        asked.append((owner.inline, f"has_{NEEDED[action]}_permission"))
    own = [(one, name) for one, name in asked if has_own_hook(one, name)]
    if not all(getattr(one, name)(request, None) for one, name in asked if (one, name) not in own):
        return FORBIDDEN
    if not own:
        return {}
    if not is_told(table, action):
        return MANY
    known = plan_rows.values(writing.reader, table, rows, owner.names)
    parents = [_parent(writing, owner, values) for values in known]
    objects = model_admin.model._base_manager.using(writing.reader.database)
    found = objects.filter(**{f"{owner.target}__in": [*({*parents} - {None})]})
    there = {getattr(obj, owner.target): obj for obj in found}
    # Of an object that is yet to come back the page that adds it is asked: its inlines, by hooks that are given none.
    added = [(one, name) for one, name in own if one is owner.inline]
    reasons: Reasons = {}
    for row, parent in zip(rows, parents, strict=True):
        hooks = own if parent in there else added if parent is not None else []
        if not all(getattr(one, name)(request, there.get(parent)) for one, name in hooks):
            reasons[action, row.place] = FORBIDDEN
    return reasons
