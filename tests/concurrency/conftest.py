"""A fresh database for each test, with a tracked table and clients that say who they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
from pytest_django import DjangoDbBlocker

from tests.builders.fresh import Fresh, fresh_database, server, worker_id
from tests.concurrency.accounts import Accounts

__all__ = ["fresh_database", "server", "worker_id"]


@pytest.fixture(scope="module")
def shared_database(fresh_database: Callable[[], Any]) -> Iterator[Fresh]:
    """Give a database that the tests of a module share."""
    with fresh_database() as database:
        yield database


@pytest.fixture
def accounts(shared_database: Fresh, django_db_blocker: DjangoDbBlocker) -> Iterator[Accounts]:
    """Give the tracked table `account`, whose rows 1 to 9 have the balance 0; its clients end with the test."""
    with ExitStack() as stack, ThreadPoolExecutor() as threads:
        yield Accounts(replace(shared_database, stack=stack), threads, django_db_blocker)
