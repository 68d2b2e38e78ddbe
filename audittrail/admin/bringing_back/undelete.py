"""Undelete objects, with or without what was deleted along with them: seen first, and then done."""

from __future__ import annotations

from typing import Any, Final

from django.contrib.admin import ModelAdmin
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from audittrail.admin.bringing_back.flow import Proposal
from audittrail.admin.bringing_back.previews import Preview
from audittrail.admin.display.names import Names
from audittrail.admin.display.object_text import name_in_sentence, name_of
from audittrail.admin.layout.keys import key_text, read_keys
from audittrail.admin.layout.links import Link, history_url, model_url
from audittrail.admin.layout.responses import model_breadcrumbs
from audittrail.admin.permissions.models import VisibleModel
from audittrail.admin.permissions.readers import Reader
from audittrail.admin.permissions.rows import deleted_objects
from audittrail.restore.plan import Plan

#: The names of the fields of the form.
KEYS = "pk"
CASCADE = "cascade"
RELATED = "related"
SKIP = "skip"

#: Objects that are undeleted at once, at most: a page of the list, several times over.
MOST: Final = 500


class UndeleteProposal(Proposal):
    """To undelete the chosen objects of a model."""

    page = "undelete"

    def __init__(self, model_admin: ModelAdmin[Any], reader: Reader) -> None:
        super().__init__(model_admin, reader)
        self.model_admin = model_admin
        self.written_by = model_admin
        self.with_cascade = bool(self.given.get(CASCADE))
        self.with_related = bool(self.given.get(RELATED))
        if self.given.get(SKIP):
            self.on_conflict = "skip"
        self.chosen = read_keys(model_admin.model, self.given.getlist(KEYS)[:MOST])
        deleted = deleted_objects(model_admin.model, reader.database)
        found = [*deleted.filter(pk__in=self.chosen)] if self.chosen else []
        self.objects = reader.seen(VisibleModel(model_admin.model, model_admin), found)

    @property
    def options(self) -> str:
        """What is wanted with the objects."""
        return f"{self.with_cascade};{self.with_related};{self.on_conflict}"

    def plan(self) -> Plan:
        """Make the plan."""
        deleted = deleted_objects(self.model_admin.model, self.reader.database)
        plan: Plan = deleted.filter(pk__in=[obj.pk for obj in self.objects]).undelete(
            with_cascade=self.with_cascade,
            with_related=self.with_related,
            dry_run=True,
            on_conflict=self.on_conflict,
        )
        return plan

    def context(self, shown: Preview, names: Names) -> dict[str, Any]:
        """Return the objects and the options."""
        opts = self.model_admin.opts
        if len(self.objects) == 1:
            title = _("Undelete %(name)s") % {"name": name_in_sentence(self.objects[0])}
        else:
            title = _("Undelete %(models)s") % {"models": opts.verbose_name_plural}
        list_url = model_url(self.model_admin, "audittrail_deleted")
        return {
            "title": title,
            "breadcrumbs": [
                *model_breadcrumbs(self.model_admin),
                Link(_("Deleted objects"), list_url),
            ],
            "breadcrumb": _("Undelete"),
            "objects": [
                Link(name_of(obj), history_url(self.model_admin, obj.pk), key_text(obj.pk))
                for obj in self.objects
            ],
            "missing": len(self.chosen) - len(self.objects),
            "with_cascade": self.with_cascade,
            "with_related": self.with_related,
            "leaves_out": self.on_conflict == "skip",
            "back_url": list_url,
        }

    def said(self, plan: Plan) -> str:
        """Say what was undeleted."""
        if len(self.objects) == 1:
            return _("“%(name)s” was undeleted.") % {"name": name_in_sentence(self.objects[0])}
        opts = self.model_admin.opts
        inserted = {table.model: table.inserted for table in plan.tables}
        number = inserted.get(opts.concrete_model, 0)
        return ngettext(
            "%(number)d %(objects)s was undeleted.",
            "%(number)d %(objects)s were undeleted.",
            number,
        ) % {
            "number": number,
            "objects": opts.verbose_name if number == 1 else opts.verbose_name_plural,
        }

    def succeeded(self, plan: Plan) -> str:
        """Log the objects as added, as the admin does, and go on to the history of a single one, or to the list."""
        keys = [obj.pk for obj in self.objects]
        back = self.model_admin.model._base_manager.using(self.reader.database).filter(pk__in=keys)
        text = _("Undeleted.")
        for obj in back:
            self.model_admin.log_addition(self.request, obj, text)
        if len(keys) == 1:
            return str(history_url(self.model_admin, keys[0]))
        return str(model_url(self.model_admin, "audittrail_deleted"))
