"""The database of a round: tables with a past that is known, and what can be asked about them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.databases import OwnServer

TEMPLATE = "crash_template"

#: The tables, with the columns that are compared: those that every job leaves there.
TABLES = {
    "branch": "id, name",
    "account": "id, owner, amount, branch",
    "entry": "id, amount",
    "large": "id, label",
}

MAKE = """
CREATE TABLE branch (id int PRIMARY KEY, name text NOT NULL);
CREATE TABLE account (id int PRIMARY KEY, owner text NOT NULL, amount int NOT NULL, branch int REFERENCES branch ON DELETE CASCADE);
CREATE TABLE entry (id int PRIMARY KEY, run int NOT NULL, amount int NOT NULL);
CREATE TABLE large (id int PRIMARY KEY, label text);
INSERT INTO large SELECT n, 'old ' || n FROM generate_series(1, 1000) n;
SELECT audittrail.track('branch'), audittrail.track('account'), audittrail.track('entry'),
       audittrail.track('large', baseline_limit => 0);
"""

#: The transactions of the past, by the reason that each gives.
PAST = {
    "one": """
        INSERT INTO branch SELECT n, 'branch ' || n FROM generate_series(1, 20) n;
        INSERT INTO account SELECT n, 'owner ' || n, n, 1 + n % 20 FROM generate_series(1, 600) n""",
    "two": """
        UPDATE account SET amount = amount * 2 WHERE id % 2 = 0;
        UPDATE large SET label = 'new ' || id WHERE id % 50 = 0""",
    "three": """
        DELETE FROM branch WHERE id = 5;
        INSERT INTO account SELECT n, 'late ' || n, n, 1 FROM generate_series(601, 700) n""",
    "four": """
        UPDATE account SET owner = 'new ' || owner WHERE id % 3 = 0;
        DELETE FROM account WHERE id % 11 = 0;
        DELETE FROM large WHERE id % 90 = 0""",
    "five": """
        UPDATE branch SET name = upper(name);
        INSERT INTO branch VALUES (5, 'again')""",
}

#: Many short transactions in between: closing and pruning go by the clock, in batches.
SHORT = """
DO $$ BEGIN
    FOR i IN 1 .. 700 LOOP
        UPDATE account SET amount = amount + 1 WHERE id = 1 + i % 50;
        COMMIT;
    END LOOP;
END $$
"""

#: The versions of each table, as rows of text, without the ticks: what two databases that did the same have in common.
VERSIONS = "SELECT (to_jsonb(h) - 'version' - 'revision_id' - 'superseded')::text FROM audittrail.{}_history h ORDER BY 1"

#: What must never be there: versions of no revision, revisions that were never stamped, and rows that differ from their history.
FAULTS = """
SELECT 'unstamped revision ' || id FROM audittrail.revision WHERE committed IS NULL OR committed_at IS NULL OR committed <= id
UNION ALL
SELECT format('%s: %s (%s, such as %s)', t.table_name, v.kind, v.rows, v.example)
  FROM audittrail.tracked_table t, audittrail.verify(t.id) v WHERE {in_step}
"""

ORPHANS = """
SELECT 'version of no revision in {0}: ' || count(*) FROM audittrail.{0}_history h
 WHERE NOT EXISTS (SELECT FROM audittrail.revision r WHERE r.id = h.revision_id) HAVING count(*) > 0
"""

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True)
class Moment:
    """A moment of the past: when it was committed, and what each table held then."""

    reason: str
    at: str
    rows: dict[str, Rows]


class Bank:
    """A connection to one of the databases, as a superuser."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def run(self, statement: str, parameters: Any = None) -> Rows:
        """Execute a statement; return its rows, if it has any."""
        with self.connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return [tuple(row) for row in cursor.fetchall()] if cursor.description else []

    def value(self, statement: str, parameters: Any = None) -> Any:
        """Return the one value of a query."""
        return self.run(statement, parameters)[0][0]

    def live(self) -> dict[str, Rows]:
        """Return what each table holds."""
        return {
            table: self.run(f"SELECT {columns} FROM {table} ORDER BY id")
            for table, columns in TABLES.items()
        }

    def as_of(self, at: str) -> dict[str, Rows]:
        """Return what each table held at a time, as history has it."""
        return {
            table: self.run(
                f"SELECT {columns} FROM audittrail.as_of(NULL::{table}, %s::timestamptz) ORDER BY id",
                [at],
            )
            for table, columns in TABLES.items()
        }

    def versions(self) -> dict[str, Rows]:
        """Return the versions of each table, without what tells when they were made."""
        return {table: self.run(VERSIONS.format(table)) for table in TABLES}

    def faults(self, *, in_step: bool = True) -> list[str]:
        """Return what is wrong with history, with `in_step` where it differs from the tables as well."""
        found = self.run(FAULTS.format(in_step=in_step))
        for table in TABLES:
            found += self.run(ORPHANS.format(table))
        return [text for (text,) in found]


def make(bank: Bank) -> list[Moment]:
    """Make the tables and their past; return its moments."""
    bank.run(MAKE)
    moments = []
    for reason, statements in PAST.items():
        context = f'SET LOCAL audittrail.context = \'{{"reason": "{reason}"}}\''
        bank.run(f"BEGIN; {context}; {statements}; COMMIT")
        at = bank.value(
            "SELECT committed_at::text FROM audittrail.revision WHERE reason = %s", [reason]
        )
        moments.append(Moment(reason, at, bank.live()))
        bank.run(SHORT)
    return moments


@contextmanager
def opened(server: OwnServer, database: str) -> Iterator[Bank]:
    """Give a connection to a database of a server."""
    connection = server.connect(database, autocommit=True)
    try:
        yield Bank(connection)
    finally:
        connection.close()
