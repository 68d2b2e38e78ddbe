"""Nobody who may merely connect can stop a commit, or let readers wait for one that is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.builders.fresh import Fresh
from tests.roles.foreign import AUTHOR, database_of_an_author, run

OIDS = "SELECT oid FROM pg_class WHERE relnamespace = 'audittrail'::regnamespace AND relname IN ('clock', 'commits') ORDER BY relname"
WRITES = (
    "UPDATE account SET balance = balance + 1",
    "BEGIN; UPDATE account SET balance = balance + 1; COMMIT",
)
HOLDER = "SELECT virtualtransaction FROM pg_locks WHERE locktype = 'transactionid' AND mode = 'ExclusiveLock' AND transactionid = '{}'"
WAITING = "SELECT cardinality(audittrail.committing())"


@pytest.fixture
def database(fresh_database: Callable[[], Any]) -> Iterator[Fresh]:
    """Give a database with the tracked table `account`, and a role that has no rights on history."""
    with database_of_an_author(fresh_database) as made:
        run(
            made.connect(),
            "CREATE TABLE account (id int PRIMARY KEY, balance int NOT NULL DEFAULT 0)",
            "INSERT INTO account VALUES (1)",
            "SELECT audittrail.track('account')",
        )
        yield made


@pytest.mark.parametrize(
    "lock",
    [
        # The keys that stamps once took.
        "SELECT pg_advisory_lock(1635083369, 1)",
        "SELECT pg_advisory_lock_shared(1635083369, 1)",
        "SELECT pg_advisory_lock(0, 1), pg_advisory_lock(1)",
        "LOCK TABLE audittrail.revision IN ACCESS EXCLUSIVE MODE",
        "LOCK TABLE audittrail.commits IN ACCESS EXCLUSIVE MODE",
        "ALTER SEQUENCE audittrail.commits INCREMENT 1",
        "SELECT setval('audittrail.clock', 1)",
        "SELECT pg_sequence_last_value({clock}::oid)",
        "SELECT pg_sequence_last_value({commits}::oid)",
        "SELECT nextval({commits}::regclass)",
        "SELECT setval({commits}::regclass, 7)",
    ],
)
@pytest.mark.parametrize("write", WRITES)
def test_a_role_that_may_connect_keeps_nobody_from_committing(
    database: Fresh, lock: str, write: str
) -> None:
    intruder = database.connect(user=AUTHOR)
    writer = database.connect(options="-c statement_timeout=5s -c lock_timeout=5s")
    clock, commits = (oid for (oid,) in run(writer, OIDS))
    wanted = lock.format(clock=clock, commits=commits)
    run(
        intruder,
        "BEGIN",
        "SELECT txid_current()",
        # Whatever fails, its locks may outlive the subtransaction.
        f"DO $do$ BEGIN EXECUTE $lock$ {wanted} $lock$; EXCEPTION WHEN OTHERS THEN NULL; END $do$",
    )
    run(writer, write)
    assert run(writer, "SELECT balance FROM account") == [(1,)]
    assert run(writer, WAITING) == [(0,)]
    assert run(writer, "SELECT audittrail.unseen_commits('0 s')") == [([],)]


def test_a_commit_that_is_not_visible_yet_is_told(database: Fresh) -> None:
    writer, reader = database.connect(), database.connect()
    run(writer, "BEGIN", "UPDATE account SET balance = 5")
    assert run(reader, WAITING) == [(0,)]
    ((number,),) = run(writer, "SELECT pg_current_xact_id()::xid::text")
    named = run(reader, HOLDER.format(number))
    run(writer, "PREPARE TRANSACTION 'on its way'")
    assert run(reader, WAITING) == [(1,)]
    # Its locks go one by one from the session to what is prepared: committing() joins them by a name that both have.
    assert run(reader, HOLDER.format(number)) == named
    run(writer, "COMMIT PREPARED 'on its way'")
    assert run(reader, WAITING) == [(0,)]


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize(
    "used", ["SELECT nextval('audittrail.commits')", "SELECT setval('audittrail.commits', 5)"]
)
def test_whatever_the_lock_of_commits_counts_they_are_stamped(
    database: Fresh, used: str, write: str
) -> None:
    """As where its owner, or a program, sets every sequence."""
    writer, reader = database.connect(), database.connect()
    run(writer, used, write)
    stamps = "SELECT count(*), count(committed), count(committed_at) FROM audittrail.revision"
    assert run(reader, stamps) == [(2, 2, 2)]
    run(writer, "BEGIN", "UPDATE account SET balance = 5", "PREPARE TRANSACTION 'on its way'")
    assert run(reader, WAITING) == [(1,)]
    run(writer, "COMMIT PREPARED 'on its way'")
