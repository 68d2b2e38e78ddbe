"""Fixtures for watching writes: every table of the test project is tracked here, the unmanaged ones included.

Tests commit, and share one history for a module: Django's flush of all tables between tests would take longer than
all these tests. A test that is marked `django_db` is pytest-django's as usual.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.db.models import Model
from pytest_django import DjangoDbBlocker

from audittrail.capture import sync, tracking
from audittrail.testing import reset_history
from tests.capture.truth import Witness
from tests.databases import raw_connection
from tests.testapp.models import Legacy, LogLine, Measurement, Shelf

REGISTERED: tuple[type[Model], ...] = (Legacy, LogLine, Measurement, Shelf)


def _test_databases() -> list[str]:
    """Return the databases that this run has made test databases for."""
    return [
        alias
        for alias in connections
        if str(connections[alias].settings_dict["NAME"]).startswith("test_")
    ]


@pytest.fixture(scope="package")
def all_tables_tracked(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Track the unmanaged tables too, and mask a column, as long as these tests run."""
    for model in REGISTERED:
        tracking.register(model)
    tracking.register(Legacy, mask=["label"])
    with django_db_blocker.unblock():
        for alias in _test_databases():
            sync.sync(alias)
    yield
    for model in REGISTERED:
        del tracking._registered[model]
    with django_db_blocker.unblock():
        for alias in _test_databases():
            sync.sync(alias)


@pytest.fixture
def db() -> None:
    """Ask pytest-django for test databases, but not for its transaction or flush around each test."""


@pytest.fixture(scope="module")
def observer(all_tables_tracked: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Witness]:
    """Give a module the observer of the default database; at the end, go through all of the module's history."""
    with django_db_blocker.unblock():
        reset_history()
        observer = Witness()
        _empty(observer)
        reset_history()
        yield observer
        observer.check_chain({}, observer.versions(), observer.rows())
        _empty(observer)
        reset_history()


@pytest.fixture
def witness(db: None, observer: Witness, django_db_blocker: DjangoDbBlocker) -> Iterator[Witness]:
    """Give the observer of the default database, whose tables are empty."""
    with django_db_blocker.unblock():
        _empty(observer)
        yield observer


def _empty(observer: Witness) -> None:
    # Foreign keys are deferred, so the order is of no matter.
    if filled := {table for table, _ in observer.rows()}:
        with transaction.atomic(using=observer.using), connections[observer.using].cursor() as c:
            c.execute(";".join(f"DELETE FROM {table}" for table in sorted(filled)))


@pytest.fixture
def raw(witness: Witness) -> Iterator[Callable[..., Any]]:
    """Give a function that opens a raw connection to the default database: another service.

    It takes libpq's parameters. What is left open is rolled back.
    """
    opened: list[Any] = []

    def connect(**parameters: Any) -> Any:
        given = connection.settings_dict
        arguments = {
            "host": given["HOST"],
            "port": given["PORT"],
            "user": given["USER"],
            "password": given["PASSWORD"],
            "dbname": given["NAME"],
            **parameters,
        }
        opened.append(raw_connection(**{k: v for k, v in arguments.items() if v != ""}))
        return opened[-1]

    yield connect
    for each in opened:
        each.close()


@pytest.fixture
def made(witness: Witness) -> Iterator[Callable[[str], Witness]]:
    """Give a function that runs DDL, tracks each table that it has made, and gives an observer that knows them.

    The tables stand in a schema of their own, which is on the search path of Django's connection; all of it is
    gone after the test.
    """

    def make(ddl: str) -> Witness:
        with connection.cursor() as cursor:
            cursor.execute(ddl)
            cursor.execute(
                "SELECT audittrail.track(c.oid) FROM pg_class c WHERE relnamespace = 'scratch'::regnamespace"
                " AND relkind IN ('r', 'p') AND NOT relispartition AND relname !~ '^untracked'"
            )
        return Witness(thorough=True)

    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA scratch; SET search_path = scratch, public")
        try:
            yield make
        finally:
            cursor.execute(
                "SELECT id, format('DROP TABLE audittrail.%%I', history_name)"
                " FROM audittrail.tracked_table WHERE schema_name = %s",
                ["scratch"],
            )
            for number, statement in cursor.fetchall():
                cursor.execute("SELECT audittrail.untrack(%s)", [number])
                cursor.execute(statement)
                cursor.execute("DELETE FROM audittrail.tracked_table WHERE id = %s", [number])
            cursor.execute("RESET search_path; DROP SCHEMA scratch CASCADE")
