"""Run the series in interleaved rounds and print their medians."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Sequence
from statistics import median

from django.db import connections

from tests.benchmarks.contenders import (
    AUDITTRAIL,
    CONTENDERS,
    UNTRACKED,
    Contender,
    build,
    separate_sessions,
    settle,
)
from tests.benchmarks.measures import SERIES, Series

#: Rounds before the first that counts, in which plans and pages are cached.
WARM_UP = 2
#: By how much a ratio may miss its limit and still be called equal to it: the noise of a quiet machine.
TOLERANCE = 0.02

Taken = dict[str, dict[str, list[float]]]


def run_series(
    *,
    rounds: int,
    only: Sequence[str] | None,
    contenders: Sequence[str] | None,
    check: bool,
) -> int:
    """Run the series named (default: all) and print a table; return 1 if `check` and a limit is not kept.

    Raises SystemExit for an unknown name.
    """
    series = [one for one in SERIES if only is None or one.name in only]
    others = [
        one
        for one in CONTENDERS
        if contenders is None or one == UNTRACKED or one.name in contenders
    ]
    for given, known in ((only, SERIES), (contenders, CONTENDERS)):
        names = [one.name for one in known]  # type: ignore[attr-defined]
        if unknown := set(given or ()) - set(names):
            raise SystemExit(f"Unknown: {sorted(unknown)}; there are {names}.")
    separate_sessions()
    build({one.kind for one in series})
    kept = True
    print(_describe())
    _print_heading(others)
    for one in series:
        taken = take(one, others, rounds)
        kept = _print_figures(one, others, taken) and kept
    connections.close_all()
    return 0 if kept or not check else 1


def take(series: Series, contenders: Sequence[Contender], rounds: int) -> Taken:
    """Run one series; return its figures by measure and contender, one for each round."""
    settle()
    number = max(1, round(rounds * series.rounds))
    warm_up = min(WARM_UP, number // 3)
    taken: Taken = defaultdict(lambda: defaultdict(list))
    for turn in range(-warm_up, number):
        # Each round begins with another, so that nobody always follows the same one.
        start = turn % len(contenders)
        for contender in (*contenders[start:], *contenders[:start]):
            if series.rounds == 0 and contender == UNTRACKED:
                continue
            for measure, figure in series.take(contender).items():
                if turn >= 0:
                    taken[measure][contender.name].append(figure)
        if sys.stderr.isatty():
            print(f"\r{series.name} {turn + 1}/{number} ", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    return taken


def _describe() -> str:
    with connections["plain"].cursor() as cursor:
        cursor.execute("SELECT version(), current_setting('fsync')")
        version, fsync = cursor.fetchone()
    return f"{version.partition(' on ')[0]}, fsync {fsync}"


def _print_heading(contenders: Sequence[Contender]) -> None:
    print(f"{'':42}", *(f"{one.name:>20}" for one in contenders), f"{'limit':>8}")


def _print_figures(series: Series, contenders: Sequence[Contender], taken: Taken) -> bool:
    kept = True
    for measure, by_name in taken.items():
        limit = series.limits.get(measure)
        cells = []
        for one in contenders:
            figures = by_name.get(one.name)
            if not figures:
                cells.append("")
                continue
            middle = median(figures)
            if series.is_ratio:
                ratio = middle
                cells.append(f"{ratio:.2f}")
            else:
                # Within a round, so that what drifts cancels out.
                plain = by_name[UNTRACKED.name]
                ratio = median(mine / theirs for mine, theirs in zip(figures, plain, strict=True))
                cells.append(_figure(series, measure, middle))
                if one != UNTRACKED:
                    cells[-1] += f" {ratio:5.2f}"
            if one == AUDITTRAIL and limit is not None and ratio > limit + TOLERANCE:
                kept = False
                cells[-1] += " !"
        print(
            f"{measure:42}",
            *(f"{cell:>20}" for cell in cells),
            "" if limit is None else f"{limit:8.2f}",
            flush=True,
        )
    return kept


def _figure(series: Series, measure: str, figure: float) -> str:
    if measure.endswith(", WAL"):
        return f"{figure:,.0f} B"
    return f"{figure * series.scale:,.{2 if series.unit == 's' else 0}f} {series.unit}"
