"""Differences of JSON documents and lists, as trees."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audittrail.diff.structure import Node, structure_changes


def spelled(node: Node) -> Any:
    """Return a tree of changes without what is the same: "-old +new" for values."""
    if node.kind == "changed" and node.children:
        return {
            child.key if child.kind != "removed" else f"-{child.key}": spelled(child)
            for child in node.children
            if child.kind != "same"
        }
    old = f"-{json.dumps(node.old)}" if node.kind in ("changed", "removed") else ""
    new = f"+{json.dumps(node.new)}" if node.kind in ("changed", "added") else ""
    return f"{old} {new}".strip() if node.kind != "same" else "="


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"a": 1}, {"a": 1}, "="),
        ({"b": 1, "a": 2}, {"a": 2, "b": 1}, "="),
        ({"a": 1}, {"a": 2}, {"a": "-1 +2"}),
        ({"a": 1}, {"b": 1}, {"-a": "-1", "b": "+1"}),
        ({"a": {"b": {"c": [1, 2]}}}, {"a": {"b": {"c": [1, 3]}}}, {"a": {"b": {"c": {"-1": "-2", 1: "+3"}}}}),
        (1, 1.0, "-1 +1.0"),
        (1, True, "-1 +true"),
        (None, False, "-null +false"),
        ("1", 1, '-"1" +1'),
        ({"a": None}, {}, {"-a": "-null"}),
        ({}, [], "-{} +[]"),
        ([1, 2, 3], [0, 1, 2, 3], {0: "+0"}),
        ([1, 2, 3], [1, 3], {"-1": "-2"}),
        ([{"n": 1, "x": 1}, {"n": 2}], [{"n": 0}, {"n": 1, "x": 1}, {"n": 2}], {0: '+{"n": 0}'}),
        ([{"n": 1, "x": 1}], [{"n": 1, "x": 2}], {0: {"x": "-1 +2"}}),
        ([[1], [2]], [[1], [2, 3]], {1: {1: "+3"}}),
        ({"<b>": "<script>"}, {"<b>": "\x00"}, {"<b>": '-"<script>" +"\\u0000"'}),
    ],
)  # fmt: skip
def test_trees(old: Any, new: Any, expected: Any) -> None:
    assert spelled(structure_changes(old, new)) == expected


def test_what_is_the_same_is_in_the_tree_as_well() -> None:
    root = structure_changes({"a": 1, "b": [2]}, {"a": 1, "b": [2], "c": 3})
    assert [(child.kind, child.key, child.new) for child in root.children] == [
        ("same", "a", 1),
        ("same", "b", [2]),
        ("added", "c", 3),
    ]


values = st.recursive(
    st.none() | st.booleans() | st.integers(0, 2) | st.floats(0, 1) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab", max_size=1), inner),
    max_leaves=12,
)


def rebuilt(node: Node, side: str) -> Any:
    """Return one of the two trees from the nodes."""
    value = getattr(node, side)
    if not node.children:
        return value
    children = [c for c in node.children if c.kind != ("added" if side == "old" else "removed")]
    if isinstance(value, dict):
        return {child.key: rebuilt(child, side) for child in children}
    return [rebuilt(child, side) for child in children]


@given(values, values)
def test_the_nodes_make_up_both_trees(old: Any, new: Any) -> None:
    root = structure_changes(old, new)
    for side, expected in (("old", old), ("new", new)):
        assert json.dumps(rebuilt(root, side), sort_keys=True) == json.dumps(
            expected, sort_keys=True
        )
    same = json.dumps(old, sort_keys=True) == json.dumps(new, sort_keys=True)
    assert (root.kind == "same") == same


def test_a_tree_that_is_too_deep_is_one_change() -> None:
    old: Any = 1
    new: Any = 2
    for _ in range(400):
        old, new = [old], {"a": new} if new == 2 else [new]
    assert structure_changes(old, new).kind == "changed"
    for _ in range(2_000):
        old, new = [old], [new]
    assert structure_changes(old, new).children == ()
