"""A role that is not the owner is recorded, and can neither read nor change history, nor forge a revision."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.management import call_command
from pytest_django import DjangoDbBlocker

from tests.builders.fresh import Fresh
from tests.roles.foreign import run

#: Roles are of the whole server, which several processes of a test run share.
ROLE = f"audittrail_clerk_{os.environ.get('PYTEST_XDIST_WORKER', '')}"
TABLES = (
    "CREATE TABLE account (id int PRIMARY KEY, balance int NOT NULL DEFAULT 0)",
    "INSERT INTO account VALUES (1), (2)",
    "SELECT audittrail.track('account')",
    f"DROP ROLE IF EXISTS {ROLE}",
    f"CREATE ROLE {ROLE} LOGIN",
    f"GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON account TO {ROLE}",
)
READS = ("SELECT * FROM audittrail.revision", "SELECT * FROM audittrail.account_history")
CHANGES = (
    "UPDATE audittrail.revision SET reason = 'forged'",
    "DELETE FROM audittrail.account_history",
    "INSERT INTO audittrail.revision (id) VALUES (-1)",
    "TRUNCATE audittrail.account_history",
    "SELECT audittrail.next_version()",
    "SELECT audittrail.close_revision()",
    "SELECT audittrail.reset_history()",
    "SELECT audittrail.begin_pruning('{1}', 1, 1, '{}')",
    "SELECT audittrail.prune_batch(1, 1, 1, 0, false, 0, 1, '{}', NULL)",
    "SELECT audittrail.prune_revisions(9, 0, 9, '{}', NULL)",
    "SELECT audittrail.redact_versions(1, '{balance}', '{0}', NULL)",
    "SELECT audittrail.redact_revisions('{1}', '{reason}', '{NULL}')",
    "SELECT audittrail.overwrite_live(1, '{balance}', '{0}', NULL)",
    "UPDATE audittrail.tracked_table SET kept_from = 0",
    "SELECT setval('audittrail.clock', 1)",
)
FORGERIES = (
    "revision",
    "editing",
    "unguarded",
    "applied",
    "probe",
    "nested",
    "captured",
    "reworked",
)


@pytest.fixture
def database(fresh_database: Callable[[], Any]) -> Iterator[Fresh]:
    """Give a database with the tracked table `account`, which the role may write."""
    with fresh_database() as made:
        run(made.connect(), *TABLES)
        yield made
        run(made.connect(), f"DROP OWNED BY {ROLE}", f"DROP ROLE {ROLE}")


def test_what_the_role_writes_is_recorded_under_its_name(database: Fresh) -> None:
    run(
        database.connect(user=ROLE),
        "INSERT INTO account VALUES (3)",
        "UPDATE account SET balance = 1",
        "DELETE FROM account WHERE id = 3",
        "TRUNCATE account",
    )
    assert run(
        database.connect(),
        "SELECT h.operation::text, count(*) FROM audittrail.account_history h"
        f" JOIN audittrail.revision r ON r.id = h.revision_id AND r.db_user = '{ROLE}'"
        " AND r.committed IS NOT NULL GROUP BY 1 ORDER BY 1",
    ) == [("D", 1), ("I", 1), ("T", 2), ("U", 3)]


@pytest.mark.parametrize(
    "setting", ["application_name", "audittrail.editing", "audittrail.unguarded"]
)
def test_the_role_can_neither_read_nor_change_history(database: Fresh, setting: str) -> None:
    clerk = database.connect(user=ROLE)
    run(clerk, f"SET {setting} = 'on'")
    for statement in (*READS, *CHANGES):
        with pytest.raises(Exception, match="permission denied"):
            run(clerk, statement)


@pytest.mark.parametrize("value", ["open", "closed", "on", "asked"])
@pytest.mark.parametrize("setting", FORGERIES)
def test_a_setting_made_by_hand_forges_nothing(database: Fresh, setting: str, value: str) -> None:
    owner, clerk = database.connect(), database.connect(user=ROLE)
    run(owner, "BEGIN", "UPDATE account SET balance = 1 WHERE id = 1")
    ((number,),) = run(owner, "SELECT current_setting('audittrail.revision')")
    forged = number if value in ("open", "closed") else value
    if value == "closed":
        run(owner, "COMMIT")
    run(
        clerk,
        f"SET audittrail.{setting} = '{forged}'",
        "UPDATE account SET balance = 2 WHERE id = 2",
    )
    if value != "closed":
        run(owner, "COMMIT")
    assert run(
        database.connect(),
        "SELECT h.id, h.balance, r.db_user FROM audittrail.account_history h"
        " JOIN audittrail.revision r ON r.id = h.revision_id"
        " WHERE h.operation = 'U' AND r.committed > h.version ORDER BY h.id",
    ) == [(1, 1, "postgres"), (2, 2, ROLE)]


def test_the_role_reads_history_once_it_is_granted(
    database: Fresh, django_db_blocker: DjangoDbBlocker
) -> None:
    with django_db_blocker.unblock(), database.server.attached("granting", database.name):
        call_command("audittrail", "grant", ROLE, "--apply", "--database", "granting", verbosity=0)
    clerk = database.connect(user=ROLE)
    assert run(clerk, "SELECT count(*) FROM audittrail.account_history") == [(2,)]
    assert len(run(clerk, "SELECT committed FROM audittrail.revision")) >= 1
    for statement in CHANGES:
        with pytest.raises(Exception, match="permission denied"):
            run(clerk, statement)
