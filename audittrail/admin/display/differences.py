"""Show what changed: added and removed told by sign, border and `<ins>`/`<del>`, by words in texts, by lines in JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from audittrail.admin.display.coarse import CoarseParts
from audittrail.admin.display.excerpts import ADDED, REMOVED, SAME, shortened
from audittrail.admin.display.names import Names
from audittrail.admin.display.slight_changes import compared, folded
from audittrail.admin.display.values import (
    ObjectLabel,
    ShownValue,
    field_label,
    linked,
    masked,
    shown,
    shown_labels,
)
from audittrail.admin.permissions.fields import is_masked
from audittrail.diff.changes import FieldChange
from audittrail.diff.images import GONE
from audittrail.diff.text import Kind, TextPart
from audittrail.revisions.versions import Operation

#: The ticks as of which what was and what is are named.
Ticks = tuple[int, int]


@dataclass(frozen=True)
class Difference:
    """How one attribute changed: its old and new value, None on a side on which there was no object.

    `parts` tell of texts and structures what has changed in them; `members` are the objects of a many-to-many field, each with
    what became of it.
    """

    attribute: str
    label: str
    old: ShownValue | None = None
    new: ShownValue | None = None
    parts: Sequence[TextPart] = ()
    members: Sequence[tuple[Kind, ObjectLabel]] = ()
    is_masked: bool = False
    #: Whether there are more members than these.
    is_more: bool = False
    #: What changed and hardly shows; without parts it is all that did.
    note: str = ""

    def __html__(self) -> SafeString:
        """Return the change in one line, where it is not long."""
        if self.is_masked:
            return masked_note()
        if self.members:
            return _joined(_member(kind, label) for kind, label in self.members if kind != SAME)
        if self.parts:
            return self._parts(SAME, REMOVED, ADDED)
        if self.note:
            return folded(self.note, self._values)
        if self.old is None:
            return format_html("{}", self.new)
        if self.new is None:
            return format_html("<del>{}</del>", self.old)
        return self._values

    __str__ = __html__

    @property
    def is_detailed(self) -> bool:
        """Whether it tells more than both values one after the other."""
        return bool(self.parts or self.note)

    @property
    def whole(self) -> SafeString:
        """Both values as a whole, to be unfolded: what the parts leave out."""
        if not self.parts or self.old is None or self.new is None:
            return mark_safe("")
        sides = ((_("Before"), self.old), (_("After"), self.new))
        content = format_html_join(
            "",
            '<div class="audittrail-quiet">{} {}</div>{}',
            ((label, value.size, value.unfolded) for label, value in sides),
        )
        return folded(_("All of it"), content)

    @property
    def _values(self) -> SafeString:
        return format_html(
            '<del>{}</del> <span class="audittrail-arrow" aria-hidden="true"></span>'
            '<span class="visually-hidden">{}</span> <ins>{}</ins>',
            self.old,
            _("became"),
            self.new,
        )

    @property
    def before(self) -> SafeString:
        """The side of what was, as HTML."""
        return self._side(self.old, REMOVED)

    @property
    def after(self) -> SafeString:
        """The side of what is, as HTML."""
        return self._side(self.new, ADDED)

    def _side(self, value: ShownValue | None, kind: Kind) -> SafeString:
        if self.is_masked:
            return masked_note() if kind == ADDED else format_html("{}", masked())
        if self.members:
            found = [one for one in self.members if one[0] in (SAME, kind)]
            return (
                _joined(_member(*one) for one in found)
                if found
                else format_html("{}", shown_labels(()))
            )
        if self.parts:
            return self._parts(SAME, kind)
        if value is None:
            return format_html('<span class="audittrail-nothing">{}</span>', _("not there"))
        if self.note:
            return folded(self.note, format_html("{}", value))
        if self.old is None or self.new is None:
            return format_html("{}", value)
        return format_html("<ins>{}</ins>" if kind == ADDED else "<del>{}</del>", value)

    def _parts(self, *kinds: Kind) -> SafeString:
        text = _text(shortened(self.parts), *kinds)
        notes = [self.note] if self.note else []
        if isinstance(self.parts, CoarseParts):
            notes.append(
                _("too large to be compared exactly; parts of what is marked may be the same")
            )
        told = format_html_join(
            "", '<div class="audittrail-quiet">{}</div>', ((note,) for note in notes)
        )
        return format_html("{}{}", told, text)


def difference(
    change: FieldChange, names: Names, ticks: Ticks, *, existed: bool = True, exists: bool = True
) -> Difference:
    """Return how a change is shown; takes on which of its sides there was an object."""
    label = field_label(change.field, change.attribute)
    if change.masked:
        return Difference(change.attribute, label, is_masked=True)
    if change.added or change.removed:
        same = [key for key in change.new or () if key not in change.added]
        return of_members(change.field, label, change.added, change.removed, names, ticks, same)
    old = shown_of(change.field, change.old, names, ticks[0]) if existed else None
    new = shown_of(change.field, change.new, names, ticks[1]) if exists else None
    has_labels = (old is not None and old.is_label) or (new is not None and new.is_label)
    if has_labels or old is None or new is None:
        return Difference(change.attribute, label, old, new)
    parts, note = compared(change.old, change.new, names.room)
    return Difference(change.attribute, label, old, new, parts, note=note)


def untold(is_any: bool) -> list[Difference]:
    """Return what tells that something else changed, which the reader may not see; nothing if nothing did."""
    return [Difference("", capfirst(_("other fields")), is_masked=True)] if is_any else []


def version_difference(
    change: FieldChange, names: Names, ticks: Ticks, operation: str
) -> Difference:
    """Return how a change that a version made is shown; takes its operation."""
    is_update, is_gone = operation == Operation.UPDATE, operation in GONE
    return difference(change, names, ticks, existed=is_update or is_gone, exists=not is_gone)


def of_members(
    field: Any,
    label: str,
    added: Iterable[Any],
    removed: Iterable[Any],
    names: Names,
    ticks: Ticks,
    same: Iterable[Any] = (),
    *,
    is_more: bool = False,
) -> Difference:
    """Return how a change of a many-to-many field is shown; takes the field whose values are the keys of its objects."""
    members: list[tuple[Kind, ObjectLabel]] = []
    for kind, keys, tick in (
        (SAME, same, ticks[1]),
        (REMOVED, removed, ticks[0]),
        (ADDED, added, ticks[1]),
    ):
        # Sorted by name, since the rows that one statement wrote have no order of their own.
        found = sorted((names.label(field, key, tick) for key in keys), key=lambda one: one.text)
        members += [(kind, label) for label in found]
    return Difference(field.name, label, members=members, is_more=is_more)


def shown_of(field: Any, value: Any, names: Names, tick: int) -> ShownValue:
    """Return how a value is shown, related objects as they were called at a tick; that of a masked field is not."""
    if field is not None and is_masked(field):
        return masked()
    if isinstance(value, tuple) and getattr(field, "many_to_many", False):
        return shown_labels([names.label(field, key, tick) for key in value])
    is_key = value is not None and getattr(field, "remote_field", None) is not None
    return shown(field, value, names.label(field, value, tick) if is_key else None)


def masked_note() -> SafeString:
    """Return what tells that a masked field has changed."""
    return format_html(
        '{} <span class="audittrail-quiet">{}</span>',
        masked(),
        _("changed; what it holds is not shown"),
    )


def _text(parts: Iterable[TextPart], *kinds: str) -> SafeString:
    pieces = _joined((_piece(part) for part in parts if part.kind in kinds), "")
    return format_html('<bdi class="audittrail-words">{}</bdi>', pieces)


def _piece(part: TextPart) -> SafeString:
    # The mark ends before the line break; otherwise the next line would look marked as well.
    text = part.text.removesuffix("\n")
    end = part.text[len(text) :]
    if part.kind == ADDED:
        return format_html("<ins>{}</ins>{}", text, end)
    return format_html("<del>{}</del>{}" if part.kind == REMOVED else "{}{}", text, end)


def _member(kind: Kind, label: ObjectLabel) -> SafeString:
    name = {ADDED: "ins", REMOVED: "del"}.get(kind, "span")
    return format_html('<{} class="audittrail-member">{}</{}>', name, linked(label), name)


def _joined(found: Iterable[SafeString], separator: str = " ") -> SafeString:
    return format_html_join(mark_safe(separator), "{}", ((piece,) for piece in found))
