"""Fixtures that every test may use: the worker's server, raw connections, servers of a test's own.

A test that needs commits says `@pytest.mark.django_db(transaction=True)`, and names further databases
with `databases=["default", "other"]`; its rows and its history are gone when the next test begins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.psycopg_any import is_psycopg3
from pytest_django import DjangoDbBlocker

from tests.databases import OwnServer, raw_connection
from tests.servers import DEFAULT_VERSION, Run

pytest_plugins = ["tests.statements"]

# Asserts of these modules tell what they compared, as those of the tests do.
pytest.register_assert_rewrite("tests.builders")

BLOCKER: pytest.StashKey[DjangoDbBlocker] = pytest.StashKey()
RUN: pytest.StashKey[ExitStack] = pytest.StashKey()
WRITTEN: pytest.StashKey[set[str]] = pytest.StashKey()


def pytest_configure(config: pytest.Config) -> None:
    used = "psycopg" if is_psycopg3 else "psycopg2"
    if used != settings.DRIVER:
        raise pytest.UsageError(
            f"Django uses {used}, but AUDITTRAIL_TEST_DRIVER is {settings.DRIVER}."
        )
    # The workers of pytest-xdist share the run of the process that started them.
    if not hasattr(config, "workerinput"):
        stack = config.stash[RUN] = ExitStack()
        stack.enter_context(Run.begin())


def pytest_unconfigure(config: pytest.Config) -> None:
    if RUN in config.stash:
        config.stash[RUN].close()


def pytest_report_header() -> str:
    return f"audittrail: PostgreSQL {settings.POSTGRES}, driver {settings.DRIVER}"


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None,
) -> None:
    """Start the run's server when the first test asks for a database."""
    if "://" not in settings.POSTGRES:
        host = Run.current().shared_server(settings.POSTGRES).host
        for alias in connections:
            connections[alias].settings_dict["HOST"] = host


@pytest.fixture(scope="session")
def django_db_setup(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, request: pytest.FixtureRequest
) -> Iterator[None]:
    """Permit cleaning from now on; leave no history in test databases that are kept for the next run."""
    # Not before: without its test database an alias leads to whatever NAME and the DSN say.
    request.config.stash[BLOCKER] = django_db_blocker
    yield
    _clean(request.config)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    # Not when the test ends: Django's flush comes after its fixtures, and is recorded as well.
    _clean(item.config)
    marker = item.get_closest_marker("django_db")
    names = getattr(item, "fixturenames", ())
    arguments = marker.kwargs if marker else {}
    if arguments.get("transaction") or "transactional_db" in names or "live_server" in names:
        databases = arguments.get("databases") or ["default"]
        item.config.stash[WRITTEN] = set(connections if databases == "__all__" else databases)
    return (yield)


def _clean(config: pytest.Config) -> None:
    written = config.stash.get(WRITTEN, set())
    if written and BLOCKER in config.stash:
        with config.stash[BLOCKER].unblock():
            while written:
                _forget(connections[written.pop()])


def _forget(connection: BaseDatabaseWrapper) -> None:
    """Empty the tables that Django's flush passes over, then the history."""
    from audittrail.testing import reset_history

    flushed = connection.introspection.django_table_names(only_existing=True)
    models = apps.get_app_config("testapp").get_models()
    quote = connection.ops.quote_name
    tables = {quote(m._meta.db_table) for m in models if m._meta.db_table not in flushed}
    with connection.cursor() as cursor:
        # A run with --nomigrations lacks the tables that SQL in a migration makes.
        cursor.execute(
            "SELECT name FROM unnest(%s::text[]) name WHERE to_regclass(name) IS NOT NULL",
            [[*tables]],
        )
        if present := [name for (name,) in cursor.fetchall()]:
            cursor.execute(f"TRUNCATE {', '.join(present)} RESTART IDENTITY CASCADE")
    reset_history(using=connection.alias)


@pytest.fixture
def connect(transactional_db: None) -> Iterator[Callable[..., Any]]:
    """Give a function that opens a raw connection of the chosen driver to the test database.

    `connect(alias="default", autocommit=False, **parameters)`: `parameters` are libpq's (user,
    application_name, options, ...). Connections left open are closed, and so rolled back, at the end.
    """
    with ExitStack() as stack:

        def open_connection(
            alias: str = "default", *, autocommit: bool = False, **parameters: Any
        ) -> Any:
            database = connections[alias].settings_dict
            arguments = {
                "host": database["HOST"],
                "port": database["PORT"],
                "user": database["USER"],
                "password": database["PASSWORD"],
                "dbname": database["NAME"],
                **parameters,
            }
            connection = raw_connection(**{k: v for k, v in arguments.items() if v != ""})
            connection.autocommit = autocommit
            stack.callback(connection.close)
            return connection

        yield open_connection


@pytest.fixture
def second_connection(connect: Callable[..., Any]) -> Any:
    """Give one raw connection beside Django's own, not in autocommit."""
    return connect()


@pytest.fixture
def own_server(request: pytest.FixtureRequest) -> Iterator[Callable[..., OwnServer]]:
    """Give a function that starts a fresh server of the test's own: `own_server(work_mem="64kB", ...)`.

    The server has `start`, `stop(mode)`, `restart(mode)`, `kill` (SIGKILL to all of it), `createdb`,
    `connect` and `attached(alias)`. It ends with the test. Its version is that of the run's server.
    """
    wanted = DEFAULT_VERSION if "://" in settings.POSTGRES else settings.POSTGRES
    with ExitStack() as stack:

        def start(**parameters: object) -> OwnServer:
            made = Run.current().own_server(wanted, parameters)
            server = OwnServer(made.binaries, made.directory, parameters)
            server.start()

            def end() -> None:
                if server.pid is not None:
                    server.stop("immediate")

            stack.callback(end)
            return server

        yield start


@pytest.fixture
def writing_function(transactional_db: None) -> Iterator[None]:
    """Make the function `write_tag()`, which inserts a tag and returns its name."""
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION write_tag() RETURNS text LANGUAGE sql AS"
            " $$ INSERT INTO testapp_tag (name) VALUES ('by a function') RETURNING name $$"
        )
    yield
    with connections["default"].cursor() as cursor:
        cursor.execute("DROP FUNCTION write_tag()")
