"""Differences of trees and lists, such as JSON documents and arrays, for pages to show."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from audittrail.diff.sequences import LIMIT, blocks

Kind = Literal["same", "added", "removed", "changed"]

#: Deeper than this a value is compared as a whole.
_DEPTH: Final = 50


@dataclass(frozen=True)
class Node:
    """A value in a tree before and after: a dictionary, a list, or a single value.

    `key` is its key in a dictionary or its position in a list, that after if there is one; None for the root. A "changed"
    dictionary or list that was one before has the nodes of its items as `children`, the same ones included.
    """

    kind: Kind
    key: str | int | None = None
    old: Any = None
    new: Any = None
    children: tuple[Node, ...] = ()


def structure_changes(old: Any, new: Any, limit: int = LIMIT) -> Node:
    """Return how two trees of dictionaries and lists differ, as a tree of nodes.

    Values are compared with their types: 1, 1.0 and true are different. Items of a list are found again where others were put
    before them, unless that takes more than `limit` differences; one in the place of another is a change of it if both are dictionaries
    or both are lists.
    """
    try:
        return _node(None, old, new, 0, limit)
    except RecursionError:  # nested too deeply to be looked into
        return Node("changed", old=old, new=new)


def _node(key: str | int | None, old: Any, new: Any, depth: int, limit: int) -> Node:
    if mark(old) == mark(new):
        return Node("same", key, old, new)
    children: tuple[Node, ...] = ()
    if depth < _DEPTH and isinstance(old, Mapping) and isinstance(new, Mapping):
        children = tuple(_of_mappings(old, new, depth + 1, limit))
    elif depth < _DEPTH and _is_list(old) and _is_list(new):
        children = tuple(_of_lists(old, new, depth + 1, limit))
    return Node("changed", key, old, new, children)


def _of_mappings(
    old: Mapping[Any, Any], new: Mapping[Any, Any], depth: int, limit: int
) -> Iterator[Node]:
    """Yield the nodes of the items: in the order after, those that are gone where they were."""
    old_keys, new_keys = list(old), list(new)
    for block in blocks(old_keys, new_keys, limit):
        if block.is_same:
            keys = new_keys[block.new_start : block.new_end]
            yield from (_node(key, old[key], new[key], depth, limit) for key in keys)
            continue
        for key in old_keys[block.old_start : block.old_end]:
            if key not in new:
                yield Node("removed", key, old=old[key])
        for key in new_keys[block.new_start : block.new_end]:
            if key in old:
                yield _node(key, old[key], new[key], depth, limit)
            else:
                yield Node("added", key, new=new[key])


def _of_lists(old: Sequence[Any], new: Sequence[Any], depth: int, limit: int) -> Iterator[Node]:
    for block in blocks(*_marked(old, new), limit):
        before = range(block.old_start, block.old_end)
        after = range(block.new_start, block.new_end)
        for i, j in zip(before, after, strict=False):
            if block.is_same or _are_alike(old[i], new[j]):
                yield _node(j, old[i], new[j], depth, limit)
            else:
                yield Node("removed", i, old=old[i])
                yield Node("added", j, new=new[j])
        for i in before[len(after) :]:
            yield Node("removed", i, old=old[i])
        for j in after[len(before) :]:
            yield Node("added", j, new=new[j])


def _are_alike(old: Any, new: Any) -> bool:
    if isinstance(old, Mapping):
        return isinstance(new, Mapping)
    return _is_list(old) and _is_list(new)


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _marked(old: Sequence[Any], new: Sequence[Any]) -> tuple[list[Hashable], list[Hashable]]:
    return [mark(value) for value in old], [mark(value) for value in new]


def mark(value: Any) -> Hashable:
    """Return what two values have in common if and only if they are the same; Python finds 1, 1.0 and True equal."""
    if isinstance(value, Mapping):
        return "mapping", frozenset((key, mark(item)) for key, item in value.items())
    if _is_list(value):
        return "list", tuple(mark(item) for item in value)
    return type(value).__name__, repr(value)
