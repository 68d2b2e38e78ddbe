"""Revisions are in the order of their commits, whatever a transaction did before its own."""

from __future__ import annotations

import pytest
from django.db import connections

from audittrail.exceptions import UnsettledError
from audittrail.models import Revision
from audittrail.revisions import settling
from audittrail.timetravel import settled
from audittrail.timetravel.moment import Moment
from tests.concurrency.accounts import Accounts

WRITE = "UPDATE account SET balance = balance + 1 WHERE id = 1"
OTHER = "UPDATE account SET balance = balance + 1 WHERE id = 2"
NOW = "SET CONSTRAINTS ALL IMMEDIATE"
FUNCTION = (
    "CREATE OR REPLACE FUNCTION check_now() RETURNS void LANGUAGE plpgsql AS"
    " $$ BEGIN SET CONSTRAINTS ALL IMMEDIATE; END $$"
)
LATE_WRITER = (
    "DROP TABLE IF EXISTS audit_line",
    "CREATE TABLE audit_line (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, account int)",
    (
        "CREATE OR REPLACE FUNCTION write_late() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN UPDATE account SET balance = balance + 10 WHERE id = NEW.account; RETURN NULL; END $$"
    ),
    (
        "CREATE CONSTRAINT TRIGGER {name} AFTER INSERT ON audit_line DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION write_late()"
    ),
)

#: What the slower transaction does before the other one begins.
BEGINNINGS = {
    "writes": [WRITE],
    "checks constraints after its write": [WRITE, NOW],
    "checks constraints before its write": [NOW, WRITE],
    "checks constraints between writes": [WRITE, NOW, WRITE],
    "checks constraints again and again": [NOW, WRITE, NOW, WRITE, NOW, NOW, WRITE],
    "checks constraints, then defers them": [WRITE, NOW, "SET CONSTRAINTS ALL DEFERRED", WRITE],
    "names the constraint": [WRITE, "SET CONSTRAINTS audittrail.revision_stamp IMMEDIATE", WRITE],
    "checks constraints in a function": [WRITE, "SELECT check_now()"],
    "checks constraints in a function before its write": ["SELECT check_now()", WRITE],
    "checks constraints in a block": [WRITE, f"DO $$ BEGIN {NOW}; END $$"],
    "writes and checks in a block": [f"DO $$ BEGIN {WRITE}; {NOW}; {WRITE}; END $$"],
    "checks in a block that fails": [
        WRITE,
        f"DO $$ BEGIN BEGIN {NOW}; RAISE 'x'; EXCEPTION WHEN raise_exception THEN NULL; END; END $$",
        WRITE,
    ],
    "writes and checks in a block that fails": [
        f"DO $$ BEGIN BEGIN {WRITE}; {NOW}; RAISE 'x'; EXCEPTION WHEN raise_exception THEN NULL; END; END $$",
        WRITE,
    ],
    "checks in a savepoint": [WRITE, "SAVEPOINT s", NOW, "RELEASE s", WRITE],
    "checks in a savepoint that it rolls back": [WRITE, "SAVEPOINT s", NOW, "ROLLBACK TO s"],
    "checks in a rolled-back savepoint and writes": [
        WRITE,
        "SAVEPOINT s",
        NOW,
        "ROLLBACK TO s",
        WRITE,
    ],
    "writes and checks in a rolled-back savepoint": [
        "SAVEPOINT s",
        WRITE,
        NOW,
        "ROLLBACK TO s",
        WRITE,
    ],
    "writes in a rolled-back savepoint": ["SAVEPOINT s", WRITE, "ROLLBACK TO s", WRITE],
    "writes before and in a rolled-back savepoint": [
        WRITE,
        "SAVEPOINT s",
        WRITE,
        "ROLLBACK TO s",
        "RELEASE s",
    ],
    "writes in a nested savepoint": ["SAVEPOINT s", "SAVEPOINT t", WRITE, "RELEASE t", "RELEASE s"],
    "sends several statements at once": [f"{WRITE}; {NOW}; {WRITE}"],
    "sends a long statement": [f"{WRITE} /* {'x' * 20000} */"],
    "sends a long statement that checks": [
        f"{WRITE}; SET CONSTRAINTS ALL /* {'x' * 20000} */ IMMEDIATE"
    ],
    "lets a trigger write at its commit": ["INSERT INTO audit_line (account) VALUES (1)"],
    "writes and lets a trigger write": [WRITE, "INSERT INTO audit_line (account) VALUES (1)"],
    "checks and lets a trigger write": [WRITE, NOW, "INSERT INTO audit_line (account) VALUES (1)"],
    "lets a trigger write, then checks": ["INSERT INTO audit_line (account) VALUES (1)", NOW],
    "lets a trigger write at a check that it rolls back": [
        WRITE,
        "INSERT INTO audit_line (account) VALUES (1)",
        "SAVEPOINT s",
        NOW,
        "ROLLBACK TO s",
    ],
}


@pytest.fixture(params=["a_first", "z_last"])
def late_writer(accounts: Accounts, request: pytest.FixtureRequest) -> None:
    """Have a trigger that writes at commit, before or after the stamp by its name; and a function."""
    accounts.observer.run(*(text.format(name=request.param) for text in LATE_WRITER), FUNCTION)


@pytest.mark.parametrize("beginning", BEGINNINGS)
@pytest.mark.usefixtures("late_writer")
def test_the_order_is_that_of_the_commits(accounts: Accounts, beginning: str) -> None:
    slow, fast = accounts.client("slow"), accounts.client("fast")
    slow.run("BEGIN", *BEGINNINGS[beginning])
    fast.run("BEGIN", "UPDATE account SET balance = 5 WHERE id = 2", "COMMIT")
    written = slow.value("SELECT balance FROM account WHERE id = 1")
    slow.run("COMMIT")
    assert accounts.order() == ["fast", "slow"]
    assert accounts.balances_as_of("fast")[1] == 0
    assert accounts.balances_as_of("slow")[1] >= max(written, 1)
    assert accounts.balances_as_of("slow")[1] == accounts.observer.value(
        "SELECT balance FROM account WHERE id = 1"
    )
    accounts.check()


@pytest.mark.parametrize("beginning", BEGINNINGS)
@pytest.mark.usefixtures("late_writer")
def test_a_transaction_that_is_rolled_back_leaves_nothing(
    accounts: Accounts, beginning: str
) -> None:
    client, before = accounts.client("client"), accounts.versions()
    client.run("BEGIN", *BEGINNINGS[beginning], "ROLLBACK")
    assert accounts.order() == []
    assert accounts.versions() == before
    accounts.check()


def test_a_chained_transaction_is_a_revision_of_its_own(accounts: Accounts) -> None:
    slow, fast = accounts.client("slow"), accounts.client("fast")
    slow.run("BEGIN", WRITE, "ROLLBACK AND CHAIN", WRITE)
    fast.run("UPDATE account SET balance = 5 WHERE id = 2")
    slow.run("COMMIT AND CHAIN", WRITE)
    fast.run("UPDATE account SET balance = 6 WHERE id = 2")
    slow.run("COMMIT")
    assert accounts.order() == ["fast", "slow", "fast", "slow"]
    accounts.check()


@pytest.mark.parametrize("check", ["", f"{NOW};"])
def test_each_commit_in_a_procedure_is_a_revision(accounts: Accounts, check: str) -> None:
    accounts.observer.run(
        "CREATE OR REPLACE PROCEDURE count_up() LANGUAGE plpgsql AS $$ BEGIN"
        f" FOR i IN 1..3 LOOP {WRITE}; {check} {WRITE}; COMMIT; {WRITE}; ROLLBACK; END LOOP; {WRITE}; END $$"
    )
    accounts.client("procedure").run("CALL count_up()")
    assert accounts.order() == ["procedure"] * 4
    assert accounts.observer.value("SELECT balance FROM account WHERE id = 1") == 7
    accounts.check()


def test_a_procedure_that_others_overtake_is_in_their_order(accounts: Accounts) -> None:
    accounts.observer.run(
        "CREATE OR REPLACE PROCEDURE wait_between() LANGUAGE plpgsql AS $$ BEGIN"
        f" {WRITE}; PERFORM pg_advisory_lock(1); COMMIT; {WRITE}; PERFORM pg_advisory_lock(2); COMMIT; END $$"
    )
    slow, fast = accounts.client("slow"), accounts.client("fast")
    fast.run("SELECT pg_advisory_lock(1), pg_advisory_lock(2)")
    calling = accounts.in_background(slow, "CALL wait_between()")
    for number in (1, 2):
        accounts.wait_for_lock(number)
        fast.run(f"UPDATE account SET balance = {number} WHERE id = 2")
        fast.run(f"SELECT pg_advisory_unlock({number})")
    calling.result()
    assert accounts.order() == ["fast", "slow", "fast", "slow"]
    accounts.check()


def test_a_deferred_trigger_that_fails_takes_the_revision_with_it(accounts: Accounts) -> None:
    accounts.observer.run(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$",
        "CREATE CONSTRAINT TRIGGER z_refuse AFTER UPDATE ON account DEFERRABLE INITIALLY DEFERRED"
        " FOR EACH ROW EXECUTE FUNCTION refuse()",
    )
    client = accounts.client("client")
    client.run("BEGIN", WRITE)
    with pytest.raises(Exception, match="no"):
        client.run("COMMIT")
    accounts.observer.run("DROP TRIGGER z_refuse ON account")
    assert accounts.order() == []
    accounts.check()


def test_a_prepared_transaction_has_its_place_from_its_preparation_on(accounts: Accounts) -> None:
    slow, fast = accounts.client("slow"), accounts.client("fast")
    slow.run("BEGIN", WRITE, "PREPARE TRANSACTION 'placed'")
    fast.run("UPDATE account SET balance = 5 WHERE id = 2")
    assert accounts.order() == ["fast"]
    fast.run("COMMIT PREPARED 'placed'")
    assert accounts.order() == ["slow", "fast"]
    accounts.check()


def test_a_prepared_transaction_that_is_rolled_back_leaves_nothing(accounts: Accounts) -> None:
    client = accounts.client("client")
    client.run("BEGIN", WRITE, "PREPARE TRANSACTION 'never'", "ROLLBACK PREPARED 'never'")
    assert accounts.order() == []
    accounts.check()


def test_nothing_is_settled_behind_a_prepared_transaction(accounts: Accounts) -> None:
    slow, fast = accounts.client("slow"), accounts.client("fast")
    slow.run("BEGIN", WRITE, "PREPARE TRANSACTION 'settled behind'")
    fast.run("UPDATE account SET balance = 5 WHERE id = 2")
    with accounts.attached("accounts"):
        with pytest.raises(UnsettledError, match="pg_prepared_xacts"):
            Revision.objects.using("accounts").settled(timeout=0.05)
        fast.run("COMMIT PREPARED 'settled behind'")
        found = Revision.objects.using("accounts").settled().order_by("committed")
        names = [revision.application_name for revision in found]
        assert names[-2:] == ["slow", "fast"]


def test_what_is_closed_is_read_beside_a_prepared_transaction(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "TIMEOUT", 0.1)
    slow, fast = accounts.client("slow"), accounts.client("fast")
    fast.run("UPDATE account SET balance = 5 WHERE id = 2", "SELECT pg_sleep(1.1)", OTHER)
    fast.run("SELECT audittrail.close_versions(id, NULL) FROM audittrail.tracked_table")
    slow.run("BEGIN", WRITE, "PREPARE TRANSACTION 'closed before'")
    fast.run(OTHER)
    settled.forget()
    with accounts.attached("accounts"):
        revisions = Revision.objects.using("accounts").order_by("-committed")
        open_one, _, closed_one = revisions[:3]
        assert closed_one.committed_at is not None
        live = connections["accounts"]
        settled.settle(live, Moment("accounts", closed_one.committed or 0))
        assert revisions.get_by_timestamp(closed_one.committed_at) == closed_one
        with pytest.raises(UnsettledError):
            settled.settle(live, Moment("accounts", open_one.committed or 0))
    rows = "SELECT balance FROM audittrail.as_of(NULL::account, '{}') WHERE id = 2"
    assert fast.run(rows.format(closed_one.committed_at)) == [(5,)]
    fast.run("ROLLBACK PREPARED 'closed before'")


@pytest.mark.usefixtures("late_writer")
def test_a_long_transaction_whose_trigger_writes_at_its_commit_is_listed_once(
    accounts: Accounts,
) -> None:
    slow = accounts.client("slow")
    slow.run("BEGIN", WRITE, "SELECT nextval('audittrail.clock') FROM generate_series(1, 99)")
    slow.run("INSERT INTO audit_line (account) VALUES (1)", "COMMIT")
    assert accounts.order() == ["slow"]
    accounts.check()


def test_every_transaction_is_one_revision_however_many_savepoints_it_has(
    accounts: Accounts,
) -> None:
    client, before = accounts.client("client"), accounts.versions()
    client.run("BEGIN")
    for number in range(50):
        client.run(f"SAVEPOINT s{number}", WRITE)
        client.run(f"{'ROLLBACK TO' if number % 3 else 'RELEASE'} s{number}")
    client.run("COMMIT")
    assert accounts.order() == ["client"]
    assert accounts.observer.value("SELECT balance FROM account WHERE id = 1") == 17
    assert accounts.versions() == before + 17
    accounts.check()
