"""Undo what one revision changed of an object: the fields that it changed get back what was in them before."""

from __future__ import annotations

from typing import Any, ClassVar

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audittrail.admin.bringing_back.previews import Preview
from audittrail.admin.bringing_back.restore import RestoreProposal
from audittrail.admin.display.names import Names
from audittrail.admin.display.object_text import name_in_sentence
from audittrail.admin.display.revisions import revision_context
from audittrail.admin.display.times import RevisionTime
from audittrail.admin.objects.lookup import Subject
from audittrail.admin.objects.revisions import NumberedVersion
from audittrail.diff import questions
from audittrail.restore.plan import Plan
from audittrail.revisions.models import BaseRevision


class UndoChangeProposal(RestoreProposal):
    """To restore an object as it was before a revision, in the fields that the revision changed."""

    page = "undo_change"
    logged: ClassVar[Any] = gettext_lazy("Undid what revision %(number)s had changed.")

    def __init__(
        self, subject: Subject, was: Any, earlier: BaseRevision, found: NumberedVersion
    ) -> None:
        super().__init__(subject, was, earlier, found)
        self.told = found.revision

    @property
    def offered(self) -> set[str]:
        """The fields that the revision changed; others that differ from before it can be chosen as well."""
        found: Any = questions.compare(
            self.model_admin.model,
            self.revision,
            self.found.revision,
            self.reader.database,
            pk=self.was.pk,
        )
        changed = {change.attribute for change in found.changes}
        return changed & {*self.choosable} - self.refused_fields

    def context(self, shown: Preview, names: Names) -> dict[str, Any]:
        """Return the same as for restoring, with the change that is undone."""
        title = _("Undo a change of %(name)s") % {
            "name": name_in_sentence(self.live or self.was),
        }
        return {
            **super().context(shown, names),
            **revision_context(self.reader, self.told),
            "title": title,
            "breadcrumb": _("Undo this change"),
        }

    def said(self, plan: Plan) -> str:
        """Say what was undone."""
        said = {
            "name": name_in_sentence(self.live or self.was),
            "when": RevisionTime(self.told.committed_at).exact,
        }
        if fields := self.named_fields:
            said["fields"] = fields
            return _("Undone in “%(name)s”, back to what was before %(when)s: %(fields)s.") % said
        return _("“%(name)s” was restored as it was before %(when)s.") % said
