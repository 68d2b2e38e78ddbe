"""Processes that update orders or parcels at once, each through Django and a session of its own.

Run as a program, this module is one of them: it reads lines `kind/contender/count/seed` and answers each with `done`.
"""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from random import Random
from time import perf_counter
from typing import IO, Any


class Workers:
    """Keep some processes that update rows when they are told to."""

    def __init__(self, number: int) -> None:
        command = [sys.executable, "-m", "tests.benchmarks.workers"]
        self._processes = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(number)
        ]
        self._round = 0

    @classmethod
    @cache
    def running(cls, number: int) -> Workers:
        """Return so many processes, started by the first call; they end with this process."""
        return cls(number)

    def update(self, contender: str, changes: int, kind: str = "orders") -> float:
        """Let each process save so many changed rows of a contender; return the seconds until all are done.

        Parcels are saved as requests do it: each in a transaction, within a context.
        """
        self._round += 1
        for ready in (0, changes):  # the first time to be sure that all have connected
            clock = perf_counter()
            for position, process in enumerate(self._processes):
                _stream(process.stdin).write(
                    f"{kind}/{contender}/{ready}/{self._round}{position}\n"
                )
                _stream(process.stdin).flush()
            for process in self._processes:
                if _stream(process.stdout).readline() != "done\n":
                    raise RuntimeError("A process that updates rows has failed; see above.")
        return perf_counter() - clock


def _stream(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


def work() -> None:
    """Do what standard input says until it ends."""
    import django

    django.setup()
    from django.db import transaction

    from tests.benchmarks.contenders import CONTENDERS, PREFILLED, separate_sessions

    separate_sessions()
    recent = 5_000
    contenders = {contender.name: contender for contender in CONTENDERS}

    @cache
    def rows(kind: str, name: str) -> list[Any]:
        chosen = contenders[name].orders if kind == "orders" else contenders[name].parcels
        return list(chosen.filter(pk__lte=PREFILLED).order_by("-pk")[:recent])

    for line in sys.stdin:
        kind, name, changes, seed = line.split("/")
        random, moment = Random(seed), datetime.now(UTC)
        for position, instance in enumerate(random.choices(rows(kind, name), k=int(changes))):
            instance.status = f"stage {position % 89}"
            instance.updated_at = moment
            if kind == "orders":
                instance.save()
                continue
            contender = contenders[name]
            with (
                contender.context(user=position % 5 + 1, method="POST", path="/parcel/17/"),
                transaction.atomic(using=contender.alias),
            ):
                instance.save()
        print("done", flush=True)


if __name__ == "__main__":
    work()
