"""A database of the former release goes on under this one: what it held at every moment is read as before, and what comes is recorded.

`former/before_the_ledger.sql.xz` is the dump of a database whose server code is that of the release before the ledger. Beside the tracked
tables "item" (its baseline incomplete), "place" (partitioned, truncated) and "sized" (with a composite type and a key to itself), one of
whose columns was renamed, it has a table "witness", which no code of ours has written: what each of them held after each transaction. That
release answered so as well.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterator
from contextlib import closing
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connections

from audittrail.capture import install
from audittrail.capture.row_security import check_policies
from audittrail.checks import check_database
from tests.builders.sending import send
from tests.databases import OwnServer
from tests.operations.clusters import program, server

DUMP = Path(__file__).parent / "former" / "before_the_ledger.sql.xz"
TABLES = ("item", "place", "sized")
RENAMED = {"parent": "above"}
#: Writes of each kind to each table.
WRITES = (
    "UPDATE item SET name = name || '!' WHERE id IN (1, 5)",
    "DELETE FROM item WHERE id = 6; INSERT INTO item (id, name) VALUES (60, 'new')",
    "UPDATE place SET region = CASE region WHEN 'north' THEN 'south' ELSE 'north' END",
    "INSERT INTO place VALUES (9, 'west', 'e'); INSERT INTO sized VALUES (7, ROW(7, 7), 5)",
    "DELETE FROM sized WHERE id = 5",
    "ALTER TABLE item ADD more int DEFAULT 7; UPDATE item SET more = 8 WHERE id = 4",
    "WITH gone AS (DELETE FROM item WHERE id = 4 RETURNING *) INSERT INTO item SELECT * FROM gone",
    "TRUNCATE place",
)
DIFFERENCES = "SELECT t.table_name, v.* FROM audittrail.tracked_table t, audittrail.verify(t.id) v"


@pytest.fixture
def connection() -> Iterator[Any]:
    """Give a connection to the database as the former release has left it, restored; Django knows it as "former"."""
    with server() as made, made.attached("former", "former"):
        restore(made)
        with closing(made.connect("former", autocommit=True)) as connection:
            yield connection


def restore(made: OwnServer) -> None:
    made.createdb("former")
    file = made.directory / "former.sql"
    file.write_bytes(lzma.decompress(DUMP.read_bytes()))
    file.chmod(0o644)
    program(made, "psql", "-Xqb", "-v", "ON_ERROR_STOP=1", "-d", "former", "-f", file)


def write(connection: Any, *statements: str) -> None:
    """Send each in a transaction of its own, and let the witness note what the tables hold then."""
    for statement in statements:
        send(connection, f"BEGIN; {statement}; COMMIT")
        for table in TABLES:
            send(
                connection,
                f"INSERT INTO witness SELECT 0, clock_timestamp(), '{table}',"
                f" coalesce((SELECT jsonb_agg(to_jsonb(t.*)) FROM {table} t), '[]')",
            )


def assert_the_past_is_as_it_was(connection: Any) -> None:
    told = send(connection, "SELECT at, of_table, held::text FROM witness ORDER BY at")
    assert len(told) >= 33
    for at, table, text in told:
        held = [
            {RENAMED.get(name, name): value for name, value in row.items()}
            for row in json.loads(text)
        ]
        # A column that came later is not among what was noted then.
        names = sorted({name for row in held for name in row})
        past = send(
            connection, f"SELECT to_jsonb(t.*)::text FROM audittrail.as_of(NULL::{table}, %s) t", at
        )
        rows = [json.loads(row) for (row,) in past]
        assert ordered([{name: row[name] for name in names} for row in rows]) == ordered(held), (
            at,
            table,
        )


def ordered(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(row, sort_keys=True) for row in rows)


def audittrail(*arguments: str) -> str:
    output = StringIO()
    call_command("audittrail", *arguments, "--database=former", stdout=output)
    return output.getvalue()


@pytest.mark.parametrize("between", [False, True], ids=["at once", "after writes"])
def test_a_database_of_the_former_release_goes_on(connection: Any, between: bool) -> None:
    if between:
        write(connection, *WRITES[:5])
    call_command("migrate", database="former", verbosity=0)
    assert "agree" in audittrail("verify")
    audittrail("sync", "--check")
    assert_the_past_is_as_it_was(connection)
    write(connection, *(WRITES[5:] if between else WRITES))
    assert_the_past_is_as_it_was(connection)
    audittrail("backfill")
    audittrail("maintain")
    audittrail("sync")
    audittrail("status", "--check")
    assert_the_past_is_as_it_was(connection)
    assert "agree" in audittrail("verify")
    assert send(
        connection, "SELECT count(*) FROM audittrail.revision WHERE reason = 'a first change'"
    ) == [(1,)]
    assert send(
        connection, "SELECT count(*) FROM audittrail.place_history WHERE name = 'corrected'"
    ) == [(1,)]
    digest = audittrail("ledger", "digest")
    assert json.loads(digest)


def test_writes_between_the_new_functions_and_those_of_the_tables(connection: Any) -> None:
    """A table's own functions and triggers are those of the former release until `sync` or a change of the table comes to it."""
    install.install_later_tables(connections["former"])
    install.install_functions(connections["former"])
    moving = """MERGE INTO place p USING (VALUES (9, 'south'), (10, 'north')) s (id, region) ON p.id = s.id
        WHEN MATCHED THEN UPDATE SET region = s.region, name = name || '?' WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.region, 'm')"""
    ((has_merge,),) = send(connection, "SELECT current_setting('server_version_num')::int >= 150000")  # fmt: skip
    merges = [moving, "DELETE FROM place WHERE id = 10"] if has_merge else []
    write(connection, *WRITES[:4], *merges)
    # The first write after that makes the functions anew; the triggers stay.
    write(connection, "ALTER TABLE place ADD more int", *merges, *WRITES[2:3], *merges)
    assert send(connection, DIFFERENCES) == []
    call_command("migrate", database="former", verbosity=0)
    audittrail("sync", "--check")
    write(connection, *merges, *WRITES[4:])
    assert "agree" in audittrail("verify")
    assert_the_past_is_as_it_was(connection)


def test_a_database_of_the_former_release_is_uninstalled(connection: Any) -> None:
    audittrail("uninstall", "--no-input")
    assert send(connection, "SELECT count(*) FROM pg_namespace WHERE nspname = 'audittrail'") == [
        (0,)
    ]
    assert send(connection, "SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'audittrail%%'") == [
        (0,)
    ]
    send(connection, "UPDATE item SET name = name || '!'; TRUNCATE place; DELETE FROM sized")


def test_the_tracking_of_a_table_ends_with_the_next_release(connection: Any) -> None:
    send(connection, "DROP TABLE sized")
    call_command("migrate", database="former", verbosity=0)
    audittrail("sync")
    assert send(
        connection,
        "SELECT until_version IS NOT NULL FROM audittrail.tracked_table WHERE table_name = 'sized'",
    ) == [(True,)]


def test_what_was_not_migrated_says_so(connection: Any) -> None:
    """Commands and checks name the way out; the checks that `migrate` runs first do not keep it from beginning."""
    for command in (
        "status",
        "status --check",
        "sync",
        "sync --check",
        "verify",
        "backfill",
        "maintain",
        "ledger verify",
    ):
        with pytest.raises(
            CommandError, match=r"another release.*run manage\.py migrate --database former"
        ):
            audittrail(*command.split())
    found = [*check_database(databases=["former"]), *check_policies(databases=["former"])]
    assert [(message.id, message.hint) for message in found] == [
        ("audittrail.W011", "Run manage.py migrate --database former.")
    ]
    call_command("migrate", database="former", verbosity=0, skip_checks=False, stdout=StringIO())
    # A later release may differ in functions alone.
    send(connection, "COMMENT ON FUNCTION audittrail.next_version() IS 'another release'")
    send(
        connection,
        "ALTER FUNCTION audittrail.is_replaced(audittrail.tracked_table) RENAME TO is_exchanged",
    )
    with pytest.raises(CommandError, match=r"run manage\.py migrate"):
        audittrail("status")
    assert [message.id for message in check_database(databases=["former"])] == ["audittrail.W011"]
    audittrail("sync")
    assert "another release" not in audittrail("status")
