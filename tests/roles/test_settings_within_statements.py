"""What a role sets while its statement runs, in an expression of it, keeps nothing of what it writes from history."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from tests.builders.fresh import Fresh
from tests.roles.foreign import run

ROLE = f"audittrail_writer_{os.environ.get('PYTEST_XDIST_WORKER', '')}"
TABLES = (
    f"DROP ROLE IF EXISTS {ROLE}",
    f"CREATE ROLE {ROLE} LOGIN",
    "CREATE TABLE plain (id int PRIMARY KEY, n int)",
    "CREATE TABLE parted (id int, n int) PARTITION BY LIST (id)",
    *(f"CREATE TABLE part_{n} PARTITION OF parted FOR VALUES IN ({n})" for n in range(1, 9)),
    *(
        statement
        for name in ("plain", "parted")
        for statement in (
            f"INSERT INTO {name} VALUES (1, 0), (2, 0), (3, 0), (4, 0)",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON {name} TO {ROLE}",
        )
    ),
    "ALTER TABLE parted ADD PRIMARY KEY (id)",
    "SELECT audittrail.track('plain'), audittrail.track('parted')",
)
SETTINGS = (
    "applied", "asked", "by_row", "closing", "editing", "erasing", "nested", "probe", "reworked", "revision",
    "statement", "unguarded",
)  # fmt: skip

#: Statements that make a setting for one of the rows that they write, before it or after it: {0} makes it, {1} is a table.
STATEMENTS = {
    "update": "UPDATE {1} SET n = CASE id WHEN 3 THEN length({0}) ELSE n + 1 END",
    "returning": "UPDATE {1} SET n = n + 1 WHERE id < 4 RETURNING CASE id WHEN 2 THEN {0} END",
    "delete": "DELETE FROM {1} WHERE id IN (1, 3) RETURNING {0}",
    "insert": "INSERT INTO {1} VALUES (5, 0), (6, length({0})), (7, 0) RETURNING {0}",
    "upsert": "INSERT INTO {1} VALUES (3, 0), (4, 0), (5, 0) ON CONFLICT (id) DO UPDATE SET n = length({0})",
    "with": "WITH a AS (DELETE FROM {1} WHERE id = 1 RETURNING {0}), b AS (UPDATE {1} SET n = 9 WHERE id = 2 RETURNING {0}) SELECT * FROM a, b",
    "merge": "MERGE INTO {1} t USING (VALUES (1, 8), (2, 2), (3, 3), (5, 5)) s (id, new) ON t.id = s.id"
    " WHEN MATCHED AND t.id = 3 THEN DELETE WHEN MATCHED THEN UPDATE SET id = new, n = CASE t.id WHEN 1 THEN length({0}) ELSE 0 END"
    " WHEN NOT MATCHED THEN INSERT VALUES (s.id, length({0}))",
}


@pytest.fixture(scope="module")
def database(fresh_database: Callable[[], Any]) -> Iterator[Fresh]:
    """Give a database with two tracked tables, one of them partitioned, that a role may write."""
    with fresh_database() as made:
        run(made.connect(), *TABLES)
        yield made
        run(made.connect(), f"DROP OWNED BY {ROLE}", f"DROP ROLE {ROLE}")


@pytest.mark.parametrize("statement", STATEMENTS)
@pytest.mark.parametrize("table", ["plain", "parted"])
def test_nothing_escapes_by_a_setting(database: Fresh, table: str, statement: str) -> None:
    owner, writer = database.connect(), database.connect(user=ROLE)
    tracked = f"(SELECT id FROM audittrail.tracked_table WHERE table_name = '{table}')"
    # The rows of a partitioned table can escape by "by_row", as docs/security.md says.
    for setting in [name for name in SETTINGS if (table, name) != ("parted", "by_row")]:
        for value in ("", "1", "2"):
            made = f"set_config('audittrail.{setting}', '{value}', true)"
            run(writer, "BEGIN")
            with suppress(Exception):  # whoever can't write keeps nothing from history
                run(writer, STATEMENTS[statement].format(made, table))
                run(writer, "COMMIT")
            run(writer, "ROLLBACK")
            assert run(owner, f"SELECT * FROM audittrail.verify({tracked})") == [], made
            run(
                owner,
                f"DELETE FROM {table}",
                f"INSERT INTO {table} VALUES (1, 0), (2, 0), (3, 0), (4, 0)",
            )
