"""Reach test databases outside Django's own connections: by a raw connection, or on a server of one's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from django.conf import settings
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from tests.servers import SUPERUSER, Server


def raw_connection(**parameters: Any) -> Any:
    """Open a connection of the chosen driver with libpq's `parameters`."""
    if settings.DRIVER == "psycopg":
        import psycopg

        return psycopg.connect(**parameters)
    import psycopg2

    return psycopg2.connect(**parameters)


def libpq_environment(dbname: str) -> dict[str, str]:
    """Return an environment for a program that shall use `dbname` on the run's server, by libpq's variables."""
    database = connections["default"].settings_dict
    variables = {
        "PGHOST": database["HOST"],
        "PGPORT": database["PORT"],
        "PGUSER": database["USER"],
        "PGPASSWORD": database["PASSWORD"],
        "PGDATABASE": dbname,
    }
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
    return inherited | {key: str(value) for key, value in variables.items() if value}


class OwnServer(Server):
    """Add to a server of the test's own what the test does with it from Django and from a driver."""

    def connect(
        self, dbname: str = "postgres", *, autocommit: bool = False, **parameters: Any
    ) -> Any:
        """Open a raw connection to `dbname`; the caller closes it."""
        connection = raw_connection(host=self.host, user=SUPERUSER, dbname=dbname, **parameters)
        connection.autocommit = autocommit
        return connection

    @contextmanager
    def attached(self, alias: str, dbname: str = "postgres") -> Iterator[BaseDatabaseWrapper]:
        """Make `dbname` of this server the Django database `alias` for the length of a with block.

        The test needs no mark for it, and may use it in threads as well.
        """
        connections.settings[alias] = {
            **connections.settings["default"],
            "NAME": dbname,
            "USER": SUPERUSER,
            "PASSWORD": "",
            "HOST": self.host,
            "PORT": "",
        }
        guarded = BaseDatabaseWrapper.ensure_connection

        def ensure_connection(connection: BaseDatabaseWrapper) -> None:
            # Django and pytest-django forbid databases that were unknown when the test began.
            if connection.alias != alias:
                guarded(connection)
            elif connection.connection is None:
                with connection.wrap_database_errors:
                    connection.connect()

        with mock.patch.object(BaseDatabaseWrapper, "ensure_connection", ensure_connection):
            try:
                yield connections[alias]
            finally:
                connections[alias].close()
                del connections[alias], connections.settings[alias]
