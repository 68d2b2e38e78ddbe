"""The demo as tests visit it: built once in a run, served by each process from a copy of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connections

from tests.databases import libpq_environment, raw_connection
from tests.servers import Run
from tests.structure.tree import ROOT

#: The finished demo; nobody connects to it, so that it can be copied.
BUILT = "demo_built"


@dataclass
class DemoSite:
    """A server of the demo's pages: its address, its database, and the session cookie of each account."""

    address: str
    database: str
    cookies: Mapping[str, str]

    def cookie(self, username: str) -> dict[str, str]:
        """Return the cookie of the session of an account."""
        return {"name": settings.SESSION_COOKIE_NAME, "value": self.cookies[username]}

    def query(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Return the rows of a statement in the demo's database; it is committed."""
        with _connected(self.database) as cursor:
            # Without parameters a percent sign stands for itself.
            cursor.execute(statement, parameters or None)
            rows: list[tuple[Any, ...]] = cursor.fetchall() if cursor.description else []
            return rows

    def revision(self, reason: str) -> int:
        """Return the number of the revision that was made for `reason`."""
        ((number,),) = self.query("SELECT id FROM audittrail.revision WHERE reason = %s", reason)
        return int(number)

    def renew(self) -> None:
        """Make the database again what it was when the demo was built."""
        _copy(self.database)


@contextmanager
def serving(name: str, *themes: str) -> Iterator[DemoSite]:
    """Serve the demo from the database `name`, built where necessary, for the length of the block.

    Apps named in `themes` change how the admin looks.
    """
    _build()
    _copy(name)
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.browser.serve_demo", *themes],
        cwd=ROOT,
        env=libpq_environment(name),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdin and server.stdout
    try:
        said = json.loads(server.stdout.readline())
        yield DemoSite(said["site"], name, said["cookies"])
    finally:
        server.stdin.close()
        server.wait(timeout=30)
        with _connected("postgres") as cursor:
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _build() -> None:
    with Run.current().locked("demo"):
        with _connected("postgres") as cursor:
            cursor.execute("SELECT FROM pg_database WHERE datname = %s", [BUILT])
            if cursor.fetchone() is not None:
                return
            cursor.execute(f"CREATE DATABASE {BUILT}")
        command = [sys.executable, "-m", "demo", "--check", "--existing-database"]
        subprocess.run(
            command, cwd=ROOT, env=libpq_environment(BUILT), check=True, stdout=subprocess.DEVNULL
        )


def _copy(name: str) -> None:
    with _connected("postgres") as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        cursor.execute(f"CREATE DATABASE {name} TEMPLATE {BUILT}")


@contextmanager
def _connected(dbname: str) -> Iterator[Any]:
    database = connections["default"].settings_dict
    parameters = {
        "host": database["HOST"],
        "port": database["PORT"],
        "user": database["USER"],
        "password": database["PASSWORD"],
        "dbname": dbname,
    }
    connection = raw_connection(**{key: value for key, value in parameters.items() if value})
    connection.autocommit = True
    try:
        yield connection.cursor()
    finally:
        connection.close()
