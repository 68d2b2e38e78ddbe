"""A MERGE into a partitioned table is recorded where no text tells that there is one: by a rule, or by a cursor that was opened before.

PostgreSQL has neither until 17; then the statements are errors, which keep nothing from history either.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from tests.builders.fresh import Fresh
from tests.roles.foreign import run

ROLE = f"audittrail_hider_{os.environ.get('PYTEST_XDIST_WORKER', '')}"
SCENE = (
    f"DROP ROLE IF EXISTS {ROLE}",
    f"CREATE ROLE {ROLE} LOGIN",
    "CREATE TABLE parted (id int PRIMARY KEY, n int) PARTITION BY LIST (id)",
    *(f"CREATE TABLE part_{n} PARTITION OF parted FOR VALUES IN ({n})" for n in range(1, 9)),
    "INSERT INTO parted VALUES (1, 0), (2, 0), (3, 0), (4, 0)",
    f"GRANT SELECT, INSERT, UPDATE, DELETE ON parted TO {ROLE}",
    "SELECT audittrail.track('parted')",
)
MERGES = {
    "moves": "MERGE INTO parted t USING (VALUES (1, 8), (2, 7)) s (id, new) ON t.id = s.id WHEN MATCHED THEN UPDATE SET id = new RETURNING t.id",
    "updates, and moves": "MERGE INTO parted t USING (VALUES (1, 8), (2, 2), (3, 7)) s (id, new) ON t.id = s.id"
    " WHEN MATCHED THEN UPDATE SET id = new, n = n + 1 RETURNING t.id",
    "all": "MERGE INTO parted t USING (VALUES (1, 8), (5, 5), (2, 2), (3, 3)) s (id, new) ON t.id = s.id WHEN MATCHED AND t.id = 3 THEN DELETE"
    " WHEN MATCHED THEN UPDATE SET id = new, n = n + 1 WHEN NOT MATCHED THEN INSERT VALUES (s.id, 9) RETURNING t.id",
}
OPENS = "CREATE FUNCTION pg_temp.opens(refcursor) RETURNS refcursor LANGUAGE plpgsql AS $$ BEGIN OPEN $1 FOR EXECUTE '{0}'; RETURN $1; END $$"
READS = "CREATE FUNCTION pg_temp.reads(refcursor) RETURNS int LANGUAGE plpgsql AS $$ DECLARE r record; BEGIN FETCH $1 INTO r; RETURN r.id; END $$"
WITHIN = "CREATE FUNCTION pg_temp.within() RETURNS int LANGUAGE plpgsql AS $$ BEGIN {0}; UPDATE parted SET n = 5 WHERE id = 4; RETURN 1; END $$"
#: What a session does in one transaction to have the MERGE {0} carried out.
HIDINGS = {
    "a rule": [
        "CREATE TEMP VIEW aside AS SELECT 1 AS one",
        "CREATE RULE hides AS ON INSERT TO aside DO INSTEAD WITH m AS ({0}) SELECT * FROM m",
        "INSERT INTO aside VALUES (1)",
    ],
    "a rule, within a function": [
        "CREATE TEMP VIEW aside AS SELECT 1 AS one",
        "CREATE RULE hides AS ON INSERT TO aside DO INSTEAD WITH m AS ({0}) SELECT * FROM m",
        WITHIN.format("INSERT INTO aside VALUES (1)"),
        "SELECT pg_temp.within()",
    ],
    "a cursor": [OPENS, "SELECT pg_temp.opens('c')", "FETCH ALL FROM c"],
    "a cursor, read in the midst of a statement": [
        OPENS,
        READS,
        "SELECT pg_temp.opens('c')",
        "UPDATE parted SET n = pg_temp.reads('c') WHERE id = 4",
    ],
    "a cursor, opened and read within a function": [
        OPENS,
        READS,
        WITHIN.format("PERFORM pg_temp.reads(pg_temp.opens('c'))"),
        "SELECT pg_temp.within()",
    ],
    "a cursor, after the mark was taken away": [
        OPENS,
        "SELECT pg_temp.opens('c')",
        "SELECT set_config('audittrail.turned', '', true), set_config('audittrail.by_row', '', true)",
        "FETCH ALL FROM c",
    ],
    "a loop": [
        "DO $do$ DECLARE r record; BEGIN FOR r IN {0} LOOP UPDATE parted SET n = n + 1 WHERE id = r.id; UPDATE parted SET n = n + 1 WHERE id = 4; END LOOP; END $do$"
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def database(fresh_database: Callable[[], Any]) -> Iterator[Fresh]:
    """Give a database with a partitioned table that a role may write."""
    with fresh_database() as made:
        run(made.connect(), *SCENE)
        yield made
        run(made.connect(), f"DROP OWNED BY {ROLE}", f"DROP ROLE {ROLE}")


@pytest.mark.parametrize("merge", MERGES)
@pytest.mark.parametrize("hiding", HIDINGS)
def test_a_merge_that_hides_is_recorded(database: Fresh, hiding: str, merge: str) -> None:
    owner, writer = database.connect(), database.connect(user=ROLE)
    run(owner, "DELETE FROM parted", "INSERT INTO parted VALUES (1, 0), (2, 0), (3, 0), (4, 0)")
    ((version,),) = run(owner, "SELECT current_setting('server_version_num')::int / 10000")
    run(writer, "BEGIN")
    if version >= 17:
        run(writer, *(step.format(MERGES[merge]) for step in HIDINGS[hiding]), "COMMIT")
    else:
        with suppress(Exception):
            run(writer, *(step.format(MERGES[merge]) for step in HIDINGS[hiding]), "COMMIT")
        run(writer, "ROLLBACK")
    changed = run(owner, "TABLE parted ORDER BY id") != [(1, 0), (2, 0), (3, 0), (4, 0)]
    assert changed == (version >= 17)
    assert run(owner, "SELECT v.* FROM audittrail.tracked_table t, audittrail.verify(t.id) v") == []
