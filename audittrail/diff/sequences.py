"""The shortest way from one sequence to another, as long as it is short enough to be worth showing.

E. W. Myers, An O(ND) Difference Algorithm and Its Variations, Algorithmica 1 (1986).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Final, NamedTuple

#: More differences than this are not looked for: time and memory grow with their square, and nobody would read them.
LIMIT: Final = 600


class Block(NamedTuple):
    """Items of the old sequence from `old_start` up to `old_end`, and those of the new one that are the same or replace them."""

    is_same: bool
    old_start: int
    old_end: int
    new_start: int
    new_end: int


def blocks(old: Sequence[Hashable], new: Sequence[Hashable], limit: int = LIMIT) -> list[Block]:
    """Return the blocks of two sequences in order, alternately the same and different.

    What lies between their common beginning and end is one block where it has more differences than the limit.
    """
    start, shortest = 0, min(len(old), len(new))
    while start < shortest and old[start] == new[start]:
        start += 1
    end = 0
    while end < shortest - start and old[-1 - end] == new[-1 - end]:
        end += 1
    old_end, new_end = len(old) - end, len(new) - end
    runs = [(0, 0, start)]
    runs += [
        (start + i, start + j, length)
        for i, j, length in _runs(old[start:old_end], new[start:new_end], limit)
    ]
    runs.append((old_end, new_end, end))
    return list(_joined(runs, len(old), len(new)))


def _joined(runs: list[tuple[int, int, int]], old_length: int, new_length: int) -> Iterator[Block]:
    """Yield the blocks that runs of equal items make up: where each begins in both sequences, and its length."""
    old, new = 0, 0
    begun: Block | None = None
    for i, j, length in runs:
        if not length:
            continue
        if (old, new) == (i, j) and begun is not None:
            begun = begun._replace(old_end=i + length, new_end=j + length)
        else:
            if begun is not None:
                yield begun
            if (old, new) != (i, j):
                yield Block(False, old, i, new, j)
            begun = Block(True, i, i + length, j, j + length)
        old, new = i + length, j + length
    if begun is not None:
        yield begun
    if (old, new) != (old_length, new_length):
        yield Block(False, old, old_length, new, new_length)


def _runs(
    old: Sequence[Hashable], new: Sequence[Hashable], limit: int
) -> list[tuple[int, int, int]]:
    """Return the runs of equal items on a shortest way; none if it has more differences than the limit."""
    if not old or not new or abs(len(old) - len(new)) > limit:
        return []
    furthest = {1: 0}
    trace: list[dict[int, int]] = []
    for differences in range(min(limit, len(old) + len(new)) + 1):
        trace.append(furthest.copy())
        for diagonal in range(-differences, differences + 1, 2):
            x = _reached(furthest, diagonal, differences)
            while x < len(old) and x - diagonal < len(new) and old[x] == new[x - diagonal]:
                x += 1
            furthest[diagonal] = x
            if x >= len(old) and x - diagonal >= len(new):
                return _back(trace, len(old), len(new))
    return []


def _reached(furthest: dict[int, int], diagonal: int, differences: int) -> int:
    """Return how far one more difference leads on a diagonal, before any equal items: by adding an item or by removing one."""
    if _is_addition(furthest, diagonal, differences):
        return furthest[diagonal + 1]
    return furthest[diagonal - 1] + 1


def _is_addition(furthest: dict[int, int], diagonal: int, differences: int) -> bool:
    if diagonal in (-differences, differences):
        return diagonal == -differences
    return furthest[diagonal - 1] < furthest[diagonal + 1]


def _back(trace: list[dict[int, int]], x: int, y: int) -> list[tuple[int, int, int]]:
    runs = []
    for differences in range(len(trace) - 1, -1, -1):
        furthest, diagonal = trace[differences], x - y
        reached = _reached(furthest, diagonal, differences)
        runs.append((reached, reached - diagonal, x - reached))
        before = diagonal + (1 if _is_addition(furthest, diagonal, differences) else -1)
        x, y = furthest[before], furthest[before] - before
    return runs[::-1]
