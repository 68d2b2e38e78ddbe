"""What an application role can set tears no transaction apart, is left to nobody else, and makes no mark of a correction."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.builders.fresh import Fresh
from tests.roles.foreign import AUTHOR, database_of_an_author, run

REVISIONS = "SELECT id, reason, context FROM audittrail.revision WHERE committed IS NOT NULL ORDER BY id DESC"


@pytest.fixture
def database(fresh_database: Callable[[], Any]) -> Iterator[Fresh]:
    """Give a database with the tracked table `account`, which an application role writes."""
    with database_of_an_author(fresh_database) as made:
        run(
            made.connect(),
            "CREATE TABLE account (id int PRIMARY KEY, balance int NOT NULL DEFAULT 0)",
            "INSERT INTO account VALUES (1), (2)",
            "SELECT audittrail.track('account')",
            f"GRANT ALL ON account TO {AUTHOR}",
        )
        yield made


def write(number: int = 1) -> str:
    return f"UPDATE account SET balance = balance + 1 WHERE id = {number}"


RESET = "SELECT set_config('audittrail.revision', '', true)"


@pytest.mark.parametrize(
    "transaction",
    [
        ("BEGIN", write(), RESET, write(2), "COMMIT"),
        ("BEGIN", write(), RESET, write(2), RESET, "COMMIT"),
        ("BEGIN", write(), RESET, write(2), RESET, write(1), RESET, write(2), "COMMIT"),
        ("BEGIN", write(), "RESET ALL", write(2), "COMMIT"),
        ("BEGIN", write(), "SET LOCAL audittrail.revision = '1'", write(2), "COMMIT"),
        ("BEGIN", write(), "SET LOCAL audittrail.revision = 'x'", "COMMIT"),
        ("BEGIN", write(), RESET, "SAVEPOINT s", write(2), "ROLLBACK TO s", write(2), "COMMIT"),
        (
            "BEGIN",
            write(),
            RESET,
            write(2),
            "SET CONSTRAINTS ALL IMMEDIATE",
            RESET,
            write(1),
            "COMMIT",
        ),
        (
            f"DO $$ BEGIN {write()}; PERFORM set_config('audittrail.revision', '', true); {write(2)}; END $$",
        ),
        (f"{write()}; {RESET}; {write(2)}",),
    ],
)
def test_a_transaction_stays_one_revision_whatever_is_reset(
    database: Fresh, transaction: tuple[str, ...]
) -> None:
    owner, clerk = database.connect(), database.connect(user=AUTHOR)
    ((before,),) = run(owner, "SELECT max(id) FROM audittrail.revision")
    run(clerk, *transaction)
    rows = run(
        owner,
        "SELECT DISTINCT h.revision_id, r.committed > h.version FROM audittrail.account_history h"
        f" LEFT JOIN audittrail.revision r ON r.id = h.revision_id WHERE h.version > {before}",
    )
    assert len(rows) == 1
    assert rows[0][1] is True
    assert run(owner, f"SELECT count(*) FROM audittrail.revision WHERE id > {before}") == [(1,)]
    number = "(SELECT t.id FROM audittrail.tracked_table t WHERE t.table_name = 'account')"
    assert run(owner, f"SELECT * FROM audittrail.verify({number})") == []


def test_a_context_of_the_session_serves_one_revision(database: Fresh) -> None:
    pooled = database.connect(user=AUTHOR)
    run(pooled, """SET audittrail.context = '{"reason": "mine"}'""", write(), write())
    assert [reason for _, reason, _ in run(database.connect(), REVISIONS)[:2]] == ["", "mine"]


def test_a_context_of_its_own_setting_serves_every_revision_of_the_session(database: Fresh) -> None:
    session = database.connect(user=AUTHOR)
    run(session, """SET audittrail.session_context = '{"reason": "mine"}'""")
    run(session, write(), "BEGIN", write(), write(2), "COMMIT")
    assert [row[1:] for row in run(database.connect(), REVISIONS)[:2]] == [("mine", {})] * 2


@pytest.mark.parametrize(
    "said",
    [
        """SET LOCAL audittrail.context = '{"reason": "another"}'""",
        """SET audittrail.context = '{"reason": "another"}'""",
    ],
)
def test_the_context_of_the_session_outlasts_that_of_a_transaction(
    database: Fresh, said: str
) -> None:
    session = database.connect(user=AUTHOR)
    run(session, """SET audittrail.session_context = '{"reason": "mine"}'""")
    run(session, "BEGIN", said, write(), write(2), "COMMIT", write())
    run(session, """/*audittrail:{"reason": "a third"}*/ """ + write(), write())
    reasons = [reason for _, reason, _ in run(database.connect(), REVISIONS)[:4]]
    assert reasons == ["mine", "a third", "mine", "another"]


def test_a_context_whose_change_is_rolled_back_serves_the_next_change(database: Fresh) -> None:
    client = database.connect(user=AUTHOR)
    run(
        client,
        "BEGIN",
        """SET LOCAL audittrail.context = '{"reason": "mine"}'""",
        "SAVEPOINT s",
        write(),
        "ROLLBACK TO s",
        write(),
        write(2),
        "COMMIT",
        write(),
    )
    assert [reason for _, reason, _ in run(database.connect(), REVISIONS)[:2]] == ["", "mine"]


MARKS = '{"corrected": ["account_history"], "pruned": {}, "redacted": [], "restored": {"kind": "rollback"}, "ticket": 1}'


@pytest.mark.parametrize(
    "way", ["SET LOCAL audittrail.context = '{marks}'; {write}", "/*audittrail:{marks}*/{write}"]
)
def test_an_application_makes_no_marks_of_corrections(database: Fresh, way: str) -> None:
    clerk = database.connect(user=AUTHOR)
    run(
        clerk,
        "BEGIN",
        *way.replace("{marks}", MARKS).replace("{write}", write()).split("; "),
        "COMMIT",
    )
    assert run(database.connect(), REVISIONS)[0][2] == {"ticket": 1}


def test_historys_owner_says_that_it_rolled_back_and_others_what_they_restored(
    database: Fresh,
) -> None:
    owner, clerk = database.connect(), database.connect(user=AUTHOR)
    rollback, undo = '{"restored": {"kind": "rollback"}}', '{"restored": {"kind": "undo"}}'
    for connection, said in ((owner, rollback), (clerk, undo)):
        run(connection, f"/*audittrail:{said}*/{write()}")
    found = [context for _, _, context in run(owner, REVISIONS)[:2]]
    assert found == [{"restored": {"kind": "undo"}}, {"restored": {"kind": "rollback"}}]
    run(owner, f"SET ROLE {AUTHOR}", f"/*audittrail:{rollback}*/{write()}", "RESET ROLE")
    assert run(owner, REVISIONS)[0][2] == {}
