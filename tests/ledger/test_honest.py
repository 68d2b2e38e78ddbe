"""No honest history raises an alarm. `python -m tests.ledger.honest` plays ten thousand of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from pytest_django import DjangoDbBlocker

from tests.ledger.honest import Honest, attached

#: A new run plays others than the last.
HISTORIES = 25


def test_random_honest_histories_raise_no_alarm(
    fresh_database: Callable[[], Any], django_db_blocker: DjangoDbBlocker, tmp_path: Path
) -> None:
    first = Random().randrange(10**9)
    with fresh_database() as database, django_db_blocker.unblock():
        honest = Honest(database.server, database.name, database.connect(), tmp_path)
        with attached(database.server, database.name):
            for seed in range(first, first + HISTORIES):
                honest.play(seed, 14)
                assert len(honest.digests) >= 1, f"seed {seed}"
            honest.verify_restored()
    # All that was to be drawn has been drawn.
    assert sum(honest.played.values()) >= HISTORIES * 14
