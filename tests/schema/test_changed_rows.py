"""What a change of a table by hand makes of its rows is recorded with the first write, and beside what that write does itself."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders.workshop import Workshop

TABLE = (
    "CREATE TABLE workshop_item (id int PRIMARY KEY, n int);"
    "INSERT INTO workshop_item VALUES (1, 1), (2, 2), (3, 3), (4, 4);"
    "SELECT audittrail.track('workshop_item')"
)
SAME = "ALTER TABLE workshop_item ALTER n TYPE bigint"
OTHER = f"{SAME} USING n + 10"
#: The rows hold the value of a new column themselves by then, and not the catalog.
FILLED = f"ALTER TABLE workshop_item ADD c int DEFAULT 5; {SAME}; ALTER TABLE workshop_item ALTER n TYPE int"

BY_A_TRIGGER = (
    "CREATE FUNCTION also() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    " IF pg_trigger_depth() = 1 THEN UPDATE workshop_item SET n = n + 100 WHERE id = 3; {}; END IF; RETURN NULL; END $$;"
    "CREATE TRIGGER a_first AFTER UPDATE ON workshop_item FOR EACH STATEMENT EXECUTE FUNCTION also();"
    "UPDATE workshop_item SET n = n + 1 WHERE id < 4"
)
BY_COMMANDS = (
    "WITH a AS (INSERT INTO workshop_item VALUES (5, 5) RETURNING id),"
    " b AS (UPDATE workshop_item SET n = n + 1 WHERE id IN (2, 3) RETURNING id)"
    " DELETE FROM workshop_item WHERE id = 1"
)
BY_HAND = "SET CONSTRAINTS ALL IMMEDIATE"


def versions(shop: Workshop) -> dict[int, list[str]]:
    told: dict[int, list[str]] = {}
    for key, version in shop.sql(
        "SELECT id, concat(operation, n) FROM audittrail.workshop_item_history ORDER BY version"
    ):
        told.setdefault(key, []).append(version)
    return told


@pytest.mark.parametrize("hand", ["NULL", BY_HAND])
@pytest.mark.parametrize("more", [0, 10])
def test_a_write_that_a_trigger_goes_on_with(shop: Workshop, hand: str, more: int) -> None:
    """The inner statement is recorded first, while the rows of the outer one are changed and not recorded."""
    shop.sql(TABLE)
    shop.sql(OTHER if more else SAME)
    shop.sql(BY_A_TRIGGER.format(hand))
    told = versions(shop)
    assert told[1][-1:] == [f"U{2 + more}"]
    assert told[2][-1:] == [f"U{3 + more}"]
    assert told[3][-2:] == [f"U{4 + more}", f"U{104 + more}"]
    assert told[4] == (["B4", "B14"] if more else ["B4"])
    shop.assert_in_step()


@pytest.mark.parametrize("more", [0, 10])
def test_a_write_of_several_commands(shop: Workshop, more: int) -> None:
    shop.sql(TABLE)
    shop.sql(OTHER if more else SAME)
    shop.sql(BY_COMMANDS)
    told = versions(shop)
    assert told[1][-1:] == [f"D{1 + more}"]
    assert told[2][-1:] == [f"U{3 + more}"]
    assert told[5] == ["I5"]
    assert told[4] == (["B4", "B14"] if more else ["B4"])
    assert not any(
        version.startswith("B") for one in told.values() for version in one[1:] if one != told[4]
    )
    shop.assert_in_step()


@pytest.mark.parametrize(
    "then",
    [
        "",
        BY_HAND,
        "ALTER TABLE workshop_item ADD note text DEFAULT 'x'",
        "ALTER TABLE workshop_item DROP n",
        "ALTER TABLE workshop_item ALTER n TYPE text USING 'n' || n",
        "ALTER TABLE workshop_item RENAME TO workshop_thing",
        "DROP TABLE workshop_item",
        "ROLLBACK TO s",
        "PREPARE TRANSACTION 'changed'; COMMIT PREPARED 'changed'",
    ],
)
def test_what_else_the_transaction_does(shop: Workshop, then: str) -> None:
    shop.sql(TABLE)
    session = shop.session(autocommit=True).cursor()
    for statement in (
        "BEGIN",
        OTHER,
        "SAVEPOINT s",
        "UPDATE workshop_item SET n = 0 WHERE id = 1",
        then,
        "COMMIT",
    ):
        for one in filter(None, statement.split("; ")):
            session.execute(one)
    shop.sync()
    if "DROP TABLE" not in then:
        last = {key: one[-1] for key, one in versions(shop).items()}
        assert "DROP n" in then or last[4] in ("B14", "Bn14")
    shop.assert_in_step()


def test_a_commit_in_a_procedure(shop: Workshop) -> None:
    shop.sql(TABLE)
    shop.sql(OTHER)
    shop.sql("DO $$ BEGIN UPDATE workshop_item SET n = 0 WHERE id = 1; COMMIT; END $$")
    assert versions(shop)[4] == ["B4", "B14"]


@pytest.mark.parametrize("isolation", ["REPEATABLE READ", "SERIALIZABLE"])
@pytest.mark.parametrize("limit", [0, 33554432])
@pytest.mark.parametrize("change", [SAME, OTHER, FILLED])
def test_a_snapshot_that_shows_the_change_is_not_refused(
    shop: Workshop, isolation: str, limit: int, change: str
) -> None:
    """Others that were running when it was taken have not written to the table since: they would have followed the change first."""
    shop.sql(TABLE.replace("')", f"', baseline_limit => {limit})"))
    shop.sql(change)
    shop.sql("CREATE TABLE other (id int)")
    writing, session = shop.session().cursor(), shop.session().cursor()
    writing.execute("BEGIN; INSERT INTO other VALUES (1)")
    session.execute(f"BEGIN ISOLATION LEVEL {isolation}; SELECT 1")
    writing.execute("COMMIT")
    session.execute("UPDATE workshop_item SET n = 0 WHERE id = 1; COMMIT")
    shop.sync()
    assert versions(shop)[1][-1] == "U0"
    shop.command("backfill")
    shop.assert_in_step()


@pytest.mark.parametrize("change", ["varchar(20)", "varchar(20) USING name || '!'"])
def test_a_snapshot_older_than_writes_of_others_that_changes_the_table_itself(
    shop: Workshop, change: str
) -> None:
    """Rows that it has not rewritten are not recorded as it sees them: others have changed them since."""
    shop.sql("CREATE TABLE workshop_item (id int PRIMARY KEY, name varchar(10))")
    shop.sql("INSERT INTO workshop_item VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    shop.sql("SELECT audittrail.track('workshop_item')")
    session = shop.session().cursor()
    session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
    shop.sql("UPDATE workshop_item SET name = 'x' WHERE id = 1")
    session.execute(f"ALTER TABLE workshop_item ALTER name TYPE {change}")
    session.execute("UPDATE workshop_item SET name = 'y' WHERE id = 2; COMMIT")
    shop.assert_in_step()
    told: Any = dict(
        shop.sql(
            "SELECT DISTINCT ON (id) id, name FROM audittrail.workshop_item_history ORDER BY id, version DESC"
        )
    )
    assert told == dict(shop.sql("SELECT id, name FROM workshop_item"))
    assert told[1] == ("x!" if "USING" in change else "x")


def test_a_snapshot_older_than_a_truncation_of_no_rows(shop: Workshop) -> None:
    shop.sql(TABLE.replace("INSERT INTO workshop_item VALUES (1, 1), (2, 2), (3, 3), (4, 4);", ""))
    shop.sql(FILLED)
    session = shop.session().cursor()
    session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1")
    shop.sql("TRUNCATE workshop_item")
    session.execute("INSERT INTO workshop_item VALUES (5, 5); COMMIT")
    assert versions(shop) == {5: ["I5"]}
    shop.assert_in_step()
