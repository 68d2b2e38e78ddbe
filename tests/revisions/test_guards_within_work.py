"""What changes history on purpose may call another that does: the guards are off until the first is done, and on again then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.builders.sending import send

#: What the settings are that tell the triggers of history what goes on.
SETTINGS = "SELECT audittrail.guard_settings()"

#: What changes history, as the statements of a transaction.
WORK = {
    "a row that changes twice in one statement": (
        "WITH added AS (INSERT INTO kept VALUES (9, 'x') RETURNING id) SELECT rewritten() FROM added",
    ),
    "the same after a change of the table": (
        "ALTER TABLE kept ADD COLUMN more int",
        "WITH added AS (INSERT INTO kept VALUES (9, 'x') RETURNING id) SELECT rewritten() FROM added",
    ),
    "close_versions": (
        "SELECT audittrail.close_versions(id) FROM audittrail.tracked_table WHERE table_name = 'kept'",
    ),
    "erase_later": (
        "SELECT audittrail.erase_later(committed) FROM audittrail.revision ORDER BY id LIMIT 1",
    ),
    "prune": (
        "SELECT audittrail.close_versions(id) FROM audittrail.tracked_table WHERE table_name = 'kept'",
        (
            "SELECT audittrail.begin_pruning(ARRAY(SELECT id FROM audittrail.tracked_table WHERE table_name = 'kept'), max(committed), max(id), '{}')"
            " FROM audittrail.revision WHERE committed IS NOT NULL"
        ),
        "SELECT audittrail.prune_batch(t.id, t.kept_from, 0, 0, false, 0, 100, '{}', NULL) FROM audittrail.tracked_table t WHERE table_name = 'kept'",
        "SELECT audittrail.prune_revisions(max(kept_from), 0, 100, '{}', NULL) FROM audittrail.tracked_table WHERE table_name = 'kept'",
    ),
    "redact_versions": (
        "SELECT audittrail.redact_versions(id, '{name}', '{y}', NULL) FROM audittrail.tracked_table WHERE table_name = 'kept'",
    ),
    "redact_revisions": (
        "SELECT audittrail.redact_revisions(ARRAY(SELECT id FROM audittrail.revision), '{reason}', '{y}')",
    ),
    "two revisions of one transaction": (
        "UPDATE kept SET name = 'once'",
        "SELECT set_config('audittrail.revision', '', true)",
        "UPDATE kept SET name = 'twice'",
        "SET CONSTRAINTS ALL IMMEDIATE",
    ),
    "reset_history": ("SELECT audittrail.reset_history()",),
}


@pytest.fixture(scope="module")
def database(fresh_database: Callable[[], Any]) -> Any:
    """Give a database with a table that has versions, and a function that writes to it."""
    with fresh_database() as fresh:
        connection = fresh.connect()
        send(connection, "CREATE TABLE kept (id int PRIMARY KEY, name text)")
        send(connection, "INSERT INTO kept VALUES (1, 'a'), (2, 'b')")
        send(connection, "SELECT audittrail.track('kept')")
        send(
            connection,
            "CREATE FUNCTION rewritten() RETURNS void LANGUAGE sql AS"
            " $$ UPDATE kept SET name = name || '!' $$",
        )
        for name in "cde":
            send(connection, "UPDATE kept SET name = %s", name)
        yield fresh


@pytest.fixture
def in_transaction(database: Any) -> Any:
    """Give a connection in a transaction, which is rolled back."""
    connection = database.connect()
    send(connection, "BEGIN")
    yield connection
    connection.close()


@pytest.mark.parametrize("work", WORK)
@pytest.mark.parametrize("before", [("on", "on", "7"), ("on", "", ""), ("", "", "")], ids=str)
def test_the_guards_are_as_they_were_when_work_is_done(
    in_transaction: Any, work: str, before: tuple[str, str, str]
) -> None:
    connection = in_transaction
    send(
        connection,
        "SELECT set_config('audittrail.unguarded', %s, true), set_config('audittrail.closing', %s, true),"
        " set_config('audittrail.erasing', %s, true)",
        *before,
    )
    for statement in WORK[work]:
        send(connection, statement)
        assert send(connection, SETTINGS) == [([*before],)], statement


def test_an_error_in_the_midst_of_work_brings_the_guards_back(in_transaction: Any) -> None:
    connection = in_transaction
    send(connection, "SELECT set_config('audittrail.closing', 'kept', true)")
    # A version that can't be written, after the guards have been taken off.
    send(
        connection,
        "ALTER TABLE audittrail.kept_history ADD CONSTRAINT refusing CHECK (name <> 'y') NOT VALID",
    )
    send(
        connection,
        "DO $$ BEGIN PERFORM audittrail.redact_versions(id, '{name}', '{y}', NULL) FROM audittrail.tracked_table WHERE table_name = 'kept';"
        " RAISE 'not refused'; EXCEPTION WHEN check_violation THEN NULL; END $$",
    )
    assert send(connection, SETTINGS) == [(["", "kept", ""],)]
    send(connection, "ROLLBACK")
    assert send(connection, SETTINGS) == [(["", "", ""],)]
