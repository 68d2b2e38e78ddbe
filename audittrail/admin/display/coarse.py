"""Values too large to be compared exactly: told by line, or by top-level key or item, in a time that grows no faster than they do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import islice
from typing import Any, Final

from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _

from audittrail.admin.display.outlines import leaf
from audittrail.diff.text import Kind, TextPart

#: Items of a structure weigh as much as so many letters of a text: each takes several steps.
ITEM: Final = 10
#: Letters of an item that are shown, and items that changed of which it is told.
LETTERS: Final = 200
ITEMS: Final = 100


def size_of(value: Any, most: int) -> int:
    """Return how large a text, or a tree of dictionaries and lists, is in letters; looks no further than just beyond `most`."""
    size, pending = 0, [iter((value,))]
    while pending:
        for one in pending[-1]:
            size += len(one) if isinstance(one, str) else ITEM
            if size > most:
                return size
            if isinstance(one, Mapping):
                size += ITEM * len(one)
                pending.append(iter(one.values()))
                break
            if isinstance(one, list | tuple):
                pending.append(iter(one))
                break
        else:
            pending.pop()
    return size


class CoarseParts(list[TextPart]):
    """Parts of values that were not compared exactly: what is marked may hold more than what has changed."""


def coarse_parts(old: Any, new: Any) -> CoarseParts:
    """Return the parts of two large texts or structures: the same before and after what differs, and that as a whole."""
    if isinstance(old, str) and isinstance(new, str):
        return CoarseParts(_of_texts(old, new))
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return CoarseParts(_joined(_of_mappings(old, new)))
    if isinstance(old, list | tuple) and isinstance(new, list | tuple):
        return CoarseParts(_joined(_of_lists(old, new)))
    return CoarseParts([TextPart("removed", coarse_text(old)), TextPart("added", coarse_text(new))])


def coarse_text(value: Any) -> str:
    """Return what stands for a large structure: how many items it has, its size, and the beginning of its digest."""
    text = leaf(value)
    data = text.encode("utf-8", "surrogatepass")
    return _("too large to be shown: %(size)s, SHA-256 %(digest)s") % {
        "size": filesizeformat(len(data)),
        "digest": sha256(data).hexdigest()[:16],
    }


def _of_texts(old: str, new: str) -> list[TextPart]:
    begin = _common(old, new)
    end = _common(old[begin:][::-1], new[begin:][::-1])
    if "\n" in old and "\n" in new:
        # Lines are told as a whole.
        begin = old.rfind("\n", 0, begin) + 1
        tail = old.find("\n", len(old) - end) if end else -1
        end = len(old) - tail - 1 if tail >= 0 else 0
    found = [
        TextPart("same", old[:begin]),
        TextPart("removed", old[begin : len(old) - end]),
        TextPart("added", new[begin : len(new) - end]),
        TextPart("same", old[len(old) - end :]),
    ]
    return [part for part in found if part.text]


def _common(old: str, new: str) -> int:
    """Return how many letters two texts begin with in common: by halves, since comparing letter by letter takes long."""
    low, high = 0, min(len(old), len(new))
    while low < high:
        middle = (low + high + 1) // 2
        if old[low:middle] == new[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _of_mappings(old: Mapping[Any, Any], new: Mapping[Any, Any]) -> Iterator[TextPart]:
    for key in dict.fromkeys([*old, *new]):
        if key in old and key in new and _is_same(old[key], new[key]):
            continue
        for kind, side in (("removed", old), ("added", new)):
            if key in side:
                yield _line(kind, f"{key}: ", side[key])


def _of_lists(old: Sequence[Any], new: Sequence[Any]) -> Iterator[TextPart]:
    begin, shortest = 0, min(len(old), len(new))
    while begin < shortest and _is_same(old[begin], new[begin]):
        begin += 1
    end = 0
    while end < shortest - begin and _is_same(old[-1 - end], new[-1 - end]):
        end += 1
    for kind, side in (("removed", old), ("added", new)):
        for value in side[begin : begin + min(len(side) - end - begin, ITEMS)]:
            yield _line(kind, "- ", value)
        if len(side) - end - begin > ITEMS:
            yield TextPart(kind, "- …\n")  # type: ignore[arg-type]


def _line(kind: Any, begin: str, value: Any) -> TextPart:
    if size_of(value, ITEM * LETTERS) > ITEM * LETTERS:
        return TextPart(kind, f"{begin[:LETTERS]}{coarse_text(value)}\n")
    text = leaf(value)
    return TextPart(
        kind, f"{begin[:LETTERS]}{text[:LETTERS]}{'…' if len(text) > LETTERS else ''}\n"
    )


def _is_same(old: Any, new: Any) -> bool:
    """Return whether two values are the same, types included: Python finds 1, 1.0 and True equal."""
    if old is new:
        return True
    return bool(old == new) and (repr(old) == repr(new) or _sorted(old) == _sorted(new))


def _sorted(value: Any) -> str:
    return leaf(value, sort_keys=True)


def _joined(found: Iterator[TextPart]) -> list[TextPart]:
    """Return the first parts, neighbours of a kind as one, and a note where there are more."""
    parts: list[TextPart] = []
    taken = [*islice(found, 2 * ITEMS + 1)]
    for part in taken[: 2 * ITEMS]:
        text = part.text
        kind: Kind = part.kind
        if parts and parts[-1].kind == kind:
            text = parts.pop().text + text
        parts.append(TextPart(kind, text))
    return [*parts, TextPart("same", "…\n")] if len(taken) > 2 * ITEMS else parts
