"""Columns that get another type while rows have no version yet: history begins anew only where these may have got other values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError

from audittrail.exceptions import TrackedLaterError
from tests.builders.sending import newest
from tests.builders.workshop import Workshop, create

TRACK = "SELECT audittrail.track('workshop_item', baseline_limit => 0)"
WIDENED = "ALTER TABLE workshop_item ALTER name TYPE varchar(20)"
REWRITTEN = f"{WIDENED} USING name || '!'"
VACUUM = "VACUUM FULL workshop_item"
HELD = {1: "a", 2: "b", 3: "c"}


@pytest.fixture
def moment(shop: Workshop, settings: Any) -> Any:
    """Make a table of three rows that have no version; return the revision by which it is tracked."""
    settings.AUDITTRAIL_BASELINE_LIMIT = 0
    shop.migrate(create("Item"), synced=False)
    shop.sql("CREATE TYPE mood AS ENUM ('glad', 'sad')")
    shop.sql("ALTER TABLE workshop_item ADD name varchar(10), ADD mood mood DEFAULT 'glad'")
    shop.sql("INSERT INTO workshop_item VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    shop.sync()
    return newest()


def past(shop: Workshop, moment: Any) -> dict[int, str]:
    """Return what the rows held, as `as_of()` has it."""
    query = "SELECT id, name FROM audittrail.as_of(NULL::workshop_item, %s)"
    return dict(shop.sql(query, [moment.committed_at]))


@pytest.mark.parametrize(
    "changes",
    [
        ("UPDATE workshop_item SET name = name || '.'", WIDENED, TRACK),
        (WIDENED, "UPDATE workshop_item SET name = name || '.'"),
        (WIDENED, "DELETE FROM workshop_item"),
        (WIDENED, "TRUNCATE workshop_item"),
        (WIDENED, "INSERT INTO workshop_item VALUES (4, 'd')"),
        (WIDENED, "UPDATE workshop_item SET name = 'z' WHERE id = 1"),
        (WIDENED, TRACK),
        # Stored anew, and in step when it was last looked at; or no row is left without a version.
        (VACUUM, "SELECT audittrail.note_files()", WIDENED, TRACK),
        ("UPDATE workshop_item SET name = name || '.'", VACUUM, f"{WIDENED}; {TRACK}"),
        ("BEGIN", WIDENED, "UPDATE workshop_item SET name = name || '.'", "COMMIT"),
        ("BEGIN", "UPDATE workshop_item SET name = 'z' WHERE id = 1", WIDENED, TRACK, "COMMIT"),
    ],
    ids=" | ".join,
)
def test_a_type_that_changes_no_value_begins_no_history_anew(
    shop: Workshop, moment: Any, changes: tuple[str, ...]
) -> None:
    session = shop.session().cursor()
    for change in changes:
        session.execute(change)
        if "BEGIN" not in changes:
            assert past(shop, moment) == HELD
    assert past(shop, moment) == HELD
    shop.sync()
    assert past(shop, moment) == HELD


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE workshop_item SET name = name || '.'",
        "UPDATE workshop_item SET name = 'z' WHERE id = 1",
        "DELETE FROM workshop_item",
        "DELETE FROM workshop_item WHERE id = 1",
        "TRUNCATE workshop_item",
        "INSERT INTO workshop_item VALUES (4, 'd')",
        TRACK,
    ],
)
def test_a_type_that_comes_with_other_values_begins_history_anew(
    shop: Workshop, moment: Any, change: str
) -> None:
    shop.sql(REWRITTEN)
    with pytest.raises(DatabaseError, match="has got another type"):
        past(shop, moment)
    shop.sql(change)
    shop.sync()
    with pytest.raises(DatabaseError, match="is tracked only since"):
        past(shop, moment)
    assert past(shop, newest()) == dict(shop.sql("SELECT id, name FROM workshop_item"))


@pytest.mark.parametrize("change", ["ALTER TYPE mood RENAME TO feeling", WIDENED])
def test_the_past_is_read_while_history_has_not_followed_what_changes_no_value(
    shop: Workshop, moment: Any, change: str
) -> None:
    shop.sql(change)
    assert past(shop, moment) == HELD
    shop.sync()
    assert past(shop, moment) == HELD


def another_cluster(shop: Workshop) -> None:
    shop.sql("UPDATE audittrail.tracked_table SET database = '1/5'")


def xids_ahead(shop: Workshop) -> None:
    shop.sql("ALTER TABLE audittrail.revision DISABLE TRIGGER USER")
    shop.sql("UPDATE audittrail.revision SET xid = '4000000000'")
    shop.sql("ALTER TABLE audittrail.revision ENABLE TRIGGER USER")


@pytest.mark.parametrize("restored", [another_cluster, xids_ahead])
def test_what_a_restored_database_cannot_tell_begins_anew(
    shop: Workshop, moment: Any, restored: Callable[[Workshop], None]
) -> None:
    """The transactions and files that a restored registry names are those of another cluster."""
    restored(shop)
    shop.sql(REWRITTEN)
    shop.sql("UPDATE workshop_item SET name = 'z' WHERE id = 1")
    with pytest.raises(DatabaseError, match="is tracked only since"):
        past(shop, moment)
    assert past(shop, newest()) == {1: "z", 2: "b!", 3: "c!"}


@pytest.mark.parametrize("restored", [another_cluster, xids_ahead])
def test_a_restored_database_that_was_looked_at_tells_it(
    shop: Workshop, moment: Any, restored: Callable[[Workshop], None]
) -> None:
    restored(shop)
    shop.sync()
    shop.sql(WIDENED)
    shop.sql("UPDATE workshop_item SET name = 'z'")
    assert past(shop, moment) == HELD


@pytest.mark.parametrize(
    ("change", "anew"), [(WIDENED, False), (f"{WIDENED} USING name || '!'", True)]
)
def test_partitions_that_come_go_and_are_stored_anew_decide_nothing(
    shop: Workshop, settings: Any, change: str, anew: bool
) -> None:
    settings.AUDITTRAIL_BASELINE_LIMIT = 0
    shop.sql(
        "CREATE TABLE workshop_item (id int PRIMARY KEY, name varchar(10)) PARTITION BY RANGE (id);"
        "CREATE TABLE workshop_first PARTITION OF workshop_item FOR VALUES FROM (0) TO (3);"
        "CREATE TABLE workshop_second PARTITION OF workshop_item FOR VALUES FROM (3) TO (9);"
        "INSERT INTO workshop_item VALUES (1, 'a'), (2, 'b'), (3, 'c')"
    )
    shop.sql(TRACK)
    began = newest()
    shop.sql("CREATE TABLE workshop_third PARTITION OF workshop_item FOR VALUES FROM (9) TO (20)")
    shop.sql("VACUUM FULL workshop_first")
    shop.sql(change)
    shop.sql("UPDATE workshop_item SET name = 'z'")
    if anew:
        with pytest.raises(DatabaseError, match="is tracked only since"):
            past(shop, began)
    else:
        assert past(shop, began) == HELD
    shop.sync()


def test_the_orm_says_the_same(shop: Workshop, moment: Any) -> None:
    shop.sql(WIDENED)
    assert shop.Item.history(revision=moment).count() == 3
    shop.sql("ALTER TABLE workshop_item ALTER name TYPE varchar(30) USING name || '!'")
    shop.sync()
    with pytest.raises(TrackedLaterError, match="tracked only since"):
        shop.Item.history(revision=moment).count()


BY_A_TRIGGER = (
    "CREATE FUNCTION also() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    " IF pg_trigger_depth() = 1 THEN UPDATE workshop_item SET name = name || '+' WHERE id = 3; END IF; RETURN NULL; END $$;"
    "CREATE TRIGGER a_first AFTER UPDATE ON workshop_item EXECUTE FUNCTION also();"
    "UPDATE workshop_item SET id = id + 10 WHERE id < 3"
)
BY_COMMANDS = (
    "WITH gone AS (DELETE FROM workshop_item WHERE id = 2 RETURNING *)"
    " UPDATE workshop_item SET name = 'z' WHERE id = 1"
)


@pytest.mark.parametrize(
    ("change", "versions"),
    [
        (
            BY_A_TRIGGER,
            {
                1: ["B a!", "D a!"],
                2: ["B b!", "D b!"],
                3: ["B c!", "U c!+"],
                11: ["I a!"],
                12: ["I b!"],
            },
        ),
        (BY_COMMANDS, {1: ["B a!", "U z"], 2: ["B b!", "D b!"]}),
    ],
    ids=["by a trigger", "by commands"],
)
def test_a_statement_that_is_captured_in_parts_begins_history_anew(
    shop: Workshop, moment: Any, change: str, versions: dict[int, list[str]]
) -> None:
    """Its rows, which are not all captured when history begins, do not pass for those that were there before."""
    shop.sql(REWRITTEN)
    shop.sql(change)
    told: dict[int, list[str]] = {}
    for key, version in shop.sql(
        "SELECT id, concat(operation, ' ', name) FROM audittrail.workshop_item_history ORDER BY version"
    ):
        told.setdefault(key, []).append(version)
    assert told == versions
    assert past(shop, newest()) == dict(shop.sql("SELECT id, name FROM workshop_item"))
    shop.command("backfill")
    shop.assert_in_step()


def test_a_row_without_a_version_whose_key_is_used_again_in_a_statement(
    shop: Workshop, settings: Any
) -> None:
    """The insertion is captured before the deletion, after which nothing tells any more that the row was without a version."""
    settings.AUDITTRAIL_BASELINE_LIMIT = 0
    shop.sql(
        "CREATE TABLE workshop_item (id int PRIMARY KEY, name varchar(10)) PARTITION BY RANGE (id);"
        "CREATE TABLE workshop_first PARTITION OF workshop_item DEFAULT;"
        "INSERT INTO workshop_item VALUES (1, 'a'), (2, 'b'), (3, 'c')"
    )
    shop.sql(TRACK)
    began = newest()
    shop.sql(
        "WITH none AS (DELETE FROM workshop_item WHERE id < 0 RETURNING id),"
        " again AS (INSERT INTO workshop_item VALUES (1, 'x'), (4, 'd') ON CONFLICT (id) DO UPDATE SET name = 'y' RETURNING id)"
        " DELETE FROM workshop_item WHERE id = 1"
    )
    assert past(shop, began) == HELD
    assert past(shop, newest()) == {1: "x", 2: "b", 3: "c", 4: "d"}
    assert shop.sql(
        "SELECT operation::text, name FROM audittrail.workshop_item_history WHERE id = 1 ORDER BY version"
    ) == [("B", "a"), ("D", "a"), ("I", "x")]
    shop.command("backfill")
    shop.assert_in_step()
