"""Show on the command line how far long work has come."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Self

from audittrail.capture.registry import Progress
from audittrail.revisions.wording import counted

WIDTH = 30


class ProgressBar:
    """Show the progress of work on tables: a line for each table, a sum for several, and on a terminal a bar while it goes on.

    Takes what to write with, and what is said of the rows of a table at its end. To be used in a `with` block, after which no bar is left.
    """

    def __init__(
        self, write: Callable[..., Any], *, interactive: bool, ending: str = "rows, complete"
    ) -> None:
        self.write = write
        self.interactive = interactive
        self.ending = ending
        self.shown = False
        self._drawn = 0
        self._done: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        self._clear()
        if error is None and len(self._done) > 1:
            self.write(f"{counted(len(self._done), 'table')}: {sum(self._done)} {self.ending}")

    def show(self, progress: Progress) -> None:
        """Show how far a table is."""
        self.shown = True
        if progress.complete:
            self._clear()
            self._done.append(progress.rows)
            self.write(f"{progress.table}: {progress.rows} {self.ending}")
        elif self.interactive:
            share = min(progress.rows / progress.estimate, 1.0) if progress.estimate else 0.0
            bar = ("#" * round(share * WIDTH)).ljust(WIDTH, ".")
            text = f"{progress.table} [{bar}] {progress.rows} of about {progress.estimate}"
            self._draw(text.ljust(self._drawn))
            self._drawn = len(text)

    def _clear(self) -> None:
        if self._drawn:
            self._draw(f"{' ' * self._drawn}\r")
            self._drawn = 0

    def _draw(self, text: str) -> None:
        self.write(f"\r{text}", ending="")
        sys.stdout.flush()
