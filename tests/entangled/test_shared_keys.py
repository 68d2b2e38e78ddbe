"""Rows that share a deferrable key for a while are told where none of them has a version yet: the past has what was there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.roles.foreign import run

HELD = [(1, "a"), (2, "b"), (3, "c"), (4, "c")]
TABLES = {
    "plain": ("CREATE TABLE place (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, name text)",),
    "partitioned": (
        "CREATE TABLE place (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, name text) PARTITION BY RANGE (id)",
        "CREATE TABLE place_low PARTITION OF place FOR VALUES FROM (0) TO (3)",
        "CREATE TABLE place_high PARTITION OF place DEFAULT",
    ),
}
#: What a transaction does.
STATEMENTS = {
    "the old row goes": (
        "INSERT INTO place VALUES (1, 'new')",
        "DELETE FROM place WHERE name = 'a'",
    ),
    "the new row goes": (
        "INSERT INTO place VALUES (1, 'new')",
        "DELETE FROM place WHERE name = 'new'",
    ),
    "the old row changes, the new one goes": (
        "INSERT INTO place VALUES (1, 'new')",
        "UPDATE place SET name = 'changed' WHERE name = 'a'",
        "DELETE FROM place WHERE name = 'new'",
    ),
    "a row comes and goes by its key": (
        "UPDATE place SET id = 1 WHERE id = 2",
        "UPDATE place SET id = 2 WHERE name = 'b'",
    ),
    "a row has a baseline by then": (
        "UPDATE place SET name = name",
        "INSERT INTO place VALUES (1, 'new')",
        "DELETE FROM place WHERE name = 'a'",
    ),
    "keys are exchanged": ("UPDATE place SET id = 3 - id WHERE id < 3",),
    "rows that are alike exchange their keys": ("UPDATE place SET id = 7 - id WHERE id > 2",),
    "keys are exchanged one by one": (
        "UPDATE place SET id = 3 WHERE id = 2",
        "UPDATE place SET id = 2 WHERE name = 'c' AND id = 3",
    ),
    "commands of one statement": (
        "WITH i AS (INSERT INTO place VALUES (1, 'new') RETURNING id) DELETE FROM place WHERE name = 'a'",
    ),
    "in a block": (
        (
            "DO $$ BEGIN UPDATE place SET name = name WHERE id = 1; INSERT INTO place VALUES (1, 'new');"
            " DELETE FROM place WHERE name = 'a'; END $$"
        ),
    ),
}


@pytest.mark.parametrize(
    ("table", "changed", "isolation"),
    [
        ("plain", False, "READ COMMITTED"),
        ("plain", True, "REPEATABLE READ"),
        ("partitioned", True, "READ COMMITTED"),
        ("partitioned", False, "REPEATABLE READ"),
    ],
)
def test_the_past_has_what_was_there(
    fresh_database: Callable[[], Any], table: str, changed: bool, isolation: str
) -> None:
    with fresh_database() as database:
        session = database.connect()
        for number, (what, statements) in enumerate(STATEMENTS.items()):

            def play(*texts: str, name: str = f"place_{number}") -> list[Any]:
                return run(session, *(text.replace("place", name) for text in texts))

            play(
                *TABLES[table],
                "INSERT INTO place VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'c')",
                "SELECT audittrail.track('place', baseline_limit => 0)",
            )
            if changed:
                play("ALTER TABLE place ADD note int")
            play(f"BEGIN ISOLATION LEVEL {isolation}", *statements, "COMMIT")
            (registered,) = play(
                "SELECT t.baseline_complete, r.committed_at FROM audittrail.tracked_table t"
                " JOIN audittrail.revision r ON r.id = t.since_revision WHERE t.table_name = 'place'"
            )
            versions = play(
                "SELECT id, operation::text, name FROM audittrail.place_history ORDER BY id, version"
            )
            past = play(
                f"SELECT id, name FROM audittrail.as_of(NULL::place, '{registered[1]}') ORDER BY id"
            )
            assert (registered[0], past) == (False, HELD), (what, versions)
            present = play(
                "SELECT id, name FROM audittrail.as_of(NULL::place, clock_timestamp()) ORDER BY id"
            )
            assert present == play("SELECT id, name FROM place ORDER BY id"), (what, versions)
            assert not play(
                "SELECT v.* FROM audittrail.tracked_table t, audittrail.verify(t.id) v WHERE t.table_name = 'place'"
            )
