"""Changes that hardly show in a value: other line breaks in a text, other fractions of a second. They are named, and told apart from the rest."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, time
from typing import Any, Final, NamedTuple

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from audittrail.admin.display.excerpts import Room, changed_parts
from audittrail.diff.text import TextPart

#: The line breaks that forms, systems and editors write, and what they are called.
_BREAK: Final = re.compile(r"\r\n|\r|\n")
_NAMES: Final = {"\r\n": "CRLF", "\n": "LF", "\r": "CR"}


class ComparedValues(NamedTuple):
    """The parts of two values, see `changed_parts`, and a note of what hardly shows in them; without parts it is all that changed."""

    parts: Sequence[TextPart]
    note: str = ""


def compared(old: Any, new: Any, room: Room) -> ComparedValues:
    """Return how two values differ: what hardly shows is not among the parts, it is named."""
    if isinstance(old, str) and isinstance(new, str):
        return _of_texts(old, new, room)
    is_moment = isinstance(old, datetime | time) and type(old) is type(new)
    if is_moment and old != new and old.replace(microsecond=0) == new.replace(microsecond=0):
        return ComparedValues((), _("only fractions of a second changed"))
    return ComparedValues(changed_parts(old, new, room))


def folded(text: str, content: SafeString) -> SafeString:
    """Return HTML that is unfolded by a text that stands for it."""
    return format_html(
        '<details class="audittrail-fold"><summary><span class="audittrail-quiet">{}</span></summary>{}</details>',
        text,
        content,
    )


def _of_texts(old: str, new: str, room: Room) -> ComparedValues:
    before, after = _breaks(old), _breaks(new)
    if old == new or before == after or not before or not after:
        return ComparedValues(changed_parts(old, new, room))
    kinds = {"old": _named(before), "new": _named(after)}
    same_old, same_new = _BREAK.sub("\n", old), _BREAK.sub("\n", new)
    if same_old == same_new:
        return ComparedValues((), _("only line breaks changed, from %(old)s to %(new)s") % kinds)
    return ComparedValues(
        changed_parts(same_old, same_new, room),
        _("line breaks changed as well, from %(old)s to %(new)s") % kinds,
    )


def _breaks(text: str) -> set[str]:
    """Return the kinds of line breaks of a text."""
    return set(_BREAK.findall(text))


def _named(breaks: set[str]) -> str:
    return ", ".join(name for sign, name in _NAMES.items() if sign in breaks)
