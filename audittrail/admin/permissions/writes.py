"""Who may carry out what of a plan: what its user could do, row by row and field by field, with the admin's own add, change and delete pages.

A model with a ModelAdmin is written as that does it, rows of a many-to-many field with the form of the object, others by the inline that
shows them. Whoever may do everything is asked by hooks alone, as the admin's own pages ask.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from django.contrib.admin import ModelAdmin
from django.db import models
from django.utils.text import get_text_list
from django.utils.translation import gettext as _

from audittrail.admin.permissions.belonging_rows import reasons_of_owners
from audittrail.admin.permissions.columns import shown_of_rows
from audittrail.admin.permissions.lacks import FORBIDDEN, MANY, Lack, Reasons, Why, Writing
from audittrail.admin.permissions.models import VisibleModel
from audittrail.admin.permissions.owners import Owner, owner_by_field
from audittrail.admin.permissions.page_rows import reasons_of_page
from audittrail.admin.permissions.parts import with_other_parts
from audittrail.admin.permissions.plan_rows import visible_rows
from audittrail.admin.permissions.readers import Reader
from audittrail.diff.parts import many_to_many_of, tables_of
from audittrail.restore.plan import TablePlan


def lacks(writing: Writing, page: ModelAdmin[Any] | None = None) -> list[Lack]:
    """Return what a user may not do of a plan; takes the ModelAdmin on whose pages it is to be carried out, if it is about its objects.

    An object of which a part can't come back, or go, is left alone as a whole. Rows that wait for conflicts are among it where the user
    does not see them: then they may not know of the conflicts either.
    """
    asked = [Lack(table, _reasons(writing, table, page)) for table in writing.plan.tables]
    found = [*with_other_parts(asked), *_unseen(writing, writing.plan.held)]
    return [lack for lack in found if lack.reasons]


def refusal(reader: Reader, found: Sequence[Lack]) -> str:
    """Return why the user may not carry out a plan, "" if nothing is lacking."""
    if not found:
        return ""
    listed = get_text_list(_told(reader, found), _("and"))
    reasons = [reason for lack in found for reason in lack.reasons.values()]
    if all(reason.why is Why.COMPLETENESS for reason in reasons):
        return _(
            "This would bring back values that you may not write when you add an object: %(models)s. Nothing was done; it "
            "needs the permission to undelete completely."
        ) % {"models": listed}
    return _(
        "This would write what you may not write: %(models)s. Nothing was done; somebody with more rights can do it."
    ) % {"models": listed}


def completed(writing: Writing) -> list[str]:
    """Return what would come back that the add page does not take, once `lacks` was asked: models, with the fields that the user sees."""
    return [
        _named(writing.reader, table, table.rows, [*fields])
        for table, fields in writing.completed.values()
        if table.model in writing.reader.visible
    ]


def appearing(reader: Reader, found: Iterable[Lack]) -> list[Lack]:
    """Return what is lacking of rows that appear to the user, with these rows alone."""
    appear = []
    for lack in found:
        # What stays as it is appears where it stands now, and not where it would be.
        now = [replace(row, changes=()) if row.action == "U" else row for row in lack.rows]
        seen = visible_rows(reader, replace(lack.table, rows=tuple(now)))
        names = {(row.action, row.place) for row in seen[2]} if seen else ()
        if rows := tuple(row for row in lack.rows if (row.action, row.place) in names):
            appear.append(replace(lack, table=replace(lack.table, rows=rows)))
    return appear


def _reasons(writing: Writing, table: TablePlan, page: ModelAdmin[Any] | None) -> Reasons:
    if page is not None and table.model in tables_of(page.model):
        return reasons_of_page(writing, page, table)
    if page is not None and table.model is not None and (owner := _as_field(page, table.model)):
        return reasons_of_owners(writing, VisibleModel(table.model, owners=(owner,)), table)
    visible = None if table.model is None else writing.reader.visible.get(table.model)
    if visible is None:
        is_unknown = table.model is None and writing.is_unlimited
        return {} if is_unknown else {(action, ""): FORBIDDEN for action in "IUD"}
    if visible.model_admin is not None:
        return reasons_of_page(writing, visible.model_admin, table)
    return reasons_of_owners(writing, visible, table)


def _unseen(writing: Writing, held: Iterable[TablePlan]) -> Iterator[Lack]:
    """Yield the rows that wait for conflicts and do not appear to the user."""
    for table in held:
        if table.model is None and writing.is_unlimited:
            continue
        found = visible_rows(writing.reader, table)
        if found is None or (not table.complete and writing.reader.is_guarded(found[0])):
            yield Lack(table, {("=", ""): MANY})
        else:
            seen = {row.place for row in found[2]}
            hidden = [row for row in table.rows if row.place not in seen]
            yield Lack(table, {(row.action, row.place): FORBIDDEN for row in hidden})


def _told(reader: Reader, found: Sequence[Lack]) -> list[str]:
    """Return the names of models with those of the fields that the user may see; models that they don't see are not named."""
    seen = [lack for lack in found if lack.table.model in reader.visible]
    rest = [_("rows of other models")] if len(seen) < len(found) else []
    return [*(_named_lack(reader, lack) for lack in seen), *rest]


def _named_lack(reader: Reader, lack: Lack) -> str:
    fields: dict[Any, None] = {}
    for reason in lack.reasons.values():
        if not reason.fields:
            return _named(reader, lack.table, (), ())
        fields |= dict.fromkeys(reason.fields)
    return _named(reader, lack.table, lack.rows, [*fields])


def _named(reader: Reader, table: TablePlan, rows: Iterable[Any], fields: Sequence[Any]) -> str:
    model: Any = table.model
    shown = shown_of_rows(reader, reader.visible[model], [row.pk for row in rows]).values()
    labels = labels_of(fields, shown)
    text = str(model._meta.verbose_name_plural)
    return f"{text} ({', '.join(labels)})" if labels else text


def labels_of(fields: Sequence[Any], shown: Iterable[Any]) -> list[str]:
    """Return what fields are called, those apart that are not shown of all of some rows, which are other fields."""
    kept = [*shown]
    found = [one for one in fields if all(getattr(one, "name", one) in names for names in kept)]
    labels = [str(getattr(one, "verbose_name", one)) for one in found]
    return labels if len(found) == len(fields) else [*labels, _("other fields")]


def _as_field(page: ModelAdmin[Any], model: type[models.Model]) -> Owner | None:
    """Return how a ModelAdmin writes the rows of a many-to-many field of its own objects."""
    for field in many_to_many_of(page.model):
        through: Any = field.remote_field.through
        if through is model and through._meta.auto_created:
            return owner_by_field(page, field)
    return None
