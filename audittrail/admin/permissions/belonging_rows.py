"""Rows that are written on the page of another object: by the inline that shows them, or as the many-to-many field of its form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from audittrail.admin.permissions import plan_rows
from audittrail.admin.permissions.forms import inline_fields, page_fields, takes
from audittrail.admin.permissions.lacks import NEEDED, Lack, Writing, joined, lack_of_updated
from audittrail.admin.permissions.models import VisibleModel, has_own_hook, may_add
from audittrail.admin.permissions.owners import Owner
from audittrail.admin.permissions.page_rows import present
from audittrail.admin.permissions.rows import attributes
from audittrail.restore.plan import RowPlan, TablePlan


class _Page(NamedTuple):
    """The page on which rows would be written: of an object, or of one that is to be inserted or deleted as well."""

    obj: Any = None
    is_deleted: bool = False


def lack_of_owners(writing: Writing, visible: VisibleModel, table: TablePlan) -> Lack | None:
    """Return what keeps a user from writing rows that have no ModelAdmin of their own; one page that would do it is enough."""
    lacks = [_lack_of_owner(writing, visible, owner, table) for owner in visible.owners]
    if not lacks or None in lacks:
        return None
    return next((lack for lack in lacks if lack is not None and lack.fields), lacks[0])


def _lack_of_owner(
    writing: Writing, visible: VisibleModel, owner: Owner, table: TablePlan
) -> Lack | None:
    if writing.is_unlimited:
        return _lack_of_hooks(writing, owner, table)
    if not table.complete:
        return Lack(table)
    rows = [row for row in table.rows if row.action != "U" or owner.inline is not None]
    if len(rows) < len(table.rows):
        return Lack(table)  # rows of a many-to-many field come and go; they never change
    if any(_moves(row, owner) for row in rows):
        return Lack(table)  # the page of an object neither takes rows from another nor gives it any
    shown = VisibleModel(visible.model, owners=(owner,))
    known = plan_rows.values(writing.reader, table, rows, attributes(shown))
    seen = writing.reader.seen(shown, known, lambda values, name: values.get(name))
    if len(seen) < len(rows):
        return Lack(table)
    by_parent: dict[Any, list[RowPlan]] = {}
    for row, values in zip(rows, known, strict=True):
        by_parent.setdefault(_parent(writing, owner, values), []).append(row)
    pages = _pages(writing, owner, by_parent)
    ask = _lack_of_members if owner.inline is None else _lack_of_inline
    return joined(
        ask(writing, owner, table, pages[parent], found) if parent in pages else Lack(table)
        for parent, found in by_parent.items()
    )


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


def _lack_of_members(
    writing: Writing, owner: Owner, table: TablePlan, page: _Page, rows: list[RowPlan]
) -> Lack | None:
    if page.is_deleted:
        return None  # they go with their object
    fields = page_fields(writing.reader.request, owner.model_admin, page.obj)
    if owner.field.name not in fields:
        return Lack(table, (owner.field,))
    target = owner.field.m2m_reverse_field_name()
    for row in rows:
        added = [c.new for c in row.changes if c.field is not None and c.field.name == target]
        if row.action == "I" and not all(takes(fields, owner.field.name, one) for one in added):
            return Lack(table, (owner.field,))
    return None


def _lack_of_inline(
    writing: Writing, owner: Owner, table: TablePlan, page: _Page, rows: list[RowPlan]
) -> Lack | None:
    request = writing.reader.request
    if page.is_deleted:
        # The page that deletes an object asks nothing about rows without a ModelAdmin that go with it.
        return None if all(row.action == "D" for row in rows) else Lack(table)
    inline = next(
        (
            one
            for one in owner.model_admin.get_inline_instances(request, page.obj)
            if type(one) is type(owner.inline)
        ),
        None,
    )
    actions = Counter(row.action for row in rows)
    if inline is None or not all(
        getattr(inline, f"has_{NEEDED[action]}_permission")(request, page.obj) for action in actions
    ):
        return Lack(table)
    queryset = inline.get_queryset(request).using(writing.reader.database)
    live = [row.pk for row in rows if row.action != "I"]
    found = {one.pk: one for one in queryset.filter(pk__in=live)} if live else {}
    if len(found) < len(live) or (actions["D"] and not inline.can_delete):
        return Lack(table)
    if actions["I"] and not _has_room(writing, owner, inline, page, actions):
        return Lack(table)
    lacks = [
        lack_of_updated(table, inline_fields(request, inline, page.obj, found[row.pk]), [row])
        for row in rows
        if row.action == "U"
    ]
    if new := [row for row in rows if row.action == "I"]:
        fields = inline_fields(request, inline, page.obj, None)
        lacks.append(writing.lack_of_new(table, fields, new, owner.names))
    return joined(lacks)


def _parent(writing: Writing, owner: Owner, values: Mapping[str, Any]) -> Any:
    """Return what names the object on whose page a row stands."""
    return owner.parent([values.get(name) for name in owner.names], writing.reader.database)


def _moves(row: RowPlan, owner: Owner) -> bool:
    """Return whether an updated row would be another object's than before."""
    return row.action == "U" and any(
        change.field is not None and change.field.attname in owner.names for change in row.changes
    )


def _has_room(
    writing: Writing, owner: Owner, inline: Any, page: _Page, actions: Counter[str]
) -> bool:
    most = inline.get_max_num(writing.reader.request, page.obj)
    if most is None:
        return True
    held = 0
    if page.obj is not None:
        rows = inline.model._base_manager.using(writing.reader.database)
        held = rows.filter(**owner.lookup(page.obj, writing.reader.database)).count()
    return bool(held + actions["I"] - actions["D"] <= most)


def _lack_of_hooks(writing: Writing, owner: Owner, table: TablePlan) -> Lack | None:
    """Ask hooks alone: those of the inline, and whether the objects may be changed; those that decide by object of each object, and of none for one that is not there."""
    request, model_admin = writing.reader.request, owner.model_admin
    asked = [(model_admin, "has_change_permission")]
    if owner.inline is not None:
        asked += [
            (owner.inline, f"has_{NEEDED[action]}_permission")
            for action, number in plan_rows.counts_of(table).items()
            if number
        ]
    own = [(one, name) for one, name in asked if has_own_hook(one, name)]
    if not all(getattr(one, name)(request, None) for one, name in asked if (one, name) not in own):
        return Lack(table)
    if not own:
        return None
    if not table.complete:
        return Lack(table)
    rows = plan_rows.values(writing.reader, table, table.rows, owner.names)
    keys = {_parent(writing, owner, values) for values in rows} - {None}
    objects = model_admin.model._base_manager.using(writing.reader.database)
    parents = [*objects.filter(**{f"{owner.target}__in": keys})]
    allowed = all(getattr(one, name)(request, obj) for obj in parents for one, name in own)
    if keys - {getattr(obj, owner.target) for obj in parents}:
        # Of an object that is yet to come back the page that adds it is asked: its inlines, by hooks that are given none.
        added = [(one, name) for one, name in own if one is owner.inline]
        allowed = allowed and all(getattr(one, name)(request, None) for one, name in added)
    return None if allowed else Lack(table)
