"""Where an entry of a timeline leads: the object as of then, comparisons, and what brings it back or undoes what was changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from django.http import HttpRequest
from django.utils.translation import gettext as _

from audittrail.admin.display.differences import Difference
from audittrail.admin.display.values import ShownValue
from audittrail.admin.history.entries import EntryBlock, ShownEntry
from audittrail.admin.layout.links import Link, object_url
from audittrail.admin.objects.lookup import Subject
from audittrail.admin.objects.sources import MEMBERS, OWN
from audittrail.diff.parts import many_to_many_of
from audittrail.revisions.versions import Operation

#: Letters of a value that a link names.
LETTERS: Final = 40

#: The name by which the pages that restore take fields.
FIELDS: Final = "fields"


class EntryLinks:
    """The links of the entries of one page; takes the field that the page is narrowed to, "" for all."""

    def __init__(self, subject: Subject, request: HttpRequest, field: str) -> None:
        self._subject = subject
        self._request = request
        self._field = field
        self._may_restore = subject.may_be_restored(request)
        parents = (subject.model, *subject.model._meta.all_parents)
        self._fields = {field.name for model in parents for field in model._meta.local_fields}
        self._members = {relation.name for relation in many_to_many_of(subject.model)}

    def added(self, entries: Sequence[ShownEntry], *, begins_now: bool) -> list[ShownEntry]:
        """Return entries with their links; takes whether the first is the newest of all.

        Those of a revision that isn't committed yet lead nowhere: no state is known that it left.
        """
        return [
            self._with_links(entry, begins_now and not position) if entry.is_committed else entry
            for position, entry in enumerate(entries)
        ]

    def _with_links(self, entry: ShownEntry, is_newest: bool) -> ShownEntry:
        number = entry.entry.number
        own = [one for block in entry.blocks for one in self._undoable(entry, block)]
        blocks = [self._block(entry, block, len(own) > 1) for block in entry.blocks]
        found = [*self._looking(entry, number, is_newest), *self._acting(entry, own, is_newest)]
        actions = [Link(label, url) for label, url in found if url is not None]
        return replace(entry, blocks=blocks, actions=actions)

    def _looking(
        self, entry: ShownEntry, number: int, is_newest: bool
    ) -> Iterator[tuple[str, str | None]]:
        text = _("View as it last was") if entry.is_deletion else _("View as it was")
        yield text, self._subject.url("audittrail_version", number)
        yield _("Compare with previous"), self._subject.url("audittrail_compare", to=number)
        if not is_newest:
            compared = {"from": number}
            yield _("Compare with now"), self._subject.url("audittrail_compare", **compared)

    def _acting(
        self, entry: ShownEntry, own: Sequence[tuple[str, Difference]], is_newest: bool
    ) -> Iterator[tuple[str, str | None]]:
        if not self._may_restore:
            return
        number = entry.entry.number
        chosen = [one for one in own if self._field in ("", one[0])]
        fields = [self._field] if self._field and chosen else None
        only = chosen[0][1] if len(chosen) == 1 else None
        if chosen and not self._subject.is_deleted:
            url = self._subject.url("audittrail_undo_change", number, **{FIELDS: fields})
            value = _short(only.old if only else None)
            text = _("Undo this change: back to %(value)s") if value else _("Undo this change")
            yield text % {"value": value}, url
        if not entry.is_deletion and (self._subject.is_deleted or not is_newest):
            fields = [self._field] if self._field else None
            url = self._subject.url("audittrail_restore", number, **{FIELDS: fields})
            value = _short(only.new if only and fields else None)
            text = _("Restore this state: %(value)s") if value else _("Restore this state")
            yield text % {"value": value}, url

    def _undoable(self, entry: ShownEntry, block: EntryBlock) -> Iterator[tuple[str, Difference]]:
        """Yield what a block changed of the object itself and can be put back, by the names of its fields."""
        if block.source is None or entry.made:
            return
        if block.source.kind == OWN and block.operation == Operation.UPDATE:
            for one in block.differences:
                if one.attribute in self._fields:
                    yield one.attribute, one
        elif block.source.kind == MEMBERS and block.source.name in self._members:
            for one in block.differences:
                yield block.source.name, one

    def _block(self, entry: ShownEntry, block: EntryBlock, are_several: bool) -> EntryBlock:
        """Return a block with the addresses that undo it; where the entry changed one field alone, its own is enough."""
        number = entry.entry.number
        if block.pk is not None and block.operation == Operation.UPDATE:
            assert block.source is not None and block.source.visible is not None
            model_admin: Any = block.source.visible.model_admin
            if model_admin is None or not model_admin.has_change_permission(self._request):
                return block
            url = object_url(model_admin, "audittrail_undo_change", block.pk, number)
            return replace(block, undo_url=url)
        if not are_several or not self._may_restore or self._subject.is_deleted:
            return block
        names = {id(one): name for name, one in self._undoable(entry, block)}
        urls = [
            self._subject.url("audittrail_undo_change", number, **{FIELDS: names[id(one)]})
            if id(one) in names
            else None
            for one in block.differences
        ]
        return replace(block, undo_urls=urls)


def _short(value: ShownValue | None) -> str:
    """Return the text of a value that a link can name, "" of one that is long or has several lines."""
    # A structure is written as text where it is shown, which takes long of a large one.
    if value is None or type(value.text) is not str:
        return ""
    text = ", ".join(one.text for one in value.labels) if value.labels else value.text
    if not text.strip() or "\n" in text or len(text) > LETTERS:
        return ""
    # Isolated, in Unicode's characters for that: the value may run in the other direction than the words.
    return f"\u2068{text}\u2069"
