"""Whom policies bind is asked of the table that is meant: the one with the triggers or the name, not whichever has its oid."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.builders.sending import send

READER = "reader_of_exchanged"
READ = "SELECT id FROM audittrail.secret_history"


@pytest.fixture
def database(fresh_database: Callable[[], Any]) -> Iterator[Any]:
    """Give a database with a table whose policies let a role see nothing, and one that has none."""
    with fresh_database() as made:
        owner = made.connect()
        for statement in (
            f"CREATE ROLE {READER} LOGIN",
            "CREATE TABLE secret (id int PRIMARY KEY)",
            "CREATE TABLE plain (id int PRIMARY KEY)",
            "INSERT INTO secret VALUES (1)",
            *policies("secret"),
            "SELECT audittrail.track('secret'), audittrail.track('plain')",
            f"GRANT USAGE ON SCHEMA audittrail TO {READER}",
            f"GRANT SELECT ON ALL TABLES IN SCHEMA public, audittrail TO {READER}",
        ):
            send(owner, statement)
        yield made
        send(owner, f"DROP OWNED BY {READER}")
        send(owner, f"DROP ROLE {READER}")


def policies(table: str) -> tuple[str, ...]:
    return (
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"CREATE POLICY nobody ON {table} TO {READER} USING (false)",
    )


def refused(database: Any, statement: str, told: str) -> None:
    with pytest.raises(Exception, match=told):
        send(database.connect(user=READER), statement)
    assert send(database.connect(), READ) == [(1,)]


def test_policies_of_the_table_that_has_taken_the_name_bind(database: Any) -> None:
    owner = database.connect()
    for statement in (
        "CREATE TABLE rebuilt (LIKE secret INCLUDING ALL)",
        "INSERT INTO rebuilt SELECT * FROM secret",
        *policies("rebuilt"),
        "ALTER TABLE secret DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE secret RENAME TO secret_old",
        "ALTER TABLE rebuilt RENAME TO secret",
    ):
        send(owner, statement)
    refused(database, READ, f"policies of secret bind role {READER}")


@pytest.mark.parametrize("tracked", [True, False])
def test_policies_of_the_table_that_has_the_oid_since_a_restore_do_not_count(
    database: Any, tracked: bool
) -> None:
    owner = database.connect()
    if not tracked:
        send(
            owner,
            "SELECT audittrail.untrack(id) FROM audittrail.tracked_table WHERE table_name = 'secret'",
        )
    send(
        owner,
        "UPDATE audittrail.tracked_table SET relation = 'plain'::regclass WHERE table_name = 'secret'",
    )
    told = f"bind role {READER}"
    refused(database, READ, told)
    send(owner, "ALTER TABLE secret DISABLE ROW LEVEL SECURITY")
    if tracked:
        # Their absence is known as well, also before sync has looked.
        assert send(database.connect(user=READER), READ) == [(1,)]
    else:
        refused(database, READ, "policies of secret are not known any more")


def test_policies_that_went_with_a_dropped_table_do_not_come_back_with_its_name(
    database: Any,
) -> None:
    owner = database.connect()
    send(owner, "DROP TABLE secret")
    send(owner, f"CREATE TABLE secret (id int PRIMARY KEY); ALTER TABLE secret OWNER TO {READER}")
    refused(database, READ, "policies of secret are not known any more")
    send(owner, "ALTER TABLE secret OWNER TO postgres")


def test_the_check_of_policies_looks_at_the_table_with_the_triggers(database: Any) -> None:
    from audittrail.capture.row_security import _TABLES

    owner = database.connect()
    send(
        owner,
        "UPDATE audittrail.tracked_table SET relation = 'plain'::regclass WHERE table_name = 'secret'",
    )
    assert [(row[0], row[-1]) for row in send(owner, _TABLES)] == [("secret", "nobody")]


def test_policies_of_the_table_that_has_taken_the_name_bind_as_of(database: Any) -> None:
    owner = database.connect()
    for statement in (
        "INSERT INTO plain VALUES (1)",
        "ALTER TABLE plain RENAME TO plain_old",
        "CREATE TABLE plain (id int PRIMARY KEY)",
        *policies("plain"),
    ):
        send(owner, statement)
    past = "SELECT id FROM audittrail.as_of(NULL::plain_old, now())"
    assert send(database.connect(), past) == [(1,)]
    with pytest.raises(Exception, match=f"policies of plain bind role {READER}"):
        send(database.connect(user=READER), past)


def test_a_table_that_was_renamed_after_its_tracking_ended_is_known_by_its_oid(
    database: Any,
) -> None:
    owner = database.connect()
    send(owner, "INSERT INTO plain VALUES (1)")
    until = send(owner, "SELECT clock_timestamp()")[0][0]
    for statement in (
        "DELETE FROM plain",
        "SELECT audittrail.untrack(id) FROM audittrail.tracked_table WHERE table_name = 'plain'",
        "ALTER TABLE plain RENAME TO plain_old",
    ):
        send(owner, statement)
    past = "SELECT id FROM audittrail.as_of(NULL::plain_old, %s)"
    assert send(database.connect(), past, until) == [(1,)]
    # The registry of a restored database has the oid of any table.
    send(owner, "UPDATE audittrail.tracked_table SET database = '1/5'")
    with pytest.raises(Exception, match="plain_old is not tracked"):
        send(database.connect(), past, until)
