"""Compare what was recorded with what the data's README promises."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path

#: Rows inserted, deleted, updated: in the order of the README.
Counts = tuple[int, int, int]
NOTHING: Counts = (0, 0, 0)


def promised(readme: Path) -> dict[date, dict[str, Counts]]:
    """Return what the table of the data's README promises: counts by the day of the release and the kind of rows.

    Raises `ValueError` if the page has no such table.
    """
    head: list[str] = []
    found: dict[date, dict[str, Counts]] = {}
    for line in readme.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if cells[0] == "release":
            head = cells[1:]
        elif head and re.fullmatch(r"\d{4}-\d\d-\d\d", cells[0]):
            kinds = found[date.fromisoformat(cells[0])] = {}
            for kind, cell in zip(head, cells[1:], strict=True):
                inserted, deleted, updated = map(int, cell.split(","))
                kinds[kind] = (inserted, deleted, updated)
    if not found:
        raise ValueError(
            f"{str(readme)!r} has no table of releases, with 'release' as its first head."
        )
    return found


def differences(
    recorded: Iterable[tuple[date, Mapping[str, Counts]]],
    expected: Mapping[date, Mapping[str, Counts]],
) -> list[str]:
    """Return in words where revisions, each a day and its counts, differ from what is promised.

    Revisions that changed nothing of the register are passed over.
    """
    found: dict[date, Mapping[str, Counts]] = {}
    wrong = []
    for day, counts in recorded:
        if set(counts.values()) == {NOTHING}:
            continue
        if day not in expected:
            wrong.append(f"{day}: a revision of a day without a release")
        elif day in found:
            wrong.append(f"{day}: more than one revision")
        found.setdefault(day, counts)
    for day, kinds in expected.items():
        for kind, numbers in kinds.items():
            actual = found.get(day, {}).get(kind, NOTHING)
            if actual != numbers:
                wrong.append(f"{day} {kind}: recorded {actual}, promised {numbers}")
    return wrong
