"""Who may carry out a plan: asked of the ModelAdmins of everything that it writes, row by row where they have hooks for that.

What is inserted needs the permission to add, what is updated to change, what is deleted to delete. Rows without a ModelAdmin of
their own go with the one that shows them: as inlines by the inline's permissions, as a many-to-many field by that to change.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from django.contrib.admin import ModelAdmin
from django.db import models
from django.utils.text import get_text_list
from django.utils.translation import gettext as _

from audittrail.admin.permissions import plan_rows
from audittrail.admin.permissions.models import VisibleModel, has_own_hook, is_superuser
from audittrail.admin.permissions.readers import Reader
from audittrail.restore.plan import Plan, RowPlan, TablePlan

#: The permission that each action on a row needs.
NEEDED = {"I": "add", "U": "change", "D": "delete"}


def refused(
    reader: Reader, plan: Plan, granted: Collection[type[models.Model]] = ()
) -> list[TablePlan]:
    """Return the tables of a plan that the user may not write as it says.

    Takes the models for which permission was asked already, with the object that the plan is about.
    """
    return [
        table
        for table in plan.tables
        if table.model not in granted and not _may_write(reader, table)
    ]


def refusal(reader: Reader, plan: Plan, granted: Collection[type[models.Model]] = ()) -> str:
    """Return why the user may not carry out a plan, "" if they may; see `refused`."""
    tables = refused(reader, plan, granted)
    if not tables:
        return ""
    named = [
        str(table.model._meta.verbose_name_plural)
        for table in tables
        if table.model is not None and table.model in reader.visible
    ]
    if len(named) < len(tables):
        named.append(_("rows of other models"))
    return _(
        "This would write what you may not write: %(models)s. Nothing was done; somebody with more rights can do it."
    ) % {"models": get_text_list(named, _("and"))}


def _may_write(reader: Reader, table: TablePlan) -> bool:
    visible = None if table.model is None else reader.visible.get(table.model)
    if visible is None:
        return table.model is None and is_superuser(reader.request)
    actions = [action for action, number in plan_rows.counts_of(table).items() if number]
    if visible.model_admin is not None:
        return all(
            _allowed(reader, visible.model_admin, action)
            and _allowed_rows(reader, visible, table, action)
            for action in actions
        )
    if not visible.owners:
        return True  # it appears to superusers alone
    return all(
        any(_owner_allows(reader, visible, owner, action) for owner, _attribute in visible.owners)
        and _allowed_rows(reader, visible, table, action)
        for action in actions
    )


def _allowed(reader: Reader, model_admin: ModelAdmin[Any], action: str) -> bool:
    return bool(getattr(model_admin, f"has_{NEEDED[action]}_permission")(reader.request))


def _owner_allows(
    reader: Reader, visible: VisibleModel, owner: ModelAdmin[Any], action: str
) -> bool:
    if visible.model._meta.auto_created:
        return bool(owner.has_change_permission(reader.request))
    name = f"has_{NEEDED[action]}_permission"
    return any(
        getattr(inline, name)(reader.request, None)
        for inline in owner.get_inline_instances(reader.request)
        if inline.opts.concrete_model is visible.model
    )


def _allowed_rows(reader: Reader, visible: VisibleModel, table: TablePlan, action: str) -> bool:
    """Return whether hooks for single objects permit all rows; of more rows than a plan tells, they can't be asked."""
    if visible.model_admin is not None:
        needed = NEEDED[action]
        askers = [] if action == "I" else [(visible.model_admin, "pk")]
    else:
        needed = "change"  # of the object whose page shows the rows
        askers = list(visible.owners)
    hooked = [asker for asker in askers if has_own_hook(asker[0], f"has_{needed}_permission")]
    if not hooked:
        return True
    if not table.complete:
        return False
    rows = [row for row in table.rows if row.action == action]
    values = plan_rows.values(reader, table, rows, [attribute for _owner, attribute in hooked])
    return all(
        _may_each(
            reader,
            owner,
            needed,
            {*(row.get(attribute) for row in values), *_left_by(rows, attribute)} - {None},
        )
        for owner, attribute in hooked
    )


def _left_by(rows: Sequence[RowPlan], attribute: str) -> list[Any]:
    """Return the keys of the objects to which updated rows belong now, where they are to belong to others."""
    return [
        change.old
        for row in rows
        for change in row.changes
        if change.field is not None and change.field.attname == attribute
    ]


def _may_each(
    reader: Reader, model_admin: ModelAdmin[Any], needed: str, wanted: Collection[Any]
) -> bool:
    present = model_admin.model._base_manager.using(reader.database).filter(pk__in=[*wanted])
    hook = getattr(model_admin, f"has_{needed}_permission")
    return all(hook(reader.request, obj) for obj in present)
