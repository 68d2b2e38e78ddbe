"""Show on the command line how far long work has come."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from audittrail.capture.registry import Progress

WIDTH = 30

#: How many characters the text beside a bar may have, to be written over by the line that says that a table is complete.
TEXT_WIDTH = 40


class ProgressBar:
    """Show the progress of work on tables: a bar that moves on a terminal, and elsewhere a line for each table.

    Takes what to write with, and what is said of the rows of a table at its end.
    """

    def __init__(
        self, write: Callable[..., Any], *, interactive: bool, ending: str = "rows, complete"
    ) -> None:
        self.write = write
        self.interactive = interactive
        self.ending = ending
        self.shown = False

    def show(self, progress: Progress) -> None:
        """Show how far a table is."""
        self.shown = True
        if progress.complete:
            start = "\r" if self.interactive else ""
            self.write(
                f"{start}{progress.table}: {progress.rows} {self.ending}".ljust(WIDTH + TEXT_WIDTH)
            )
        elif self.interactive:
            share = min(progress.rows / progress.estimate, 1.0) if progress.estimate else 0.0
            bar = ("#" * round(share * WIDTH)).ljust(WIDTH, ".")
            self.write(
                f"\r{progress.table} [{bar}] {progress.rows} of about {progress.estimate}",
                ending="",
            )
            sys.stdout.flush()
