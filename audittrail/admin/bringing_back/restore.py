"""Restore an object to what it was: whole or in chosen fields, seen first and then done."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audittrail.admin.bringing_back import choices
from audittrail.admin.bringing_back.flow import Proposal
from audittrail.admin.bringing_back.previews import Preview
from audittrail.admin.display.names import Names
from audittrail.admin.display.object_text import name_in_sentence, name_of
from audittrail.admin.display.revisions import revision_context
from audittrail.admin.display.times import RevisionTime
from audittrail.admin.display.values import field_label
from audittrail.admin.layout.links import Link, history_url
from audittrail.admin.layout.responses import object_breadcrumbs
from audittrail.admin.lists.model_changes import appearing
from audittrail.admin.objects.lookup import Subject
from audittrail.admin.objects.revisions import NumberedVersion
from audittrail.admin.permissions import writes
from audittrail.admin.permissions.columns import ShownFields
from audittrail.admin.permissions.fields import hidden_fields
from audittrail.admin.permissions.lacks import Writing
from audittrail.diff.parts import tables_of
from audittrail.restore.plan import Plan
from audittrail.revisions.models import BaseRevision
from audittrail.timetravel.moment import resolve

#: The names of the fields of the form.
FIELDS = "fields"
RELATED = "related"
#: Says that the form had a choice of fields, so that none of them may be chosen.
CHOOSING = "choosing"

#: Fields that a message names; of more it names the object alone.
NAMED: Final = 5


class RestoreProposal(Proposal):
    """To restore an object as a revision left it."""

    page = "restore"
    #: What the admin's log says, with a place for the revision's number.
    logged: ClassVar[Any] = gettext_lazy("Restored as of revision %(number)s.")

    def __init__(
        self, subject: Subject, was: Any, revision: BaseRevision, found: NumberedVersion
    ) -> None:
        super().__init__(subject.model_admin, subject.reader)
        self.subject = subject
        self.model_admin = subject.model_admin
        self.revision = revision
        self.found = found
        # The revision before a deletion need not have changed anything that the user may see; then only the deletion is spoken of.
        self.told = revision if appearing(subject.reader, [revision]) else found.revision
        self.was = was
        self.live = None if subject.is_deleted else subject.obj
        self.then = resolve(revision)
        self.written_by = subject.model_admin
        self.with_related = bool(self.given.get(RELATED))
        self.chosen: set[str] | None = None
        if FIELDS in self.given or CHOOSING in self.given:
            self.chosen = set(self.given.getlist(FIELDS))
        self.refused_fields: set[str] = set()
        self.whole: Plan | None = None

    @property
    def options(self) -> str:
        """The chosen fields, and whether what they refer to is wanted as well."""
        fields = "*" if self.chosen is None else ",".join(sorted(self.chosen))
        return f"{fields};{self.with_related}"

    def plan(self) -> Plan:
        """Make the plan: of the whole object, and then of the chosen fields."""
        if self.live is None:
            self.chosen = None
            return self._plan(None)
        self.whole = self._plan(None)
        self.refused_fields = self._refused_fields(self.whole)
        self.chosen = self.offered if self.chosen is None else self.chosen - self.refused_fields
        if self.chosen is None or self.chosen >= {*self.choosable}:
            self.chosen = None
            return self.whole
        return self._plan(sorted(self.chosen))

    @property
    def offered(self) -> set[str] | None:
        """The fields that are chosen until somebody chooses: None for all that differ, where they may all be written."""
        return {*self.choosable} - self.refused_fields if self.refused_fields else None

    @property
    def choosable(self) -> list[str]:
        """The names of the fields that differ from what they were."""
        return [] if self.whole is None else choices.names_of(self.whole, self.model_admin.model)

    def context(self, shown: Preview, names: Names) -> dict[str, Any]:
        """Return the object, the revision, and what can be chosen."""
        name = name_of(self.live or self.was)
        shown_choices = []
        if self.whole is not None:
            shown_choices = choices.choices(
                self.model_admin,
                self.whole,
                self.chosen,
                self.refused_fields,
                names,
                self._shown_fields,
            )
        return {
            "title": _("Restore %(name)s") % {"name": name_in_sentence(self.live or self.was)},
            "breadcrumbs": [
                *object_breadcrumbs(
                    self.model_admin, self.was.pk, name, exists=self.live is not None
                ),
                Link(_("History"), history_url(self.model_admin, self.was.pk)),
            ],
            "breadcrumb": _("Restore"),
            "object": self.live or self.was,
            "then": name_of(self.was),
            "now": name,
            "is_deleted": self.live is None,
            "is_before_deletion": self.revision != self.found.revision,
            "is_followed": self.found.is_followed,
            **revision_context(self.reader, self.told),
            "choices": shown_choices,
            "nothing_chosen": CHOOSING in self.given
            and self.chosen is not None
            and not self.chosen,
            "with_related": self.with_related,
            "back_url": history_url(self.model_admin, self.was.pk),
        }

    def said(self, plan: Plan) -> str:
        """Say what was restored, and as of when."""
        said = {
            "name": name_in_sentence(self.live or self.was),
            "when": RevisionTime(self.told.committed_at).exact,
        }
        if fields := self.named_fields:
            said["fields"] = fields
            return _("Restored in “%(name)s” as of %(when)s: %(fields)s.") % said
        return _("“%(name)s” was restored as of %(when)s.") % said

    @property
    def named_fields(self) -> str:
        """The names of the fields that are restored, where they are few of those that an object has."""
        labels = [
            field_label(self.model_admin.opts.get_field(name), name)
            for name in self.choosable
            if (self.chosen is None or name in self.chosen)
            and name in self._shown_fields
            and name not in hidden_fields(self.model_admin)
        ]
        return ", ".join(labels) if 0 < len(labels) <= NAMED else ""

    def succeeded(self, plan: Plan) -> str:
        """Log the change as the admin does, and go on to the object's history."""
        present = self.model_admin.model._base_manager.using(self.reader.database)
        obj = present.filter(pk=self.was.pk).first()
        if obj is not None and not plan.is_empty:
            text = self.logged % {"number": self.told.pk}
            log = (
                self.model_admin.log_addition if self.live is None else self.model_admin.log_change
            )
            log(self.request, obj, text)
        return str(history_url(self.model_admin, self.was.pk))

    @property
    def _shown_fields(self) -> ShownFields:
        """The fields that may be spoken of, many-to-many ones included."""
        shown = self.subject.shown
        if shown.names is None:
            return shown
        relations = choices.relations(self.model_admin.model).values()
        names = {field.name: self.subject.shows(field) for field in relations}
        return ShownFields(
            frozenset(name for name in {*shown.names, *names} if names.get(name, True))
        )

    def _refused_fields(self, whole: Plan) -> set[str]:
        """Return the names of the fields that the user could not write in the object's form: they stay as they are."""
        relations = choices.relations(self.model_admin.model)
        found = set()
        for lack in writes.lacks(Writing(self.reader, whole), self.model_admin):
            if lack.table.model in relations:
                found.add(relations[lack.table.model].name)
            elif lack.table.model in tables_of(self.subject.model):
                fields = [one for reason in lack.reasons.values() for one in reason.fields]
                found.update(one.name for one in fields if hasattr(one, "name"))
        return found

    def _plan(self, fields: list[str] | None) -> Plan:
        past = self.subject.past(self.revision)
        plan: Plan = past.restore(fields, with_related=self.with_related, dry_run=True)
        return plan
