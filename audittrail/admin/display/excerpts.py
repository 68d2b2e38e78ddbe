"""The parts of a text or a structure that are the same, were removed or were added, cut so that a page can show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby, islice
from typing import Any, Final

from audittrail import conf
from audittrail.admin.display.coarse import coarse_parts, size_of
from audittrail.admin.display.outlines import changed_lines
from audittrail.diff.sequences import LIMIT
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

#: Steps that one comparison may take, about, and differences that are looked for in any case.
STEPS: Final = 1_000_000
FEWEST: Final = 20


class Room:
    """How much one page may compare exactly: each value up to the project's limit, and all of them together a few times that."""

    def __init__(self) -> None:
        self._most = conf.compared_size()
        self._left = VALUES * self._most

    def taken_by(self, old: Any, new: Any) -> int | None:
        """Return the size of two values, and take the room for them; None if there is not enough."""
        most = min(self._most, self._left)
        size = max(size_of(old, most), size_of(new, most))
        if size > most:
            return None
        self._left -= size
        return size


#: Values of the largest size that a page compares exactly.
VALUES: Final = 4


def changed_parts(old: Any, new: Any, room: Room) -> Sequence[TextPart]:
    """Return the parts of two long texts or two structures; nothing for other values, which are told whole.

    Takes how much the page may still compare exactly; what is larger is compared coarsely.
    """
    are_texts = isinstance(old, str) and isinstance(new, str)
    if are_texts and max(len(old), len(new)) <= LONG:
        return ()
    if not are_texts and not (
        isinstance(old, dict | list) and isinstance(new, dict | list) and (old or new)
    ):
        return ()
    size = room.taken_by(old, new)
    if size is None:
        return coarse_parts(old, new)
    if are_texts:
        return word_changes(old, new, _differences(size))
    lines = groupby(changed_lines(old, new, _differences(size)), key=lambda line: line[0])
    return [TextPart(kind, "".join(text for _, text in found)) for kind, found in lines]


def _differences(size: int) -> int:
    """Return how many differences to look for in values of a size: the time grows with both."""
    return max(FEWEST, min(LIMIT, STEPS // max(size, 1)))


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
