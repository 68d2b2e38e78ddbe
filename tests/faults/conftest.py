"""A fresh database for each test, with one tracked table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.builders.fresh import fresh_database, server, worker_id
from tests.faults.things import TABLE, Things

# Its asserts tell what they compared, as those of the tests do.
pytest.register_assert_rewrite("tests.faults.crashes")

__all__ = ["fresh_database", "server", "worker_id"]


@pytest.fixture
def things(fresh_database: Callable[[], Any]) -> Iterator[Things]:
    """Give the tracked table `thing`, empty, in a database of its own."""
    with fresh_database() as database:
        made = Things(database.connect)
        made.observer.run(TABLE, "SELECT audittrail.track('thing')")
        yield made
