"""Differences of texts by words, for pages to show."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from audittrail.diff.sequences import LIMIT, blocks

Kind = Literal["same", "added", "removed"]

#: A word, one letter of a script that is written without spaces, a stretch of white space, or a sign.
_TOKEN: Final = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
    r"|[^\W\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+|\s+|[^\w\s]"
)

#: More words than this are compared by lines first.
_MANY_WORDS: Final = 2_000


@dataclass(frozen=True)
class TextPart:
    """A part of a text: the same before and after, added or removed."""

    kind: Kind
    text: str


def word_changes(old: str, new: str, limit: int = LIMIT) -> list[TextPart]:
    """Return the parts of a text before and after, by words: "same" and "removed" ones make up the old, "same" and "added" the new.

    Neighbouring changes are one, what is removed comes first. Long texts are compared by lines first and then by words within
    changed lines; where more than `limit` differences would be needed, all of that is one change. So the time is bounded, whatever the
    texts are.
    """
    parts: list[TextPart] = []
    for kind, text in _absorbed(list(_compared(old, new, limit))):
        _add(parts, kind, text)
    return parts


def _compared(old: str, new: str, limit: int) -> Iterator[tuple[str, str]]:
    """Yield pairs of what was before and is after: the same, or something that replaces something else."""
    old_words, new_words = _TOKEN.findall(old), _TOKEN.findall(new)
    if max(len(old_words), len(new_words)) <= _MANY_WORDS:
        yield from _by(old_words, new_words, limit)
        return
    lines = old.splitlines(keepends=True), new.splitlines(keepends=True)
    for before, after in _by(*lines, limit):
        if before == after or not before or not after:
            yield before, after
        else:
            yield from _by(_TOKEN.findall(before), _TOKEN.findall(after), limit)


def _by(old: list[str], new: list[str], limit: int) -> Iterator[tuple[str, str]]:
    for block in blocks(old, new, limit):
        yield (
            "".join(old[block.old_start : block.old_end]),
            "".join(new[block.new_start : block.new_end]),
        )


def _absorbed(pairs: list[tuple[str, str]]) -> Iterator[tuple[Kind, str]]:
    """Yield kinds and texts; white space between two changed words is a part of the change: it is read as one."""
    removed, added = "", ""
    for position, (before, after) in enumerate(pairs):
        if before != after:
            removed, added = removed + before, added + after
        elif removed and added and before.isspace() and _is_change(pairs, position + 1):
            removed, added = removed + before, added + before
        else:
            yield "removed", removed
            yield "added", added
            removed, added = "", ""
            yield "same", before
    yield "removed", removed
    yield "added", added


def _is_change(pairs: list[tuple[str, str]], position: int) -> bool:
    return (
        position < len(pairs) and all(pairs[position]) and pairs[position][0] != pairs[position][1]
    )


def _add(parts: list[TextPart], kind: Kind, text: str) -> None:
    if not text:
        return
    if parts and parts[-1].kind == kind:
        text = parts.pop().text + text
    parts.append(TextPart(kind, text))
