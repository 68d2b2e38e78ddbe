"""Who may carry out a plan: what its user could do, row by row and field by field, with the admin's own add, change and delete pages.

A model with a ModelAdmin is written as that does it, rows of a many-to-many field with the form of the object, others by the inline that
shows them. Whoever may do everything is asked by hooks alone, as the admin's own pages ask.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib.admin import ModelAdmin
from django.db import models
from django.utils.text import get_text_list
from django.utils.translation import gettext as _

from audittrail.admin.permissions.belonging_rows import lack_of_owners
from audittrail.admin.permissions.columns import shown_of_rows
from audittrail.admin.permissions.lacks import Lack, Writing
from audittrail.admin.permissions.models import VisibleModel
from audittrail.admin.permissions.owners import Owner, owner_by_field
from audittrail.admin.permissions.page_rows import lack_of_page
from audittrail.admin.permissions.readers import Reader
from audittrail.diff.parts import many_to_many_of, tables_of
from audittrail.restore.plan import TablePlan


def lacks(writing: Writing, page: ModelAdmin[Any] | None = None) -> list[Lack]:
    """Return what a user may not do of a plan; takes the ModelAdmin on whose pages it is to be carried out, if it is about its objects."""
    found = (_lack(writing, table, page) for table in writing.plan.tables)
    return [lack for lack in found if lack is not None]


def refusal(writing: Writing, page: ModelAdmin[Any] | None = None) -> str:
    """Return why the user may not carry out a plan, "" if they may; see `lacks`."""
    found = lacks(writing, page)
    if not found:
        return ""
    texts = _told(writing.reader, found)
    listed = get_text_list(texts, _("and"))
    if all(lack.is_completeness for lack in found):
        return _(
            "This would bring back values that you may not write when you add an object: %(models)s. Nothing was done; it "
            "needs the permission to undelete completely."
        ) % {"models": listed}
    return _(
        "This would write what you may not write: %(models)s. Nothing was done; somebody with more rights can do it."
    ) % {"models": listed}


def completed(writing: Writing) -> list[str]:
    """Return what would come back that the add page does not take, once `lacks` was asked: models, with the fields that the user sees."""
    found = [Lack(table, tuple(fields)) for table, fields in writing.completed.values()]
    return _told(writing.reader, found)


def _lack(writing: Writing, table: TablePlan, page: ModelAdmin[Any] | None) -> Lack | None:
    if page is not None and table.model in tables_of(page.model):
        return lack_of_page(writing, page, table)
    if page is not None and table.model is not None and (owner := _as_field(page, table.model)):
        return lack_of_owners(writing, VisibleModel(table.model, owners=(owner,)), table)
    visible = None if table.model is None else writing.reader.visible.get(table.model)
    if visible is None:
        is_unknown = table.model is None and writing.is_unlimited
        return None if is_unknown else Lack(table)
    if visible.model_admin is not None:
        return lack_of_page(writing, visible.model_admin, table)
    return lack_of_owners(writing, visible, table)


def _told(reader: Reader, lacks: Sequence[Lack]) -> list[str]:
    """Return the names of models with those of the fields that the user may see; models that they don't see are not named."""
    seen = [
        lack
        for lack in lacks
        if lack.table.model is not None and lack.table.model in reader.visible
    ]
    rest = [_("rows of other models")] if len(seen) < len(lacks) else []
    return [*(_named(reader, lack) for lack in seen), *rest]


def _named(reader: Reader, lack: Lack) -> str:
    model: Any = lack.table.model
    keys = [row.pk for row in lack.table.rows]
    shown = shown_of_rows(reader, reader.visible[model], keys).values()
    fields = [
        one for one in lack.fields if all(getattr(one, "name", one) in names for names in shown)
    ]
    labels = [str(getattr(one, "verbose_name", one)) for one in fields]
    if len(fields) < len(lack.fields):
        labels.append(_("other fields"))
    text = str(model._meta.verbose_name_plural)
    return f"{text} ({', '.join(labels)})" if labels else text


def _as_field(page: ModelAdmin[Any], model: type[models.Model]) -> Owner | None:
    """Return how a ModelAdmin writes the rows of a many-to-many field of its own objects."""
    for field in many_to_many_of(page.model):
        through: Any = field.remote_field.through
        if through is model and through._meta.auto_created:
            return owner_by_field(page, field)
    return None
