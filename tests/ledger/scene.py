"""A small database with a history of everything, entered in a ledger, and the digests of it: what the tests tamper with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import connections

from audittrail.ledger import digests, entering, verifying
from audittrail.ledger.digests import Digest
from audittrail.ledger.findings import Report
from tests.databases import OwnServer

ALIAS = "ledgered"

TABLES = """
CREATE TYPE region AS ENUM ('north', 'south');
CREATE TYPE place AS (street text, number int);
CREATE TABLE shop (id int PRIMARY KEY, name text, city varchar(40), total numeric(10, 2), opened timestamptz, tags text[], details jsonb, money money, share float8, region region, regions region[], place place);
CREATE TABLE note (id int PRIMARY KEY, shop int REFERENCES shop ON DELETE CASCADE, body varchar(20));
CREATE TABLE visit (id int, day date, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE visit_2026 PARTITION OF visit FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE buyer (code text PRIMARY KEY, name text);
CREATE TABLE seller (code text PRIMARY KEY, name text);
INSERT INTO buyer VALUES ('b', 'Before it was tracked');
"""

#: Each is a transaction: the reason, and what it does.
TRANSACTIONS = (
    ("Opened", "INSERT INTO shop VALUES (1, 'Bakery', 'Bern', 10, '2026-01-31 12:00+01', '{a,b}', '{\"a\": 1}', '12.50', 0.1, 'north', '{north,NULL,south}', '(\"Main, East\",7)'), (2, 'Press', 'Graz', 20, NULL, NULL, NULL, NULL, 1e300, NULL, NULL, NULL)"),
    ("Notes", "INSERT INTO note SELECT n, 1 + n % 2, 'note ' || n FROM generate_series(1, 40) n"),
    ("Partners", "INSERT INTO visit VALUES (1, '2026-05-01'); INSERT INTO seller VALUES ('s', 'Mill'); UPDATE buyer SET name = 'Café'"),
    ("Prices", "UPDATE shop SET total = total * 2"),
    ("Renamed", "UPDATE shop SET name = 'Corner Bakery' WHERE id = 1"),
    ("Moved", "UPDATE shop SET city = 'Basel' WHERE id = 1"),
    ("Long", "DO $$ BEGIN FOR i IN 1..70 LOOP UPDATE note SET body = 'long ' || i WHERE id = 1; END LOOP; END $$"),
    ("Gone", "DELETE FROM note WHERE id > 30"),
    ("Key", "UPDATE note SET id = 100 WHERE id = 30"),
    ("Again", "INSERT INTO note VALUES (31, 1, 'again')"),
    ("Emptied", "UPDATE shop SET city = NULL WHERE id = 2"),
    ("Last", "UPDATE shop SET total = 99 WHERE id = 1"),
)  # fmt: skip


@dataclass
class Scene:
    """The scene: a server, its database, and how to do something there in SQL and by Django."""

    server: OwnServer
    database: str

    def run(self, *statements: str, context: dict[str, Any] | None = None) -> list[Any]:
        """Run statements, each in a transaction of its own, in a session of its own; return the rows of the last."""
        rows: list[Any] = []
        connection = self.server.connect(self.database, autocommit=True)
        try:
            with connection.cursor() as cursor:
                if context is not None:
                    cursor.execute(
                        "SELECT set_config('audittrail.context', %s, false)", [json.dumps(context)]
                    )
                for statement in statements:
                    cursor.execute(statement)
                    rows = cursor.fetchall() if cursor.description else []
        finally:
            connection.close()
        return rows

    def value(self, statement: str) -> Any:
        """Return the only value that a query gives."""
        ((value,),) = self.run(statement)
        return value

    def begin(self) -> None:
        """Make the tables, track them, and write their history."""
        self.run(
            TABLES,
            "SELECT audittrail.track(name::regclass) FROM unnest('{shop,note,visit,buyer,seller}'::text[]) name",
        )
        for number, (reason, statement) in enumerate(TRANSACTIONS):
            context = {"reason": reason, "user": 7, "ticket": number}
            self.run(statement, context=context)

    @contextmanager
    def attached(self) -> Iterator[str]:
        """Make it the database `ALIAS` of Django, unless it is that already."""
        if ALIAS in connections.settings:
            yield ALIAS
            return
        with self.server.attached(ALIAS, self.database):
            yield ALIAS

    def digest(self, file: Path, **options: Any) -> Digest:
        """Make a digest, write it to a file, and read it again."""
        with self.attached():
            file.write_text(json.dumps(digests.make(ALIAS, **options)))
        return digests.read(str(file))

    def verify(self, *against: Digest) -> Report:
        """Verify the database against digests."""
        with self.attached():
            return verifying.verify(ALIAS, against=against)

    def enter(self) -> None:
        """Enter what is settled."""
        with self.attached():
            entering.begin(ALIAS)
            entering.enter(ALIAS)

    def rebuild(self) -> None:
        """Make the ledger anew from history as it is, under its id: what an owner does who knows how it works."""
        (((number),),) = self.run("SELECT id::text FROM audittrail.ledger")
        self.run(
            "TRUNCATE audittrail.ledger, audittrail.ledger_entry, audittrail.ledger_layout, audittrail.ledger_tile",
            f"INSERT INTO audittrail.ledger (id) VALUES ('{number}')",
        )
        self.enter()


def told(report: Report) -> Sequence[str]:
    """Return what a report has found, as texts."""
    return [str(finding) for finding in report.findings]
