"""Differences of texts by words: right for every text, readable, and bounded."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audittrail.diff.sequences import blocks
from audittrail.diff.text import TextPart, word_changes


def spelled(old: str, new: str) -> str:
    """Return the difference in one line: [-removed-] and {+added+}."""
    signs = {"same": "{}", "removed": "[-{}-]", "added": "{{+{}+}}"}
    return "".join(signs[part.kind].format(part.text) for part in word_changes(old, new))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("", "", ""),
        ("same", "same", "same"),
        ("", "new", "{+new+}"),
        ("old", "", "[-old-]"),
        ("a brown fox", "a red fox", "a [-brown-]{+red+} fox"),
        ("The quick brown fox", "The slow red fox", "The [-quick brown-]{+slow red+} fox"),
        ("one two three", "one three", "one [-two -]three"),
        ("price: 4.00 EUR", "price: 4.50 EUR", "price: 4.[-00-]{+50+} EUR"),
        ("a  b", "a b", "a[-  -]{+ +}b"),
        ("don't", "do not", "[-don't-]{+do not+}"),
        ("Grüße aus Köln", "Grüße aus Bonn", "Grüße aus [-Köln-]{+Bonn+}"),
        ("東京都に住む", "京都府に住む", "[-東-]京都{+府+}に住む"),
        ("👍🏽 fine", "👍 fine", "👍[-🏽-] fine"),
        ("שלום עולם", "שלום לכם", "שלום [-עולם-]{+לכם+}"),
        ("line 1\nline 2\n", "line 1\nline 3\n", "line 1\nline [-2-]{+3+}\n"),
        ("<b>old</b>", "<b>new</b>", "<b>[-old-]{+new+}</b>"),
    ],
)
def test_words(old: str, new: str, expected: str) -> None:
    assert spelled(old, new) == expected


texts = st.lists(st.sampled_from(["a", "b", "c", " ", " ", "\n", ".", "東"]), max_size=30).map(
    "".join
)


@given(texts | st.text(), texts | st.text())
def test_the_parts_make_up_both_texts(old: str, new: str) -> None:
    parts = word_changes(old, new)
    assert "".join(part.text for part in parts if part.kind != "added") == old
    assert "".join(part.text for part in parts if part.kind != "removed") == new
    assert all(part.text for part in parts)
    kinds = [part.kind for part in parts]
    assert all(one != other for one, other in pairwise(kinds))
    assert ("added", "removed") not in pairwise(kinds)


@given(st.lists(st.integers(0, 2), max_size=9), st.lists(st.integers(0, 2), max_size=9))
def test_as_much_as_possible_is_the_same(old: list[int], new: list[int]) -> None:
    lengths = [[0] * (len(new) + 1) for _ in range(len(old) + 1)]
    for i, one in enumerate(old):
        for j, other in enumerate(new):
            longest = max(lengths[i][j + 1], lengths[i + 1][j])
            lengths[i + 1][j + 1] = lengths[i][j] + 1 if one == other else longest
    found = blocks(old, new)
    assert sum(b.old_end - b.old_start for b in found if b.is_same) == lengths[-1][-1]


def test_long_texts_with_few_changes_are_compared_by_words() -> None:
    lines = [f"Line {number} of a long text, {'word ' * 20}\n" for number in range(10_000)]
    changed = [*lines]
    for number in (3, 500, 9_999):
        changed[number] = changed[number].replace("long", "short")
    changed.insert(700, "An inserted line\n")
    parts = word_changes("".join(lines), "".join(changed))
    assert [part for part in parts if part.kind != "same"] == [
        TextPart("removed", "long"), TextPart("added", "short"),
        TextPart("removed", "long"), TextPart("added", "short"),
        TextPart("added", "An inserted line\n"),
        TextPart("removed", "long"), TextPart("added", "short"),
    ]  # fmt: skip


def test_long_texts_with_nothing_in_common_are_one_change() -> None:
    old = " ".join(f"a{number}" for number in range(100_000))
    new = " ".join(f"b{number}" for number in range(100_000))
    assert [part.kind for part in word_changes(old, new)] == ["removed", "added"]
    old, new = old.replace(" ", "\n"), new.replace(" ", "\n")
    assert [part.kind for part in word_changes(old, new)] == ["removed", "added"]
