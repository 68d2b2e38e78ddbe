"""Trees and lists, such as JSON documents, as indented lines: what is the same, what was removed and what was added."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

from audittrail.diff.json_null import is_json_null
from audittrail.diff.structure import Node, structure_changes
from audittrail.diff.text import Kind

#: Deeper than this a value is one line.
DEPTH = 30

#: A kind of change, and a line of text.
Line = tuple[Kind, str]


def changed_lines(old: Any, new: Any, limit: int) -> Iterator[Line]:
    """Yield the lines of two trees, what was removed before what was added in its place; takes how many differences to look for."""
    node = structure_changes(old, new, limit)
    if node.children:
        for child in node.children:
            yield from _of_node(child, isinstance(new, Mapping), 0)
    elif node.kind == "same":
        yield from _of_value("same", new, 0)
    else:
        yield from _of_value("removed", old, 0)
        yield from _of_value("added", new, 0)


def outline(value: Any) -> str:
    """Return a tree as indented lines, a list of single values as one."""
    if not isinstance(value, Mapping) and not any(map(_has_items, value)):
        return leaf(value)
    return "".join(text for _, text in _of_value("same", value, 0)).rstrip("\n")


def _of_node(node: Node, is_named: bool, depth: int) -> Iterator[Line]:
    begin = "  " * depth + (f"{node.key}:" if is_named else "-")
    if node.kind == "changed" and node.children:
        yield "same", f"{begin}\n"
        for child in node.children:
            yield from _of_node(child, isinstance(node.new, Mapping), depth + 1)
        return
    if node.kind in ("same", "changed", "removed"):
        kind: Kind = "same" if node.kind == "same" else "removed"
        yield from _with_value(kind, begin, node.old, depth)
    if node.kind in ("changed", "added"):
        yield from _with_value("added", begin, node.new, depth)


def _with_value(kind: Kind, begin: str, value: Any, depth: int) -> Iterator[Line]:
    if not _has_items(value) or depth >= DEPTH:
        yield kind, f"{begin} {leaf(value)}\n"
        return
    yield kind, f"{begin}\n"
    yield from _of_value(kind, value, depth + 1)


def _of_value(kind: Kind, value: Any, depth: int) -> Iterator[Line]:
    if not _has_items(value):
        yield kind, f"{'  ' * depth}{leaf(value)}\n"
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _with_value(kind, f"{'  ' * depth}{key}:", item, depth)
    else:
        for item in value:
            yield from _with_value(kind, f"{'  ' * depth}-", item, depth)


def _has_items(value: Any) -> bool:
    return isinstance(value, Mapping | list | tuple) and bool(value)


def leaf(value: Any, *, sort_keys: bool = False) -> str:
    """Return a value as one line of JSON."""
    try:
        return json.dumps(value, ensure_ascii=False, sort_keys=sort_keys, cls=_OutlineEncoder)
    except RecursionError:  # nested too deeply to be written
        return "…"


class _OutlineEncoder(DjangoJSONEncoder):
    def default(self, o: Any) -> Any:
        if is_json_null(o):  # in an array, where null is SQL NULL
            return "JSON null"
        try:
            return super().default(o)
        except TypeError:  # arrays of whatever
            return str(o)
