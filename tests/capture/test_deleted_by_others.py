"""A transaction keeps its snapshot at the higher levels, and writes a key whose row others have deleted since: that row it still sees.

Such a row is neither what the transaction began with nor what is in the table.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from tests.capture.truth import Witness
from tests.capture.ways import sql

Raw = Callable[..., Any]
Made = Callable[[str], Witness]

ISOLATION = ["REPEATABLE READ", "SERIALIZABLE"]
TABLES = {
    "plain": "CREATE TABLE item (id int PRIMARY KEY, name text)",
    "partitioned": "CREATE TABLE item (id int PRIMARY KEY, name text) PARTITION BY HASH (id);"
    " CREATE TABLE item_0 PARTITION OF item FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
    " CREATE TABLE item_1 PARTITION OF item FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
    "with referential actions": "CREATE TABLE item (id int PRIMARY KEY, name text, above int REFERENCES item ON DELETE SET NULL)",
    "with a trigger": "CREATE TABLE item (id int PRIMARY KEY, name text);"
    " CREATE FUNCTION whisper() RETURNS trigger LANGUAGE plpgsql AS"
    " $$ BEGIN UPDATE item SET name = lower(name) WHERE id = NEW.id AND name = NEW.name; RETURN NULL; END $$;"
    " CREATE TRIGGER whisper AFTER INSERT ON item FOR EACH ROW WHEN (NEW.name <> 'A') EXECUTE FUNCTION whisper()",
}
ROWS = "INSERT INTO item (id, name) VALUES (1, 'A'), (2, 'B'), (3, 'C')"

#: What others have done to row 1.
OTHERS = {
    "deleted": "DELETE FROM item WHERE id = 1",
    "moved": "UPDATE item SET id = 9 WHERE id = 1",
    "replaced and deleted": "DELETE FROM item WHERE id = 1; INSERT INTO item (id, name) VALUES (1, 'Other');"
    " DELETE FROM item WHERE id = 1",
}
#: Messages that bring row 1 in again, and what its versions have to be from then on, by their names in capitals.
WRITES = {
    "an upsert": (
        ["INSERT INTO item (id, name) VALUES (1, 'X') ON CONFLICT (id) DO UPDATE SET name = 'X'"],
        ["I X"],
    ),
    "an insertion that does nothing on conflict": (
        [
            ("INSERT INTO item (id, name) VALUES (77, 'Y');"
            "INSERT INTO item (id, name) VALUES (1, 'X') ON CONFLICT (id) DO NOTHING")
        ],
        ["I X"],
    ),
    "a row that is the same": (
        [
            "INSERT INTO item (id, name) VALUES (77, 'Y'); INSERT INTO item (id, name) VALUES (1, 'A')"
        ],
        ["I A"],
    ),
    "an update after it": (
        [
            ("INSERT INTO item (id, name) VALUES (77, 'Y'); INSERT INTO item (id, name) VALUES (1, 'X');"
            "UPDATE item SET name = 'A' WHERE upper(name) = 'X'")
        ],
        ["I X", "U A"],
    ),
    "a deletion after it": (
        [
            ("INSERT INTO item (id, name) VALUES (77, 'Y'); INSERT INTO item (id, name) VALUES (1, 'X');"
            "DELETE FROM item WHERE upper(name) = 'X'")
        ],
        ["I X", "D X"],
    ),
    "a key that changes": (
        ["INSERT INTO item (id, name) VALUES (77, 'Y'); UPDATE item SET id = 1 WHERE id = 2"],
        ["I B"],
    ),
    "several commands": (
        [
            "WITH i AS (INSERT INTO item (id, name) VALUES (1, 'X') RETURNING 1) UPDATE item SET name = 'Z' WHERE id = 3"
        ],
        ["I X"],
    ),
    "a column of one's own": (
        [
            ("INSERT INTO item (id, name) VALUES (77, 'Y'); ALTER TABLE item ADD note text;"
            "INSERT INTO item (id, name) VALUES (1, 'X')")
        ],
        ["I X"],
    ),
    "an insertion that is undone": (
        [
            "INSERT INTO item (id, name) VALUES (77, 'Y')",
            ("SAVEPOINT s; INSERT INTO item (id, name) VALUES (1, 'Lost'); ROLLBACK TO s;"
            "SAVEPOINT t; INSERT INTO item (id, name) VALUES (1, 'X'); RELEASE t;"
            "UPDATE item SET name = 'Z' WHERE upper(name) = 'X'"),
        ],
        ["I X", "U Z"],
    ),
    "a lock before the snapshot": (
        ["INSERT INTO item (id, name) VALUES (77, 'Y'); INSERT INTO item (id, name) VALUES (1, 'X')"],
        ["I X"],
    ),
}  # fmt: skip


def begin(raw: Raw, isolation: str, first: str = "SELECT FROM item") -> Any:
    """Return a cursor of another session, in a transaction whose snapshot is taken."""
    cursor = raw().cursor()
    cursor.execute(f"SET search_path = scratch, public; COMMIT; BEGIN ISOLATION LEVEL {isolation}")
    cursor.execute(first)
    return cursor


def versions(witness: Witness, after: int, key: str = "1") -> list[str]:
    """Return the later versions of a row."""
    return [
        f"{version.operation} {(version.image['name'] or '').upper()}"
        for version in witness.versions()
        if version.version > after and version.key == (key,)
    ]


def last_version(witness: Witness) -> int:
    """Return the last version that there is."""
    return max(version.version for version in witness.versions())


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("done", OTHERS)
def test_what_comes_in_again_is_an_insertion(made: Made, raw: Raw, kind: str, done: str) -> None:
    witness = made(f"{TABLES[kind]}; {ROWS}; CREATE TABLE untracked_gate ()")
    for name, (messages, expected) in WRITES.items():
        sql(f"DELETE FROM item; {ROWS}")
        first = "SELECT FROM item"
        if name == "a lock before the snapshot":  # which gives the transaction its number
            first = f"LOCK TABLE untracked_gate; {first}"
        cursor = begin(raw, "REPEATABLE READ", first)
        sql(OTHERS[done])
        before = last_version(witness)
        with witness.watching(exact=False):
            for message in messages:
                cursor.execute(message)
            cursor.execute("COMMIT")
        told = versions(witness, before)
        if kind == "with a trigger":
            # It changes once more what has been inserted, which is the same in capitals.
            told = [
                one
                for last, one in pairwise(["", *told])
                if (last[0:1], one[0]) != ("I", "U") or last[1:] != one[1:]
            ]
        assert told == expected, name


@pytest.mark.parametrize("isolation", ISOLATION)
@pytest.mark.parametrize("truncated", ["plain item", "partitioned item", "partitioned item_1"])
def test_what_others_have_truncated(made: Made, raw: Raw, isolation: str, truncated: str) -> None:
    """No snapshot shows the rows any more, but it shows their last versions."""
    kind, table = truncated.split()
    witness = made(f"{TABLES[kind]}")
    sql("INSERT INTO item SELECT n, 'A' FROM generate_series(1, 9) n")
    ((number,),) = sql(f"SELECT min(id) FROM {table}")
    cursor = begin(raw, isolation, "SELECT")
    sql(f"TRUNCATE {table}")
    before = last_version(witness)
    cursor.execute("SAVEPOINT s")
    with pytest.raises(Exception, match=r"may have deleted a row of scratch\.item"):
        cursor.execute(
            f"INSERT INTO item VALUES (77, 'Y'); INSERT INTO item VALUES ({number}, 'X')"
        )
    cursor.execute("ROLLBACK TO s")
    with witness.watching(exact=False):
        cursor.execute(f"INSERT INTO item VALUES ({number}, 'X')")
        cursor.execute("INSERT INTO item VALUES (77, 'Y'); UPDATE item SET name = 'Z' WHERE id > 9")
        cursor.execute(f"UPDATE item SET name = 'Y' WHERE id = {number}; COMMIT")
    assert versions(witness, before, str(number)) == ["I X", "U Y"]


@pytest.mark.parametrize("isolation", ISOLATION)
def test_what_others_have_changed_since_postgresql_refuses(
    made: Made, raw: Raw, isolation: str
) -> None:
    witness = made(f"{TABLES['plain']}; {ROWS}")
    cursor = begin(raw, isolation)
    sql("UPDATE item SET name = 'other' WHERE id = 1; INSERT INTO item VALUES (4, 'other')")
    for write in (
        "UPDATE item SET name = 'mine' WHERE id = 1",
        "DELETE FROM item",
        "INSERT INTO item VALUES (4, 'mine') ON CONFLICT (id) DO UPDATE SET name = 'mine'",
        "INSERT INTO item VALUES (4, 'mine') ON CONFLICT DO NOTHING",
    ):
        with witness.watching() as watch:
            cursor.execute("SAVEPOINT s")
            with pytest.raises(Exception, match="could not serialize access"):
                cursor.execute(write)
            cursor.execute("ROLLBACK TO s")
        assert watch.recorded.revisions == ()


@pytest.mark.parametrize("isolation", ISOLATION)
def test_a_row_with_a_deferrable_key_that_is_deleted(made: Made, raw: Raw, isolation: str) -> None:
    """Another row may have the key beside it, so that PostgreSQL is asked whether it is gone."""
    witness = made(f"CREATE TABLE item (id int PRIMARY KEY DEFERRABLE, name text); {ROWS}")
    cursor = begin(raw, isolation)
    sql("DELETE FROM item WHERE id = 1")
    write = "INSERT INTO item VALUES (1, 'X')"
    with pytest.raises(Exception, match="could not serialize access"):
        cursor.execute(write)
    with witness.watching():
        cursor.execute(f"ROLLBACK; BEGIN ISOLATION LEVEL {isolation}; {write}; COMMIT")


@pytest.mark.parametrize("isolation", ISOLATION)
def test_rows_with_a_deferrable_key_that_are_there(made: Made, raw: Raw, isolation: str) -> None:
    witness = made(f"CREATE TABLE item (id int PRIMARY KEY DEFERRABLE, name text); {ROWS}")
    cursor = begin(raw, isolation)
    sql("DELETE FROM item WHERE id = 3")
    with witness.watching(exact=False):
        cursor.execute("SET CONSTRAINTS ALL DEFERRED; INSERT INTO item VALUES (1, 'X')")
        cursor.execute("DELETE FROM item WHERE name = 'A'")
        cursor.execute("UPDATE item SET id = 3 - id WHERE id < 3; COMMIT")


@pytest.mark.parametrize("isolation", ISOLATION)
def test_rows_that_policies_hide_from_the_owner_of_history(
    made: Made, raw: Raw, isolation: str
) -> None:
    """Whether the row is gone can't be seen: so an insertion is refused, unless nobody can have deleted it."""
    made(f"{TABLES['plain']}; {ROWS}; ALTER TABLE item ENABLE ROW LEVEL SECURITY")
    functions = ", ".join(
        f"audittrail.item_history_{event}" for event in ("insert", "update", "delete")
    )
    sql(
        f"""
        CREATE ROLE keeper;
        GRANT ALL ON SCHEMA audittrail, scratch TO keeper;
        GRANT ALL ON ALL TABLES IN SCHEMA audittrail, scratch TO keeper;
        GRANT ALL ON ALL SEQUENCES IN SCHEMA audittrail TO keeper;
        GRANT ALL ON ALL FUNCTIONS IN SCHEMA audittrail TO keeper;
        ALTER FUNCTION {functions.replace(", ", " OWNER TO keeper; ALTER FUNCTION ")} OWNER TO keeper;
        ALTER TABLE audittrail.item_history OWNER TO keeper
        """
    )
    again = "WITH gone AS (DELETE FROM item WHERE id = 1 RETURNING *) INSERT INTO item SELECT 1, name || '!' FROM gone"
    try:
        cursor = begin(raw, isolation, "SELECT")
        cursor.execute(f"{again}; COMMIT; BEGIN ISOLATION LEVEL {isolation}; SELECT")
        sql("DELETE FROM item WHERE id = 1")
        with pytest.raises(Exception, match="may have deleted"):
            cursor.execute("INSERT INTO item VALUES (77, 'Y'); INSERT INTO item VALUES (1, 'X')")
        cursor.execute(f"ROLLBACK; BEGIN ISOLATION LEVEL {isolation}; SELECT")
        sql("DELETE FROM item WHERE id = 2")
        cursor.execute(
            "INSERT INTO item VALUES (77, 'Y'); UPDATE item SET name = 'Z' WHERE id = 3; COMMIT"
        )
    finally:
        sql("ALTER TABLE audittrail.item_history OWNER TO CURRENT_USER")
        sql("DROP OWNED BY keeper CASCADE; DROP ROLE keeper")
