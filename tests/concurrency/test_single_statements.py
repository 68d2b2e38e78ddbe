"""A transaction of one statement is stamped with its change; the stamp holds only if nothing else has happened by its commit."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from audittrail.exceptions import UnsettledError
from audittrail.models import Revision
from audittrail.revisions import settling
from tests.concurrency.accounts import Accounts

WRITE = "UPDATE account SET balance = balance + 1 WHERE id = 1"
OTHER = "UPDATE account SET balance = balance + 1 WHERE id = 2"
NOW = "SET CONSTRAINTS ALL IMMEDIATE"

#: Transactions that one message makes: what it sends, and how often the revision is written again after it was inserted.
MESSAGES = {
    "a statement": (WRITE, 0),
    "a statement with a semicolon": (f"{WRITE};", 0),
    "a statement with several": (f"{WRITE}; ;\n", 0),
    "a statement of several tables": (
        f"WITH other AS (INSERT INTO line (account) VALUES (1) RETURNING 1) {WRITE}",
        2,
    ),
    "a function that writes once": ("SELECT write_once()", 0),
    "a function that writes twice": ("SELECT write_twice()", 2),
    "a function that fails and writes": ("SELECT fail_and_write()", None),
    "a block": (f"DO $$ BEGIN {WRITE}; END $$", 1),
    "several statements": (f"{WRITE}; {OTHER}", 2),
    "a transaction": (f"BEGIN; {WRITE}; COMMIT", 1),
    "statements that check constraints": (f"{WRITE}; {NOW}", None),
    "statements that check constraints first": (f"{NOW}; {WRITE}", None),
    "a procedure": ("CALL write_and_commit()", None),
    "a statement that a trigger adds to at its commit": (
        "INSERT INTO line (account, late) VALUES (1, true)",
        None,
    ),
    "a statement that a trigger adds to": ("INSERT INTO line (account, soon) VALUES (1, true)", 1),
}

SCHEMA = f"""
CREATE TABLE line (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, account int, late boolean, soon boolean);
SELECT audittrail.track('line');
CREATE FUNCTION add_to_account() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN UPDATE account SET balance = balance + 10 WHERE id = NEW.account; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON line DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (NEW.late) EXECUTE FUNCTION add_to_account();
CREATE TRIGGER soon AFTER INSERT ON line FOR EACH ROW WHEN (NEW.soon) EXECUTE FUNCTION add_to_account();
CREATE FUNCTION write_once() RETURNS void LANGUAGE plpgsql AS $$ BEGIN {WRITE}; END $$;
CREATE FUNCTION write_twice() RETURNS void LANGUAGE plpgsql AS $$ BEGIN {WRITE}; {OTHER}; END $$;
CREATE FUNCTION fail_and_write() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    BEGIN {OTHER}; RAISE 'x'; EXCEPTION WHEN raise_exception THEN NULL; END;
    {WRITE};
END $$;
CREATE PROCEDURE write_and_commit() LANGUAGE plpgsql AS $$ BEGIN {WRITE}; COMMIT; {OTHER}; COMMIT; END $$;
CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_advisory_xact_lock(current_setting('test.wait')::int); RETURN NULL; END $$;
"""

#: Where a transaction may wait between its change and its commit: after its change, or at its commit before or after the stamp.
WAITS = {
    "after its change": "CREATE TRIGGER zz_wait AFTER UPDATE ON account FOR EACH STATEMENT {when} EXECUTE FUNCTION wait()",
    "before its stamp": "CREATE CONSTRAINT TRIGGER zz_wait AFTER UPDATE ON account DEFERRABLE INITIALLY DEFERRED"
    " FOR EACH ROW {when} EXECUTE FUNCTION wait()",
}
WHEN = "WHEN (current_setting('test.wait', true) <> '')"


@pytest.fixture
def shop(accounts: Accounts) -> Iterator[Accounts]:
    """Add a table whose triggers write into `account`, and functions that do."""
    if accounts.observer.value("SELECT to_regclass('line') IS NULL"):
        accounts.observer.run(SCHEMA)
        accounts.first = accounts.observer.value("SELECT max(committed) FROM audittrail.revision")
    yield accounts
    accounts.observer.run("DROP TRIGGER IF EXISTS zz_wait ON account")


@pytest.mark.parametrize("message", MESSAGES)
def test_what_one_message_does_is_in_the_order_of_the_commits(shop: Accounts, message: str) -> None:
    text, _ = MESSAGES[message]
    count = 2 if text.startswith("CALL") else 1
    one, other = shop.client("one"), shop.client("other")
    one.run(text)
    other.run("UPDATE account SET label = 'x' WHERE id = 3")
    one.run(text)
    assert shop.order() == ["one"] * count + ["other"] + ["one"] * count
    times = shop.observer.run(
        f"SELECT committed_at FROM audittrail.revision WHERE committed > {shop.first} ORDER BY committed"
    )
    assert times == sorted(times)
    shop.check()


@pytest.mark.parametrize(
    "message", [name for name, (_, rewritten) in MESSAGES.items() if rewritten is not None]
)
def test_a_revision_is_written_once_where_that_can_be(shop: Accounts, message: str) -> None:
    text, rewritten = MESSAGES[message]
    client = shop.client("client")
    client.run(text)
    question = (
        "SELECT pg_stat_get_tuples_inserted(oid), pg_stat_get_tuples_updated(oid)"
        " FROM pg_class WHERE oid = 'audittrail.revision'::regclass"
    )
    flush = "SELECT pg_stat_force_next_flush()"
    if client.value("SELECT current_setting('server_version_num')::int") < 150000:
        pytest.skip("PostgreSQL 14 tells of changes with a delay.")
    client.run(flush, "SELECT pg_stat_clear_snapshot()")
    inserted, updated = client.run(question)[0]
    client.run(text, flush, "SELECT pg_stat_clear_snapshot()")
    inserted_now, updated_now = client.run(question)[0]
    assert (inserted_now - inserted, updated_now - updated) == (1, rewritten)


@pytest.mark.parametrize("wait", WAITS)
@pytest.mark.parametrize("overtaken", [True, False])
def test_a_statement_that_waits_is_stamped_when_it_commits(
    shop: Accounts, wait: str, overtaken: bool
) -> None:
    shop.observer.run(WAITS[wait].format(when=WHEN))
    slow, fast = shop.client("slow"), shop.client("fast")
    slow.run(WRITE, "SET test.wait = '7'")
    first = shop.observer.value("SELECT max(committed) FROM audittrail.revision")
    fast.run("SELECT pg_advisory_lock(7)")
    writing = shop.in_background(slow, WRITE)
    shop.wait_for_lock(7)
    if overtaken:
        fast.run("UPDATE account SET balance = 5 WHERE id = 2")
    else:
        fast.run("SELECT pg_sleep(0.02)")
    released = fast.value("SELECT clock_timestamp()")
    fast.run("SELECT pg_advisory_unlock(7)")
    writing.result()
    found = shop.observer.run(
        f"SELECT application_name, committed_at > '{released.isoformat()}' FROM audittrail.revision"
        f" WHERE committed > {first} ORDER BY committed"
    )
    assert found == [("fast", False)] * overtaken + [("slow", True)]
    shop.check()


def test_a_time_is_settled_when_its_commits_are_visible(
    shop: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settling, "TIMEOUT", 0.1)
    slow = shop.client("slow")
    slow.run("BEGIN", WRITE, "PREPARE TRANSACTION 'timed'")
    with shop.attached("times"):
        revisions = Revision.objects.using("times")
        for moment in (timezone.now(), timezone.now() + timedelta(days=1)):
            with pytest.raises(UnsettledError, match="pg_prepared_xacts"):
                revisions.get_by_timestamp(moment)
        before = timezone.now() - timedelta(days=1)
        with pytest.raises(Revision.DoesNotExist):
            revisions.get_by_timestamp(before)
        slow.run("COMMIT PREPARED 'timed'")
        assert revisions.get_by_timestamp(timezone.now()).application_name == "slow"


def test_psql_reads_a_time_when_its_commits_are_visible(shop: Accounts) -> None:
    slow, fast = shop.client("slow"), shop.client("fast")
    question = "SELECT balance FROM audittrail.as_of(NULL::account, clock_timestamp()) WHERE id = 1"
    slow.run("BEGIN", WRITE, "PREPARE TRANSACTION 'read from psql'")
    reading = shop.in_background(fast, question)
    shop.wait_until(
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'fast' AND wait_event = 'PgSleep')"
    )
    slow.run("COMMIT PREPARED 'read from psql'")
    assert reading.result() == [(1,)]
    fast.run("BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT count(*) FROM account")
    slow.run(WRITE)
    with pytest.raises(Exception, match="new transaction"):
        fast.run(question)
    fast.run("ROLLBACK")
