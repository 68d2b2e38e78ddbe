"""Play random steps over several connections from one thread, and note the truth as it goes.

After every commit a separate connection reads all tables: that content, not a model of SQL, is the truth which history
has to give back for the revision of that commit. Around every statement its own connection reads them too: what it
changed, one by one, is what the versions have to say.

A prepared transaction takes its place when it is prepared, and is seen when it is ended, by whichever client.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tests.histories import record, witness
from tests.histories.clients import (
    ISOLATION,
    MOST_PREPARED,
    Change,
    Client,
    Prepared,
    code,
    is_expected,
)
from tests.histories.moments import Followed, Moment, Moments, State
from tests.histories.record import Content
from tests.histories.schemas import Schema, Table
from tests.histories.writes import CHANGES, CONTROL, PREPARED, Step, schema_change, statement


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
        self.state = self._read(set())
        self.moments = Moments()
        self.prepared: list[Prepared] = []
        #: How many transactions with a TRUNCATE have been committed.
        self.truncations = 0
        #: The first that happened against a promise at the moment of a commit.
        self.complaints: list[str] = []

    @property
    def content(self) -> dict[str, Content]:
        """Give what every table holds now."""
        return self.state.content

    @property
    def truth(self) -> dict[int, dict[str, Content]]:
        """Give what every table held after the commit of each revision."""
        return {n: state.content for n, state in self.moments.of_revisions().items()}

    @property
    def followed(self) -> dict[int, Followed]:
        """Give the columns that history knew of by then."""
        return {n: state.followed for n, state in self.moments.of_revisions().items()}

    def _witness(self) -> None:
        names = {
            table: [column for column, _ in found.values()] for table, found in self.columns.items()
        }
        for text in witness.statements(self.schema, names):
            self._execute(self.observer, text)

    def _execute(self, connection: Any, text: str) -> None:
        record.execute(connection, text)

    def step(self, step: Step) -> None:
        """Let a client do something; errors that PostgreSQL may rightly raise are part of the play."""
        client = self.clients[step.client]
        if step.action in PREPARED:
            self._end_prepared(client, step)
        elif step.action in CONTROL:
            self._control(client, step)
        elif not client.failed:
            self._write(client, step)

    def finish(self) -> None:
        """Commit what is still open or prepared, complete the baselines and bring tracking in step."""
        for number, client in enumerate(self.clients):
            if client.open:
                self._control(client, Step(number, "commit"))
        while self.prepared:
            self.step(Step(0, "commit prepared"))
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
            self.script.append(f"   {code(error)} {error}")
            if not is_expected(error, self._refusals(client)):
                raise AssertionError("\n".join(self.script)) from error
            client.failed = client.open
            return False
        return True

    def _refusals(self, client: Client) -> list[str]:
        """Return why audittrail may refuse a write of this client: others have changed tables since it began, or truncated them."""
        refusals = []
        if client.open and self.schema.changing:
            refusals.append("has been changed")
        if client.open and self.truncations > client.truncations:
            refusals.append("may have deleted")
        return refusals

    def _control(self, client: Client, step: Step) -> None:
        action = step.action
        if action in ISOLATION:
            if not client.open and self._try(client, ISOLATION[action]):
                client.open, client.truncations = True, self.truncations
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
        elif action != "prepare":
            self._end(client, action)
        elif len(self.prepared) < MOST_PREPARED:
            self._prepare(client)

    def _prepare(self, client: Client) -> None:
        ((database,),) = record.fetch(self.observer, "SELECT current_database()")
        identifier = f"{database} {len(self.script)}"
        committing = not client.failed
        done = self._try(client, f"PREPARE TRANSACTION '{identifier}'")
        pending, changed_schema, truncated = client.pending, client.changed_schema, client.truncated
        client.open, client.failed, client.truncated = False, False, False
        client.pending, client.savepoints, client.changed_schema = [], [], False
        self._observe([], changed_schema=False)
        if done and committing:
            unsettled = None if self.prepared else self.is_unsettled()
            moment = self.moments.add(self.state)
            self.prepared.append(
                Prepared(identifier, pending, changed_schema, truncated, moment, unsettled)
            )

    def _end_prepared(self, client: Client, step: Step) -> None:
        if client.open or not self.prepared:
            return
        one = self.prepared.pop(step.key % len(self.prepared))
        done = self._try(client, f"{step.action.upper()} '{one.identifier}'")
        assert done, "\n".join(self.script)
        if step.action == "commit prepared":
            self.truncations += one.truncated
            self._observe(one.pending, one.changed_schema, one.moment)
            if one.unsettled not in (None, one.moment.revision is not None):
                self._complain(f"it was {one.unsettled} that readers had to wait for this revision")
        else:
            self._observe([], changed_schema=False)
        if not self.prepared and self.is_unsettled():
            self._complain("readers have to wait for nobody")

    def is_unsettled(self) -> bool:
        """Tell whether readers have to wait for somebody who has a place and can't be seen."""
        try:
            self._execute(self.observer, "SELECT audittrail.settled_tick('0')")
        except Exception as error:
            if code(error) != "55006":
                raise
            return True
        return False

    def _end(self, client: Client, action: str) -> None:
        committing = action.startswith("commit") and not client.failed
        done = self._try(client, action.upper())
        client.open = done and action.endswith("chain")
        client.failed = False
        pending = client.pending if done and committing else []
        changed_schema = client.changed_schema
        self.truncations += client.truncated and committing
        client.truncated, client.truncations = False, self.truncations
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
        client.truncated |= text.startswith("TRUNCATE")
        after = self._view(client)
        made = list(self._differences(before, after))
        self.clock += 1
        client.pending += [(self.clock, change) for change in made]
        if not client.open:
            pending, client.pending = client.pending, []
            changed_schema, client.changed_schema = client.changed_schema, False
            self.truncations += client.truncated
            client.truncated = False
            self._observe(pending, changed_schema)

    def _view(self, client: Client) -> dict[str, Content]:
        """Return what a client sees of the tables that nobody else has locked; the others it can't have changed."""
        locked = self._locked(client)
        return {
            table.name: record.live(client.connection, table)
            for table in record.tables_without(self.schema, locked)
        }

    def _locked(self, client: Client | None = None) -> set[str]:
        return record.locked(self.observer, client.connection if client else self.observer)

    def _differences(
        self, before: dict[str, Content], after: dict[str, Content]
    ) -> Sequence[Change]:
        return [
            Change(table, key, before[table].get(key), after[table].get(key))
            for table in before
            for key in before[table].keys() | after[table].keys()
            if table in after and before[table].get(key) != after[table].get(key)
        ]

    def _read(self, locked: set[str]) -> State:
        """Return what can be seen now; what is locked is as it was."""
        tables = record.tables_without(self.schema, locked)
        followed = record.fetch(
            self.observer,
            "SELECT table_name, ARRAY(SELECT (c ->> 'attnum')::int FROM jsonb_array_elements(columns) c)"
            " FROM audittrail.tracked_table",
        )
        content = {table.name: record.live(self.observer, table) for table in tables}
        return State(self.content | content if locked else content, dict(followed))

    def _observe(
        self,
        pending: list[tuple[int, Change]],
        changed_schema: bool,
        moment: Moment | None = None,
    ) -> None:
        """Note the truth after what may have been a commit, with its revision; `moment` is its place if it was prepared."""
        self.changes += pending
        locked = self._locked()
        self._execute(self.observer, "BEGIN")
        state = self._read(locked)
        for table in record.tables_without(self.schema, locked):
            self.columns[table.name] = record.columns(self.observer, table)
            self.names[table.name] |= {
                number: name for number, (name, _) in self.columns[table.name].items()
            }
        seen = record.commits(self.observer)
        self._execute(self.observer, "COMMIT")
        new = sorted(seen.keys() - self.seen.keys(), key=lambda number: seen[number])
        if len(new) > 1:
            self._complain(f"one commit made {len(new)} revisions")
        if state.content != self.content and not changed_schema and not new:
            self._complain("a commit changed something and made no revision")
        if self.schema.plain and bool(new) != bool(pending):
            self._complain(f"{len(pending)} changes were committed, {len(new)} revisions made")
        if moment is not None:
            self.moments.reveal(moment, new[0] if new else None, self.state, state)
        else:
            for number in new:
                self.moments.add(state, number)
        self.state, self.seen = state, seen
        if not self.moments.are_in_order(seen):
            self._complain("ticks are not in the order of the commits")

    def _complain(self, text: str) -> None:
        self.script.append(f"   !! {text}")
        self.complaints.append(text)
