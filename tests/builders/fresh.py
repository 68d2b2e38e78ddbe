"""Fresh databases, each copied from one that has audittrail: for tests that make tables of their own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from pytest_django import DjangoDbBlocker

from tests.databases import OwnServer, raw_connection
from tests.servers import DEFAULT_VERSION, SUPERUSER, Run

NUMBERS = count()


@dataclass(frozen=True)
class Fresh:
    """A database of its own: its name, its server, and the connections to it, which are closed with it."""

    name: str
    server: OwnServer
    stack: ExitStack

    def connect(self, **parameters: Any) -> Any:
        """Open a connection in autocommit; `parameters` are libpq's."""
        settings = {"user": SUPERUSER, **parameters}
        connection = raw_connection(host=self.server.host, dbname=self.name, **settings)
        connection.autocommit = True
        self.stack.callback(connection.close)
        return connection


@pytest.fixture(scope="session")
def worker_id() -> str:
    """Stand in for pytest-xdist's fixture where that is not in use."""
    return os.environ.get("PYTEST_XDIST_WORKER", "master")


@pytest.fixture(scope="module")
def server() -> OwnServer:
    """Give the run's server."""
    wanted = DEFAULT_VERSION if "://" in settings.POSTGRES else settings.POSTGRES
    shared = Run.current().shared_server(wanted)
    return OwnServer(shared.binaries, shared.directory)


@pytest.fixture(scope="module")
def fresh_database(
    server: OwnServer, django_db_blocker: DjangoDbBlocker, worker_id: str
) -> Iterator[Callable[[], Any]]:
    """Give a context manager of a `Fresh` database that has audittrail and no tables yet."""
    template = f"template_{worker_id}_{next(NUMBERS)}"
    server.createdb(template)
    with django_db_blocker.unblock(), server.attached("fresh", template):
        call_command("migrate", "audittrail", database="fresh", verbosity=0)
    control = server.connect(autocommit=True)

    @contextmanager
    def fresh() -> Iterator[Fresh]:
        name = f"fresh_{worker_id}_{next(NUMBERS)}"
        with control.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
            with ExitStack() as stack:
                stack.callback(_roll_back_prepared, server, name)
                yield Fresh(name, server, stack)
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")

    yield fresh
    with control.cursor() as cursor:
        cursor.execute(f"DROP DATABASE {template} WITH (FORCE)")
    control.close()


def _roll_back_prepared(server: OwnServer, name: str) -> None:
    """Free the places of prepared transactions, of which a server has few, also when a test failed."""
    connection = server.connect(name, autocommit=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT gid FROM pg_prepared_xacts WHERE database = current_database()")
        for (identifier,) in cursor.fetchall():
            cursor.execute(f"ROLLBACK PREPARED '{identifier}'")
    connection.close()
