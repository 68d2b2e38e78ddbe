"""The parts of a text or a structure that are the same, were removed or were added, cut so that a page can show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby, islice
from typing import Any, Final

from audittrail.admin.display.outlines import changed_lines
from audittrail.diff.text import Kind, TextPart, word_changes

SAME: Final[Kind] = "same"
ADDED: Final[Kind] = "added"
REMOVED: Final[Kind] = "removed"

#: Texts of up to so many letters are shown whole. Of longer ones it is shown which parts have changed.
LONG: Final = 40

#: How much is shown: letters of an unchanged part on each side of a change, letters of a changed part, and parts.
CONTEXT: Final = 80
CHANGED: Final = 2_000
PARTS: Final = 200


def changed_parts(old: Any, new: Any) -> Sequence[TextPart]:
    """Return the parts of two long texts or two structures; nothing for other values, which are told whole."""
    if isinstance(old, str) and isinstance(new, str):
        if max(len(old), len(new)) <= LONG:
            return ()
        return word_changes(old, new)
    if isinstance(old, dict | list) and isinstance(new, dict | list) and (old or new):
        lines = groupby(changed_lines(old, new), key=lambda line: line[0])
        return [TextPart(kind, "".join(text for _, text in found)) for kind, found in lines]
    return ()


def shortened(parts: Sequence[TextPart]) -> list[TextPart]:
    """Return parts without the middle of what is long, and not too many of them."""
    last = len(parts) - 1
    found = [
        replace(part, text=_shortened(part, is_first=position == 0, is_last=position == last))
        for position, part in enumerate(islice(parts, PARTS))
    ]
    return [*found, TextPart(SAME, " …")] if len(parts) > PARTS else found


def _shortened(part: TextPart, *, is_first: bool, is_last: bool) -> str:
    text, keep = part.text, CONTEXT if part.kind == SAME else CHANGED // 2
    if len(text) <= 2 * keep:
        return text
    begin = "" if is_first and part.kind == SAME else text[:keep]
    end = "" if is_last and part.kind == SAME else text[-keep:]
    # If the text has several lines, only whole lines are shown.
    begin, end = begin[: begin.rfind("\n") + 1] or begin, end[end.find("\n") + 1 :]
    return f"{begin} … {'' if not begin.endswith(chr(10)) else chr(10)}{end}"
