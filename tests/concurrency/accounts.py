"""A database with one tracked table, and what its revisions say."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from pytest_django import DjangoDbBlocker

from tests.builders.fresh import Fresh

TABLES = """
CREATE TABLE account (id int PRIMARY KEY, balance int NOT NULL DEFAULT 0, label text);
INSERT INTO account (id) SELECT generate_series(1, 9);
SELECT audittrail.track('account');
"""


class Client:
    """A connection in autocommit; the revisions that it makes bear its name."""

    def __init__(self, connection: Any) -> None:
        """Use an open connection."""
        self.connection = connection

    def run(self, *statements: str) -> list[tuple[Any, ...]]:
        """Execute statements one after the other and return the rows of the last one."""
        with self.connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []

    def value(self, statement: str) -> Any:
        """Execute a statement and return the only value of its result."""
        ((result,),) = self.run(statement)
        return result


class Accounts:
    """The table `account`, clients of it, and the history of both."""

    def __init__(
        self, database: Fresh, threads: ThreadPoolExecutor, blocker: DjangoDbBlocker
    ) -> None:
        """Make the table in a database, or put all of its rows back to 0."""
        self.database = database
        self.threads = threads
        self.blocker = blocker
        self.observer = self.client("observer")
        if self.observer.value("SELECT to_regclass('account') IS NULL"):
            self.observer.run(TABLES)
        self.observer.run("UPDATE account SET balance = 0, label = NULL")
        self.first = self.observer.value(
            "SELECT coalesce(max(committed), 0) FROM audittrail.revision"
        )

    def client(self, name: str) -> Client:
        """Connect under an application name."""
        return Client(self.database.connect(application_name=name))

    @contextmanager
    def attached(self, alias: str) -> Iterator[BaseDatabaseWrapper]:
        """Make the database known to Django under an alias."""
        with (
            self.blocker.unblock(),
            self.database.server.attached(alias, self.database.name) as made,
        ):
            yield made

    def in_background(self, client: Client, statement: str) -> Future[Any]:
        """Let a client execute a statement in a thread."""
        return self.threads.submit(client.run, statement)

    def wait_until(self, question: str) -> None:
        """Ask the database until the answer is true."""
        deadline = time.monotonic() + 30
        while not self.observer.value(question):
            assert time.monotonic() < deadline, f"{question} stayed false"
            time.sleep(0.002)

    def wait_for_lock(self, number: int) -> None:
        """Wait until somebody waits for an advisory lock."""
        self.wait_until(
            f"SELECT EXISTS (SELECT FROM pg_locks WHERE objid = {number} AND NOT granted)"
        )

    def order(self) -> list[str]:
        """Return who made the revisions since the table was tracked, in commit order."""
        return [
            name
            for (name,) in self.observer.run(
                f"SELECT application_name FROM audittrail.revision WHERE committed > {self.first} ORDER BY committed"
            )
        ]

    def versions(self) -> int:
        """Return how many versions there are."""
        return int(self.observer.value("SELECT count(*) FROM audittrail.account_history"))

    def balances_as_of(self, name: str) -> dict[int, int]:
        """Return the balances as of the last revision of a client, by the rule of visibility."""
        return dict(
            self.observer.run(
                "SELECT DISTINCT ON (h.id) h.id, h.balance FROM audittrail.account_history h"
                " JOIN audittrail.revision r ON r.id = h.revision_id"
                " WHERE r.committed <= (SELECT max(committed) FROM audittrail.revision"
                f" WHERE application_name = '{name}') ORDER BY h.id, h.version DESC"
            )
        )

    def check(self) -> None:
        """Assert what holds for every history: all is stamped, after its last version, and the table agrees."""
        assert (
            self.observer.run(
                "SELECT r.id FROM audittrail.revision r WHERE committed IS NULL OR committed_at IS NULL"
                " OR EXISTS (SELECT FROM audittrail.account_history h WHERE h.revision_id = r.id AND h.version >= r.committed)"
            )
            == []
        )
        assert (
            self.observer.run(
                "SELECT revision_id FROM audittrail.account_history h"
                " WHERE NOT EXISTS (SELECT FROM audittrail.revision r WHERE r.id = h.revision_id)"
            )
            == []
        )
        assert (
            self.observer.run(
                "SELECT f.* FROM audittrail.tracked_table t, audittrail.verify(t.id) f"
            )
            == []
        )
        assert self.observer.run(
            "SELECT id, committed FROM audittrail.long_revision ORDER BY id"
        ) == self.observer.run(
            "SELECT id, committed FROM audittrail.revision WHERE committed - id > 64 ORDER BY id"
        )
