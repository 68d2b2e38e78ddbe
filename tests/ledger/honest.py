"""Random honest histories: writes, migrations, corrections, redactions, prunings, rollbacks, dumps; no ledger may raise an alarm.

`python -m tests.ledger.honest [--histories 10000] [--seed N] [--seconds S]` plays many of them, one after the other in one database, and
says which seed raised an alarm, if one did.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing as closing_connection
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from tests.databases import OwnServer
from tests.servers import DEFAULT_VERSION, SUPERUSER, Run

ALIAS = "honest"

TYPES = ("int", "bigint", "text", "varchar(30)", "numeric(12,2)", "numeric", "float8", "boolean", "timestamptz", "date", "jsonb", "interval", "bytea", "int[]", "mood", "mood[]", "money", "timestamp")  # fmt: skip

VALUES = {
    "int": "{n}",
    "bigint": "{n}",
    "text": "'t {n}'",
    "varchar(30)": "'v {n}'",
    "numeric(12,2)": "{n}.5",
    "numeric": "{n}.250",
    "float8": "{n} / 7.0",
    "boolean": "{n} % 2 = 0",
    "timestamptz": "'2026-01-01 10:00+00'::timestamptz + {n} * interval '1 hour'",
    "date": "'2026-01-01'::date + {n}",
    "jsonb": "'{{\"n\": {n}.0}}'",
    "interval": "{n} * interval '1 day 3 seconds'",
    "bytea": "'\\x0{d}ff'",
    "int[]": "ARRAY[{n}, NULL]",
    "mood": "(enum_range(NULL::mood))[1 + {n} % 3]",
    "mood[]": "ARRAY[(enum_range(NULL::mood))[1 + {n} % 3], NULL, (enum_range(NULL::mood))[1 + {d} % 3]]",
    "money": "{n}.25::numeric::money",
    "timestamp": "'2026-01-01 10:00'::timestamp + {n} * interval '1 hour'",
}

#: Into what a column of a type may be changed; most without a loss, some not.
RETYPES = {
    "integer": ("bigint", "text", "numeric", "float8"),
    "bigint": ("text", "numeric"),
    "text": ("varchar(100)", "varchar(4)"),
    "character varying(30)": ("text", "varchar(60)", "varchar(3)"),
    "numeric(12,2)": ("numeric(14,4)", "numeric", "numeric(12,0)", "int"),
    "numeric": ("text", "numeric(9,1)"),
    "double precision": ("text", "int"),
    "timestamp with time zone": ("timestamp", "date", "text"),
    "timestamp without time zone": ("timestamptz", "date", "text"),
    "date": ("timestamp", "timestamptz", "text"),
    "interval": ("text", "interval(0)"),
    "money": ("numeric", "text"),
    "bytea": ("text",),
    "jsonb": ("text",),
    "mood": ("text", "varchar(3)"),
    "mood[]": ("text",),
    "boolean": ("text",),
}

#: Histories a session plays: PostgreSQL looks at all plans that a session keeps whenever a table changes, and their functions are many.
SESSION = 20

#: Histories that are played in one database: its catalogs grow with each, and with them the time that the next one takes.
DATABASE = 100

SETTINGS = (
    "SET TimeZone = 'Asia/Kolkata'",
    "SET DateStyle = 'SQL, DMY'",
    "SET extra_float_digits = -5",
    "SET bytea_output = 'escape'",
    "SET IntervalStyle = 'iso_8601'",
    "SET search_path = public, pg_temp",
    "SET default_transaction_isolation = 'repeatable read'",
    "RESET ALL",
)


@dataclass
class Honest:
    """One database in which histories are played; `execute` runs SQL in the writer's session."""

    server: OwnServer
    database: str
    connection: Any
    directory: Path
    dice: Random = field(default_factory=Random)
    script: list[str] = field(default_factory=list)
    digests: list[Any] = field(default_factory=list)
    number: int = 0
    played: Counter[str] = field(default_factory=Counter)

    def execute(self, statement: str) -> list[Any]:
        """Run SQL; return its rows. An error of the statement is part of the history."""
        self.script.append(statement)
        with self.connection.cursor() as cursor:
            try:
                cursor.execute(statement)
            except Exception as error:  # noqa: BLE001 (whatever it is, it is told)
                self.script.append(f"   {str(error).splitlines()[0]}")
                with suppress(Exception):
                    cursor.execute("ROLLBACK")
                return []
            return cursor.fetchall() if cursor.description else []

    def play(self, seed: int, steps: int) -> None:
        """Play a history, and verify it."""
        self.dice, self.script, self.digests = Random(seed), [], []
        self.reset()
        for _ in range(self.dice.randint(1, 2)):
            self.make_table()
        for _ in range(steps):
            self.step()
        self.note_digest()
        if self.dice.random() < 0.3:
            self.step()
        self.verify()

    def reset(self) -> None:
        """Forget everything: tables, history, ledger."""
        self.execute("RESET ALL")
        self.execute("SET session_replication_role = replica")
        for (number,) in self.execute(
            "SELECT id FROM audittrail.tracked_table WHERE until_version IS NULL"
        ):
            self.execute(f"SELECT audittrail.untrack({number})")
        for (history,) in self.execute("SELECT history_name FROM audittrail.tracked_table"):
            self.execute(f'DROP TABLE IF EXISTS audittrail."{history}"')
        for (name,) in self.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
        ):
            self.execute(f'DROP TABLE "{name}" CASCADE')
        self.execute(
            "DELETE FROM audittrail.tracked_table; DELETE FROM audittrail.revision; DELETE FROM audittrail.long_revision; DELETE FROM audittrail.ledger;"
            " DELETE FROM audittrail.ledger_entry; DELETE FROM audittrail.ledger_layout; DELETE FROM audittrail.ledger_tile; DELETE FROM audittrail.digest;"
            " SELECT setval('audittrail.clock', 1)"
        )
        self.execute("RESET ALL")
        self.number = 0

    def step(self) -> None:
        """Do something, drawn at random."""
        actions: list[tuple[int, Callable[[], None]]] = [
            (30, self.write),
            (4, self.transaction),
            (2, self.make_table),
            (7, self.migrate),
            (6, self.edit),
            (4, self.redact),
            (3, self.prune),
            (2, self.roll_back),
            (4, self.maintain),
            (9, self.enter),
            (4, self.note_digest),
            (2, self.backfill),
            (4, self.set),
        ]
        weights = [weight for weight, _ in actions]
        (chosen,) = self.dice.choices([action for _, action in actions], weights)
        name = chosen.__name__
        self.played[name] += 1
        chosen()

    def set(self) -> None:
        """Change a setting of the session, of which nothing may depend."""
        self.execute(self.dice.choice(SETTINGS))

    def tables(self) -> list[str]:
        """Return the tables that there are."""
        return [
            name
            for (name,) in self.execute(
                "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1"
            )
        ]

    def columns(self, table: str) -> list[tuple[str, str]]:
        """Return the names and types of a table's columns beside the key."""
        return [
            (name, type_)
            for name, type_ in self.execute(
                f"SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = '{table}'::regclass"
                " AND attnum > 0 AND NOT attisdropped AND attname NOT IN ('id', 'code') ORDER BY attnum"
            )
        ]

    def value(self, type_: str) -> str:
        """Return a value of a type, as SQL."""
        n = self.dice.randint(0, 40)
        if self.dice.random() < 0.2:
            return "NULL"
        short = {"integer": "int", "character varying(30)": "varchar(30)", "double precision": "float8", "timestamp with time zone": "timestamptz", "timestamp without time zone": "timestamp", "integer[]": "int[]"}  # fmt: skip
        form = VALUES.get(short.get(type_, type_))
        if form is None:
            form = "'{n}'" if "text" in type_ or "char" in type_ or "numeric" in type_ else "NULL"
        return form.format(n=n, d=n % 10)

    def make_table(self) -> None:
        """Make a table, sometimes with rows before it is tracked, sometimes with a baseline that is left incomplete."""
        self.number += 1
        name = f"t{self.number}"
        columns = ", ".join(
            f"c{at} {self.dice.choice(TYPES)}" for at in range(self.dice.randint(1, 4))
        )
        self.execute(
            "DO $$ BEGIN CREATE TYPE mood AS ENUM ('calm', 'happy', 'it''s'); EXCEPTION WHEN duplicate_object THEN NULL; END $$"
        )
        parent = self.dice.choice([*self.tables(), ""])
        reference = (
            f", up int REFERENCES {parent} ON DELETE {self.dice.choice(['CASCADE', 'SET NULL'])}"
            if parent and self.dice.random() < 0.4
            else ""
        )
        self.execute(
            f"CREATE TABLE {name} (id int PRIMARY KEY, code int DEFAULT 1, {columns}{reference})"
        )
        if self.dice.random() < 0.4:
            self.execute(f"INSERT INTO {name} (id, code) SELECT n, n FROM generate_series(1, 8) n")
        limit = self.dice.choice(["0", "33554432"])
        self.execute(f"SELECT audittrail.track('{name}', '{{}}', '{{}}', NULL, {limit})")

    def write(self) -> None:
        """Change some rows."""
        for statement in self.statements():
            self.execute(statement)

    def statements(self) -> Iterator[str]:
        """Give a statement that changes rows."""
        tables = self.tables()
        if not tables:
            return
        table = self.dice.choice(tables)
        columns = self.columns(table)
        key = self.dice.randint(1, 12)
        name, type_ = self.dice.choice(columns) if columns else ("code", "integer")
        assigned = f'"{name}" = {self.value(type_)}'
        kind = self.dice.randint(0, 9)
        if kind <= 3:
            names = "".join(f', "{n}"' for n, _ in columns)
            values = "".join(f", {self.value(t)}" for _, t in columns)
            yield f"INSERT INTO {table} (id, code{names}) VALUES ({key}, {key}{values}) ON CONFLICT DO NOTHING"
        elif kind <= 5:
            yield f"UPDATE {table} SET {assigned} WHERE id >= {key}"
        elif kind == 6:
            yield f"UPDATE {table} SET id = id + 20 WHERE id = {key}"
        elif kind == 7:
            yield f"DELETE FROM {table} WHERE id = {key}"
        elif kind == 8:
            yield f"INSERT INTO {table} (id, code) SELECT n, n FROM generate_series(1, 12) n ON CONFLICT (id) DO UPDATE SET {assigned}"
        else:
            yield self.dice.choice([f"TRUNCATE {table} CASCADE", f"DO $$ BEGIN FOR i IN 1..40 LOOP UPDATE {table} SET code = code + 1 WHERE id = {key}; END LOOP; END $$"])  # fmt: skip

    def transaction(self) -> None:
        """Change rows in one transaction, with a savepoint that may be rolled back."""
        self.execute("BEGIN")
        self.write()
        self.execute("SAVEPOINT s")
        self.write()
        self.execute(self.dice.choice(["ROLLBACK TO s", "RELEASE s"]))
        self.write()
        self.execute(self.dice.choice(["COMMIT", "COMMIT", "ROLLBACK"]))

    def migrate(self) -> None:
        """Change the columns of a table, and sometimes its rows in the same transaction."""
        tables = self.tables()
        if not tables:
            return
        table = self.dice.choice(tables)
        columns = self.columns(table)
        self.number += 1
        name, type_ = self.dice.choice(columns) if columns else ("code", "integer")
        new = self.dice.choice(TYPES)
        changes = [
            f"ALTER TABLE {table} ADD COLUMN n{self.number} {new}",
            f"ALTER TABLE {table} ADD COLUMN n{self.number} int NOT NULL DEFAULT 7",
            f"ALTER TABLE {table} ADD COLUMN n{self.number} text DEFAULT clock_timestamp()::text",
            f'ALTER TABLE {table} RENAME COLUMN "{name}" TO r{self.number}',
            f"ALTER TABLE {table} RENAME TO {table}x",
            f"DROP TABLE {table} CASCADE",
            f"ALTER TABLE {table} DROP CONSTRAINT {table}_pkey CASCADE, ADD CONSTRAINT {table}_pkey PRIMARY KEY (id, code)",
            f"ALTER TYPE mood RENAME TO mood{self.number}; ALTER TYPE mood{self.number} RENAME TO mood",
            *self.relabellings(),
        ]
        if len(columns) > 1:
            (one, _), (other, _) = self.dice.sample(columns, 2)
            changes += [
                "; ".join(
                    f'ALTER TABLE {table} RENAME COLUMN "{former}" TO "{present}"'
                    for former, present in ((one, "between"), (other, one), ("between", other))
                )
            ] * 2
        if columns:
            changes += [f'ALTER TABLE {table} DROP COLUMN "{name}"'] * 2
            for wanted in RETYPES.get(type_, ()):
                change = f'ALTER TABLE {table} ALTER COLUMN "{name}" TYPE {wanted} USING "{name}"'
                changes += [f"{change}::text::{wanted}" if wanted in ("int", "varchar(3)", "varchar(4)") else f"{change}::{wanted}"] * 3  # fmt: skip
        self.execute("BEGIN")
        self.execute(self.dice.choice(changes))
        if self.dice.random() < 0.5:
            self.write()
        self.execute(self.dice.choice(["COMMIT", "COMMIT", "COMMIT", "ROLLBACK"]))
        if self.dice.random() < 0.7:
            for present in self.tables():
                self.execute(f"SELECT audittrail.track('{present}')")

    def relabellings(self) -> list[str]:
        """Return changes of the labels of the enum: one renamed, two crosswise, one added."""
        labels = [label for (label,) in self.execute(
            "SELECT quote_literal(enumlabel) FROM pg_enum WHERE enumtypid = to_regtype('mood') ORDER BY enumsortorder"
        )]  # fmt: skip
        if not labels:
            return []
        one, other = self.dice.sample(labels, 2)
        rename = "ALTER TYPE mood RENAME VALUE {} TO {}"
        return [
            rename.format(one, f"'label {self.number}'"),
            "; ".join((rename.format(one, "'between'"), rename.format(other, one), rename.format("'between'", other))),
            f"ALTER TYPE mood ADD VALUE 'label {self.number}' {self.dice.choice(('BEFORE', 'AFTER'))} {one}",
        ]  # fmt: skip

    def edit(self) -> None:
        """Correct history on purpose."""
        histories = self.execute(
            "SELECT history_name FROM audittrail.tracked_table WHERE to_regclass(format('audittrail.%I', history_name)) IS NOT NULL ORDER BY id"
        )
        if not histories:
            return
        (history,) = self.dice.choice(histories)
        columns = [name for (name,) in self.execute(
            f"SELECT attname FROM pg_attribute WHERE attrelid = 'audittrail.\"{history}\"'::regclass AND attnum > 0 AND NOT attisdropped"
            " AND attname NOT IN ('version', 'revision_id', 'superseded', 'operation', 'id', 'code')")]  # fmt: skip
        self.execute("BEGIN; SET LOCAL audittrail.editing = 'on'")
        for _ in range(self.dice.randint(1, 2)):
            some = f"(version + {self.dice.randint(0, 9)}) % {self.dice.randint(2, 6)} = 0"
            kinds = [
                f'DELETE FROM audittrail."{history}" WHERE {some}',
                f"UPDATE audittrail.revision SET reason = 'corrected', committed_by = 5 WHERE id % {self.dice.randint(2, 9)} = 0 AND committed IS NOT NULL",
            ]
            if columns:
                kinds += [
                    f'UPDATE audittrail."{history}" SET "{self.dice.choice(columns)}" = NULL WHERE {some}'
                ] * 2
            self.execute(self.dice.choice(kinds))
        self.execute("COMMIT")

    def redact(self) -> None:
        """Take values out of every version."""
        tracked = self.execute(
            "SELECT id, columns FROM audittrail.tracked_table WHERE until_version IS NULL AND to_regclass(format('audittrail.%I', history_name)) IS NOT NULL"
        )
        if not tracked:
            return
        number, columns = self.dice.choice(tracked)
        parsed = json.loads(columns) if isinstance(columns, str) else columns
        names = [c["name"] for c in parsed if c["name"] not in ("id", "code")]
        if not names:
            return
        name = self.dice.choice(names)
        keys = self.dice.choice(["NULL", "'{{" + ",".join(map(str, range(1, 7))) + "}}'"])
        self.execute("BEGIN")
        self.execute(
            f"SELECT audittrail.overwrite_live({number}, ARRAY['{name}'], ARRAY[NULL]::text[], {keys})"
        )
        self.execute(
            f"SELECT audittrail.redact_versions({number}, ARRAY['{name}'], ARRAY[NULL]::text[], {keys})"
        )
        if self.dice.random() < 0.4:
            self.execute(
                "SELECT audittrail.redact_revisions(ARRAY(SELECT id FROM audittrail.revision WHERE id % 2 = 0), ARRAY['reason', 'db_user'], ARRAY[NULL, NULL]::text[])"
            )
        self.execute("COMMIT")

    def prune(self) -> None:
        """Prune through one of the revisions."""
        from audittrail.capture import pruning
        from audittrail.models import Revision

        found = self.execute(
            "SELECT id FROM audittrail.revision WHERE committed IS NOT NULL ORDER BY committed"
        )
        if not found:
            return
        (number,) = self.dice.choice(found)
        self.script.append(f"prune {number}")
        pruning.GRACE = 0.01
        self._django(
            lambda: _prune(Revision.objects.using(ALIAS).get(pk=number), self.dice.randint(0, 1))
        )

    def roll_back(self) -> None:
        """Roll everything back to one of the last revisions."""
        from audittrail.models import Revision

        found = self.execute(
            "SELECT id FROM audittrail.revision WHERE committed IS NOT NULL ORDER BY committed DESC LIMIT 4"
        )
        if not found:
            return
        (number,) = self.dice.choice(found)
        self.script.append(f"roll back to {number}")
        revision: Any = self._django(lambda: Revision.objects.using(ALIAS).get(pk=number))
        if revision is not None:
            self._django(lambda: revision.rollback_all_later_revisions(on_conflict="skip"))

    def _django(self, work: Callable[[], Any]) -> Any:
        from django.db import Error

        from audittrail.exceptions import AuditTrailError
        from audittrail.timetravel import registry

        registry.forget()
        try:
            return work()
        except (AuditTrailError, Error) as error:
            self.script.append(f"   {type(error).__name__}: {str(error).splitlines()[0]}")
            return None

    def maintain(self) -> None:
        """Close versions."""
        from audittrail.capture import closing

        self.script.append("close")
        closing.LAST_WAIT = 0.0
        self._django(lambda: closing.close(ALIAS))

    def backfill(self) -> None:
        """Copy a batch of each incomplete baseline."""
        for (number,) in self.execute(
            "SELECT id FROM audittrail.tracked_table WHERE NOT baseline_complete AND until_version IS NULL"
        ):
            self.execute(
                f"SELECT audittrail.backfill_batch({number}, {self.dice.choice([2, 100])})"
            )

    def enter(self) -> None:
        """Enter what is settled."""
        from audittrail.ledger import entering

        self.script.append("enter")
        entering.begin(ALIAS)
        entering.enter(ALIAS, ticks=self.dice.choice([3, 50, 20_000]))

    def note_digest(self) -> None:
        """Make a digest and keep it."""
        from audittrail.ledger import digests

        self.script.append("digest")
        statement = json.loads(json.dumps(digests.make(ALIAS)))
        self.digests.append(digests.Digest(statement, f"{len(self.digests)}"))

    def verify(self, alias: str = ALIAS) -> None:
        """Verify everything against every digest; raise with the script if something is found."""
        from audittrail.ledger import verifying

        report = verifying.verify(alias, against=self.digests)
        if not report.is_clean or not all(digest.agrees for digest in report.digests):
            told = [*map(str, report.findings), *map(str, report.digests)]
            raise AssertionError("\n".join([*self.script, "", *told]))

    def verify_restored(self) -> None:
        """Dump the database, restore it into another, write there, and verify that one."""
        name = f"{self.database}_restored"
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
        file = str(self.directory / "dump.sql")
        for program, *arguments in (
            ("dropdb", "--if-exists", "--force", name),
            ("createdb", name),
            ("pg_dump", "-f", file, self.database),
            ("psql", "-Xqb", "-v", "ON_ERROR_STOP=1", "-d", name, "-f", file),
        ):
            path = self.server.binaries.directory / program
            command = [str(path), "-h", self.server.host, "-U", SUPERUSER, *arguments]
            subprocess.run(command, env=environment, check=True, capture_output=True)
        with attached(self.server, name, f"{ALIAS}_restored"):
            self.verify(f"{ALIAS}_restored")


def _prune(revision: Any, keep_last: int) -> None:
    from audittrail.revisions.pruning import prune

    prune(revision, keep_last=keep_last, using=ALIAS)


@contextmanager
def attached(server: OwnServer, database: str, alias: str = ALIAS) -> Iterator[None]:
    """Make a database one of Django's."""
    with server.attached(alias, database):
        yield


@contextmanager
def copied(server: OwnServer, template: str, directory: Path) -> Iterator[Honest]:
    """Copy a database in which nothing has been tracked yet, to play histories in, and drop the copy."""
    name = f"{template}_copy"
    with closing_connection(server.connect("postgres", autocommit=True)) as connection:
        connection.cursor().execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.cursor().execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    with attached(server, name):
        honest = Honest(server, name, server.connect(name, autocommit=True), directory)
        try:
            yield honest
        finally:
            honest.connection.close()


def main() -> int:
    """Play as many histories as are wanted; return 1 if one raised an alarm."""
    parser = argparse.ArgumentParser(prog="python -m tests.ledger.honest", description=__doc__)
    parser.add_argument("--histories", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0, help="of the first history")
    parser.add_argument("--steps", type=int, default=14)
    parser.add_argument("--restore-every", type=int, default=50)
    parser.add_argument(
        "--seconds", type=float, default=float("inf"), help="begin no database after so long"
    )
    parser.add_argument("--postgres", default=DEFAULT_VERSION)
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    with Run.begin() as run, tempfile.TemporaryDirectory() as directory:
        made = run.own_server(options.postgres, {})
        server = OwnServer(made.binaries, made.directory, {})
        server.start()
        server.createdb("honest")
        import django

        django.setup()
        from django.core.management import call_command

        with attached(server, "honest"):
            call_command("migrate", "audittrail", database=ALIAS, verbosity=0)
        seeds = range(options.seed, options.seed + options.histories)
        started, drawn = time.monotonic(), Counter[str]()
        played = 0
        for at in range(0, len(seeds), DATABASE):
            if time.monotonic() - started > options.seconds:
                break
            with copied(server, "honest", Path(directory)) as honest:
                for seed in seeds[at : at + DATABASE]:
                    if seed % SESSION == 0:
                        honest.connection.close()
                        honest.connection = server.connect(honest.database, autocommit=True)
                    try:
                        honest.play(seed, options.steps)
                        if seed % options.restore_every == 0:
                            honest.verify_restored()
                    except Exception as error:  # noqa: BLE001 (whatever it is, it is told)
                        print(f"seed {seed}: {type(error).__name__}\n{error}")
                        print("\n".join(honest.script))
                        return 1
                    played += 1
                drawn.update(honest.played)
            print(f"{played} histories, {time.monotonic() - started:.0f} s", flush=True)
        print(f"{played} honest histories without an alarm: {dict(drawn)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
