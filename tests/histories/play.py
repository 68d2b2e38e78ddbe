"""Play random steps over several connections from one thread, and note the truth as it goes.

After every commit a separate connection reads all tables: that content, not a model of SQL, is the truth which history
has to give back for the revision of that commit. Around every statement its own connection reads them too: what it
changed, one by one, is what the versions have to say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.histories import record, witness
from tests.histories.record import Content, Row
from tests.histories.schemas import Schema, Table
from tests.histories.writes import CHANGES, CONTROL, Step, schema_change, statement

#: SQLSTATE classes of errors that an application may well get: data, constraints, concurrency, its own RAISE.
EXPECTED = ("21", "22", "23", "27", "40", "55", "0A", "2D", "P0", "25", "3B")
ISOLATION = {
    "begin": "BEGIN",
    "begin repeatable read": "BEGIN ISOLATION LEVEL REPEATABLE READ",
    "begin serializable": "BEGIN ISOLATION LEVEL SERIALIZABLE",
}


@dataclass(frozen=True)
class Change:
    """What a statement made of one row; None is no row."""

    table: str
    key: tuple[Any, ...]
    before: Row | None
    after: Row | None


@dataclass
class Client:
    """A connection and what its open transaction has done so far."""

    connection: Any
    open: bool = False
    failed: bool = False
    #: Name of each savepoint and how many changes had been made by then.
    savepoints: list[tuple[str, int]] = field(default_factory=list)
    #: Changes with their place in time.
    pending: list[tuple[int, Change]] = field(default_factory=list)
    changed_schema: bool = False


class Play:
    """Several clients and an observer in one database that holds a random schema."""

    def __init__(self, schema: Schema, connect: Callable[[], Any], clients: int) -> None:
        """Make the schema with the first of the connections that `connect` opens (in autocommit)."""
        self.schema = schema
        self.observer = connect()
        self.clients = [Client(connect()) for _ in range(clients)]
        self.version = int(record.fetch(self.observer, "SHOW server_version_num")[0][0]) // 10000
        for text in schema.statements():
            self._execute(self.observer, text)
        self.columns = {table.name: record.columns(self.observer, table) for table in schema.tables}
        #: Every name that a column has had, the latest last: history keeps dropped ones under it.
        self.names = {
            name: {number: column for number, (column, _) in found.items()}
            for name, found in self.columns.items()
        }
        if schema.witnessed:
            self._witness()
        for client in self.clients:
            self._execute(client.connection, "SET lock_timeout = '5ms'")
        self._execute(self.observer, "SET default_transaction_isolation = 'repeatable read'")
        self.script: list[str] = []
        self.clock = 0
        self.changes: list[tuple[int, Change]] = []
        self.seen = record.commits(self.observer)
        self.content = {table.name: record.live(self.observer, table) for table in schema.tables}
        #: The truth: the content of every table after the commit of each revision.
        self.truth: dict[int, dict[str, Content]] = {}
        #: The columns that history knew of by then: it learns of new ones at the table's next write.
        self.followed: dict[int, dict[str, list[int]]] = {}
        #: The first that happened against a promise at the moment of a commit.
        self.complaints: list[str] = []

    def _witness(self) -> None:
        names = {
            table: [column for column, _ in found.values()] for table, found in self.columns.items()
        }
        for text in witness.statements(self.schema, names):
            self._execute(self.observer, text)

    def _execute(self, connection: Any, text: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(text)

    def step(self, step: Step) -> None:
        """Let a client do something; errors that PostgreSQL may rightly raise are part of the play."""
        client = self.clients[step.client]
        if step.action in CONTROL:
            self._control(client, step)
        elif not client.failed:
            self._write(client, step)

    def finish(self) -> None:
        """Commit what is still open, complete the baselines and bring tracking in step."""
        for number, client in enumerate(self.clients):
            if client.open:
                self._control(client, Step(number, "commit"))
        for number, table in enumerate(self.schema.tables):
            while self._remaining(table):
                self._write(self.clients[0], Step(0, "backfill", number))
            self._write(self.clients[0], Step(0, "track", number))

    def _remaining(self, table: Table) -> bool:
        return not record.fetch(
            self.observer,
            f"SELECT baseline_complete FROM audittrail.tracked_table WHERE table_name = '{table.name}'",
        )[0][0]

    def _try(self, client: Client, text: str) -> bool:
        self.script.append(f"{self.clients.index(client)}: {text}")
        try:
            self._execute(client.connection, text)
        except Exception as error:
            code = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
            self.script.append(f"   {code} {error}")
            if (
                not code
                or not code.startswith(EXPECTED)
                or "audittrail" in str(error).split("CONTEXT")[0]
            ) and "could remove rows" not in str(error):
                raise AssertionError("\n".join(self.script)) from error
            client.failed = client.open
            return False
        return True

    def _control(self, client: Client, step: Step) -> None:
        action = step.action
        if action in ISOLATION:
            if not client.open and self._try(client, ISOLATION[action]):
                client.open = True
        elif not client.open:
            return
        elif action.startswith("constraints"):
            if not client.failed:
                self._write(client, step)
        elif action == "savepoint":
            if not client.failed and self._try(client, "SAVEPOINT s"):
                client.savepoints.append(("s", len(client.pending)))
        elif action == "release":
            if client.savepoints and not client.failed:
                self._try(client, "RELEASE s")
                client.savepoints.pop()
        elif action == "rollback to":
            if client.savepoints:
                client.failed = False
                self._try(client, "ROLLBACK TO s")
                del client.pending[client.savepoints[-1][1] :]
        else:
            self._end(client, action)

    def _end(self, client: Client, action: str) -> None:
        committing = action.startswith("commit") and not client.failed
        done = self._try(client, action.upper())
        client.open = done and action.endswith("chain")
        client.failed = False
        pending = client.pending if done and committing else []
        changed_schema = client.changed_schema
        client.pending, client.savepoints, client.changed_schema = [], [], False
        self._observe(pending, changed_schema)

    def _write(self, client: Client, step: Step) -> None:
        table = self.schema.tables[step.table]
        present = dict(record.columns(client.connection, table).values())
        if step.action in CHANGES and step.action != "track":
            text = schema_change(table, step, present, f"c_{self.clock}")
        else:
            text = statement(self.schema, step, present, self.version)
        before = self._view(client)
        if not self._try(client, text):
            self._observe([], changed_schema=False)
            return
        client.changed_schema |= step.action in CHANGES
        after = self._view(client)
        made = list(self._differences(before, after))
        self.clock += 1
        client.pending += [(self.clock, change) for change in made]
        if not client.open:
            pending, client.pending = client.pending, []
            changed_schema, client.changed_schema = client.changed_schema, False
            self._observe(pending, changed_schema)

    def _view(self, client: Client) -> dict[str, Content]:
        """Return what a client sees of the tables that nobody else has locked; the others it can't have changed."""
        locked = self._locked(client)
        return {
            table.name: record.live(client.connection, table)
            for table in record.tables_without(self.schema, locked)
        }

    def _locked(self, client: Client | None = None) -> set[str]:
        own = "0"
        if client is not None:
            own = str(record.fetch(client.connection, "SELECT pg_backend_pid()")[0][0])
        # A partition that is locked makes its table unreadable as well.
        found = record.fetch(
            self.observer,
            "SELECT DISTINCT split_part(c.relname, '_', 1) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation"
            " WHERE l.mode = 'AccessExclusiveLock' AND c.relnamespace = 'public'::regnamespace"
            f" AND c.relkind IN ('r', 'p') AND l.pid <> {own}",
        )
        return {name for (name,) in found}

    def _differences(
        self, before: dict[str, Content], after: dict[str, Content]
    ) -> Sequence[Change]:
        return [
            Change(table, key, before[table].get(key), after[table].get(key))
            for table in before
            for key in before[table].keys() | after[table].keys()
            if table in after and before[table].get(key) != after[table].get(key)
        ]

    def _observe(self, pending: list[tuple[int, Change]], changed_schema: bool) -> None:
        """Note the truth after what may have been a commit, with its revision."""
        self.changes += pending
        locked = self._locked()
        self._execute(self.observer, "BEGIN")
        content = self.content | {
            table.name: record.live(self.observer, table)
            for table in record.tables_without(self.schema, locked)
        }
        followed = dict(
            record.fetch(
                self.observer,
                "SELECT table_name, ARRAY(SELECT (c ->> 'attnum')::int FROM jsonb_array_elements(columns) c)"
                " FROM audittrail.tracked_table",
            )
        )
        for table in record.tables_without(self.schema, locked):
            self.columns[table.name] = record.columns(self.observer, table)
            self.names[table.name] |= {
                number: name for number, (name, _) in self.columns[table.name].items()
            }
        seen = record.commits(self.observer)
        self._execute(self.observer, "COMMIT")
        new = sorted(seen.keys() - self.seen.keys(), key=lambda number: seen[number])
        if new and self.seen and min(seen[n] for n in new) < max(self.seen.values()):
            self._complain("a commit got a tick before that of an earlier commit")
        if len(new) > 1:
            self._complain(f"one commit made {len(new)} revisions")
        if content != self.content and not changed_schema and not new:
            self._complain("a commit changed something and made no revision")
        if self.schema.plain and bool(new) != bool(pending):
            self._complain(f"{len(pending)} changes were committed, {len(new)} revisions made")
        for number in new:
            self.truth[number] = content
            self.followed[number] = followed
        self.content, self.seen = content, seen

    def _complain(self, text: str) -> None:
        self.script.append(f"   !! {text}")
        self.complaints.append(text)
