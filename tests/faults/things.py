"""The tracked table `thing`, clients of it, and what its history says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.concurrency.accounts import Client

TABLE = "CREATE TABLE thing (id int PRIMARY KEY, amount int NOT NULL, label text)"


class Things:
    """The table `thing` of one database."""

    def __init__(self, connect: Callable[..., Any]) -> None:
        """Use a function that opens connections in autocommit from libpq's parameters."""
        self.connect = connect
        self.observer = self.client("observer")

    def client(self, name: str) -> Client:
        """Connect under an application name."""
        return Client(self.connect(application_name=name))

    def rows(self) -> list[tuple[Any, ...]]:
        """Return what the table holds."""
        return self.observer.run("SELECT id, amount FROM thing ORDER BY id")

    def versions(self) -> list[tuple[Any, ...]]:
        """Return who did what to which row, in order."""
        return self.observer.run(
            "SELECT r.application_name, h.operation::text, h.id, h.amount"
            " FROM audittrail.thing_history h LEFT JOIN audittrail.revision r ON r.id = h.revision_id"
            " ORDER BY h.version, h.id"
        )

    def revisions(self) -> list[str]:
        """Return who made the revisions, in commit order."""
        return [
            name
            for (name,) in self.observer.run(
                "SELECT application_name FROM audittrail.revision ORDER BY committed"
            )
        ]

    def last_tick(self) -> int:
        """Return the highest tick that a version or a commit bears."""
        return int(
            self.observer.value(
                "SELECT greatest((SELECT max(version) FROM audittrail.thing_history),"
                " (SELECT max(committed) FROM audittrail.revision))"
            )
        )

    def check(self) -> None:
        """Assert that the table agrees with its history, and that each revision is whole."""
        assert (
            self.observer.run(
                "SELECT f.* FROM audittrail.tracked_table t, audittrail.verify(t.id) f"
                " WHERE t.table_name = 'thing'"
            )
            == []
        )
        assert (
            self.observer.run(
                "SELECT r.id, h.version FROM audittrail.revision r"
                " FULL JOIN audittrail.thing_history h ON h.revision_id = r.id"
                " WHERE r.id IS NULL OR h.version IS NULL OR r.committed IS NULL"
                " OR r.committed_at IS NULL OR h.version >= r.committed"
            )
            == []
        )
