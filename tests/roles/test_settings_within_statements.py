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
ROWS = "(1, 0), (2, 0), (3, 0), (4, 0)"
TABLES = (
    f"DROP ROLE IF EXISTS {ROLE}",
    f"CREATE ROLE {ROLE} LOGIN",
    "CREATE TABLE plain (id int PRIMARY KEY, n int)",
    "CREATE TABLE parted (id int, n int) PARTITION BY LIST (id)",
    *(f"CREATE TABLE part_{n} PARTITION OF parted FOR VALUES IN ({n})" for n in range(1, 9)),
    f"GRANT SELECT, INSERT, UPDATE ON part_1, part_8 TO {ROLE}",
    *(
        statement
        for name in ("plain", "parted")
        for statement in (
            f"INSERT INTO {name} VALUES {ROWS}",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON {name} TO {ROLE}",
        )
    ),
    "ALTER TABLE parted ADD PRIMARY KEY (id)",
    "SELECT audittrail.track('plain'), audittrail.track('parted')",
    f"GRANT USAGE ON SCHEMA audittrail TO {ROLE}",
)
SETTINGS = (
    "applied", "asked", "by_row", "closing", "editing", "erasing", "nested", "probe", "reworked", "revision",
    "statement", "turned", "unguarded",
)  # fmt: skip

#: Settings that a forger would make together, as {0}.
TOGETHER = (
    "set_config('audittrail.by_row', '', true), set_config('audittrail.turned', '', true)",
    "set_config('audittrail.by_row', '1', true), set_config('audittrail.turned', '', true)",
    "set_config('audittrail.by_row', '1', true), set_config('audittrail.turned', 'yes', true)",
    "forget(), set_config('audittrail.turned', '', true)",
    "forget(), set_config('audittrail.turned', 'yes', true)",
    "set_config('audittrail.turned', '', true), nested('parted')",
    "forget(), set_config('audittrail.turned', '', true), nested('parted')",
    "set_config('audittrail.turned', '', true), nested('plain')",
    "audittrail.is_by_row()",
    "set_config('audittrail.turned', '', true), asks()",
    "merged('parted'), set_config('audittrail.turned', '', true)",
    "set_config('audittrail.statement', '', true), merged('parted')",
)
#: What makes no setting: the statement itself works.
WITHOUT = "''"
#: Functions of the role: to have the session forget the numbers of sequences, and to write in the midst of a statement.
FUNCTIONS = (
    "CREATE FUNCTION forget() RETURNS text LANGUAGE plpgsql AS $$ BEGIN DISCARD SEQUENCES; RETURN ''; END $$",
    "CREATE FUNCTION asks() RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM audittrail.is_by_row(); RETURN ''; END $$",
    "CREATE FUNCTION nested(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN IF $1 = 'plain' THEN UPDATE plain SET n = n - 1 WHERE id = 4; ELSE UPDATE parted SET n = n - 1 WHERE id = 4; END IF; RETURN ''; END $$",
    "CREATE FUNCTION merged(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'MERGE INTO parted t USING (VALUES (4)) s (id) ON t.id = s.id WHEN MATCHED THEN UPDATE SET n = n - 1'; RETURN ''; END $$",
)

#: Statements that make a setting for one of the rows that they write, before it or after it: {0} makes it, {1} is a table.
STATEMENTS = {
    "update": "UPDATE {1} SET n = CASE id WHEN 3 THEN length({0}) ELSE n + 1 END",
    "move": "UPDATE {1} SET id = id + 4, n = CASE id WHEN 3 THEN length({0}) ELSE n + 1 END WHERE id < 4",
    "returning": "UPDATE {1} SET n = n + 1 WHERE id < 4 RETURNING CASE id WHEN 2 THEN {0} END",
    "delete": "DELETE FROM {1} WHERE id IN (1, 3) RETURNING {0}",
    "insert": "INSERT INTO {1} VALUES (5, 0), (6, length({0})), (7, 0) RETURNING {0}",
    "upsert": "INSERT INTO {1} VALUES (3, 0), (4, 0), (5, 0) ON CONFLICT (id) DO UPDATE SET n = length({0})",
    "with": "WITH a AS (DELETE FROM {1} WHERE id = 1 RETURNING {0}), b AS (UPDATE {1} SET n = 9 WHERE id = 2 RETURNING {0}) SELECT * FROM a, b",
    "merge": "MERGE INTO {1} t USING (VALUES (1, 8), (2, 2), (3, 3), (5, 5)) s (id, new) ON t.id = s.id"
    " WHEN MATCHED AND t.id = 3 THEN DELETE WHEN MATCHED THEN UPDATE SET id = new, n = CASE t.id WHEN 1 THEN length({0}) ELSE 0 END"
    " WHEN NOT MATCHED THEN INSERT VALUES (s.id, length({0}))",
    "merge that moves": "MERGE INTO {1} t USING (VALUES (1, 8), (2, 7), (3, 6)) s (id, new) ON t.id = s.id"
    " WHEN MATCHED THEN UPDATE SET id = new, n = CASE t.id WHEN 2 THEN length({0}) ELSE 0 END",
    "merge, unset and set again": "MERGE INTO {1} t USING (VALUES (1, 8), (2, 2)) s (id, new) ON t.id = s.id"
    " WHEN MATCHED THEN UPDATE SET id = new, n = CASE t.id WHEN 1 THEN length({0})"
    " ELSE length(concat(set_config('audittrail.by_row', '1', true), set_config('audittrail.turned', 'yes', true))) END",
    "prepared": "PREPARE p AS UPDATE {1} SET id = id + 4, n = length({0}) WHERE id < 4; EXECUTE p",
    "with, aimed at partitions": "WITH a AS (UPDATE part_1 SET n = length({0}) RETURNING n), b AS (DELETE FROM {1} WHERE id = 2)"
    " INSERT INTO part_8 SELECT 8, n FROM a RETURNING {0}",
}


@pytest.fixture(scope="module")
def database(fresh_database: Callable[[], Any]) -> Iterator[Fresh]:
    """Give a database with two tracked tables, one of them partitioned, that a role may write."""
    with fresh_database() as made:
        run(made.connect(), *TABLES)
        run(
            made.connect(),
            f"GRANT CREATE ON SCHEMA public TO {ROLE}",
            f"SET ROLE {ROLE}",
            *FUNCTIONS,
        )
        yield made
        run(made.connect(), f"DROP OWNED BY {ROLE}", f"DROP ROLE {ROLE}")


@pytest.mark.parametrize("statement", STATEMENTS)
@pytest.mark.parametrize("table", ["plain", "parted"])
def test_nothing_escapes_by_a_setting(database: Fresh, table: str, statement: str) -> None:
    owner, writer = database.connect(), database.connect(user=ROLE)
    tracked = f"(SELECT id FROM audittrail.tracked_table WHERE table_name = '{table}')"
    single = [
        f"set_config('audittrail.{setting}', '{value}', true)"
        for setting in SETTINGS
        for value in ("", "1", "2")
    ]
    written = 0
    for made in [*single, *(f"concat({several})" for several in TOGETHER), WITHOUT]:
        run(writer, "BEGIN")
        with suppress(Exception):  # whoever can't write keeps nothing from history
            run(writer, STATEMENTS[statement].format(made, table))
            run(writer, "COMMIT")
            written += made == WITHOUT
        run(writer, "ROLLBACK", "DEALLOCATE ALL")
        assert run(owner, f"SELECT * FROM audittrail.verify({tracked})") == [], made
        for name in ("plain", "parted"):
            run(owner, f"DELETE FROM {name}", f"INSERT INTO {name} VALUES {ROWS}")
    ((version,),) = run(owner, "SELECT current_setting('server_version_num')::int / 10000")
    assert written == ("MERGE" not in STATEMENTS[statement] or version >= 15)
