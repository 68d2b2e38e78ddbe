"""Which tables a statement reads, where the past is put in, and which statements can't be turned to the past."""

from __future__ import annotations

import pytest

from audittrail.exceptions import PastIsReadOnlyError, TimeTravelError
from audittrail.timetravel.statement import analyse

READS = [
    ("SELECT 1", ""),
    ("SELECT * FROM a", "a"),
    ('SELECT "a"."x" FROM "a" INNER JOIN "b" ON ("a"."x" = "b"."x")', "a b"),
    ('SELECT * FROM "a" "b", "c" AS d(x, y), e', "a c e"),
    ("SELECT * FROM Mixed, \"Mixed\", MIXED", "mixed Mixed"),
    ('SELECT * FROM "with space" JOIN "quo""te" ON true', 'with space|quo"te'),
    ("SELECT 'FROM b', E'\\' FROM b', $$ FROM b $$, $x$ FROM $$ b $x$ FROM a", "a"),
    ("SELECT 1 /* FROM b /* nested */ FROM c */ -- FROM d\nFROM a", "a"),
    ("SELECT EXTRACT(year FROM x), SUBSTRING(x FROM 1 FOR 2), TRIM(BOTH ' ' FROM y) FROM a", "a"),
    ("SELECT SUBSTRING((x) FROM y), f((SELECT 1 FROM b)) FROM a", "a b"),
    ("SELECT x IS DISTINCT FROM y, x IS NOT DISTINCT FROM z FROM a WHERE b IS DISTINCT FROM c", "a"),
    ("SELECT DISTINCT ON (x) y FROM a ORDER BY x, y", "a"),
    ("SELECT * FROM a WHERE x IN (SELECT y FROM b WHERE z = ANY (SELECT 1 FROM c))", "a b c"),
    ("SELECT * FROM a WHERE EXISTS(SELECT 1 FROM b) AND ((x = 1) OR (y, z) = (1, 2))", "a b"),
    ("SELECT ARRAY(SELECT x FROM b), (SELECT y FROM c LIMIT 1) FROM a", "a b c"),
    ("(SELECT * FROM a) UNION ALL (SELECT * FROM b EXCEPT SELECT * FROM c) ORDER BY 1", "a b c"),
    ("((SELECT x FROM a)) INTERSECT ((SELECT x FROM b))", "a b"),
    ("SELECT * FROM ((a JOIN b ON true) CROSS JOIN (c LEFT JOIN d USING (x, y))), e", "a b c d e"),
    ("SELECT * FROM (SELECT * FROM a) s, LATERAL (SELECT * FROM b WHERE b.x = s.x) t, c", "a b c"),
    ("SELECT * FROM f(1, 2) AS g, a, s.h(3), generate_series(1, 2) WITH ORDINALITY, b", "a b"),
    ("SELECT * FROM ROWS FROM (f(1), g(2)) AS x, a", "a"),
    ("SELECT * FROM ONLY a, unnest(ARRAY[1, 2]) u JOIN b ON (u = b.x)", "a b"),
    ("VALUES (1, 'FROM a')", ""),
    ("SELECT * FROM (VALUES (1, 2), (3, 4)) v (x, y), a", "a"),
    ("TABLE a", "a"),
    ("SELECT sum(x) FILTER (WHERE y) OVER (PARTITION BY z ORDER BY x), count(*) FROM a GROUP BY x, y WINDOW w AS (ORDER BY x)", "a"),
    ("SELECT string_agg(x, ',' ORDER BY y), percentile_cont(0.5) WITHIN GROUP (ORDER BY x) FROM a", "a"),
    ("WITH x AS (SELECT * FROM a) SELECT * FROM x JOIN b ON true", "a b"),
    ("WITH RECURSIVE x (n) AS (SELECT 1 FROM a UNION ALL SELECT n + 1 FROM x, b), y AS NOT MATERIALIZED (TABLE c) SELECT * FROM y, x", "a b c"),
    ("SELECT * FROM a WHERE x IN (WITH y AS (SELECT * FROM b) SELECT * FROM y)", "a b"),
    ("EXPLAIN SELECT * FROM a", "a"),
    ("EXPLAIN (ANALYZE, FORMAT json) SELECT * FROM a", "a"),
    ("EXPLAIN ANALYZE VERBOSE (SELECT * FROM a) UNION (SELECT * FROM b)", "a b"),
    ("EXPLAIN (SELECT * FROM a) UNION (SELECT * FROM b)", "a b"),
    ("EXPLAIN (VERBOSE) (SELECT * FROM a) UNION (SELECT * FROM b)", "a b"),
    ("DECLARE c CURSOR WITH HOLD FOR SELECT * FROM a", "a"),
    ("SELECT %s, %(name)s, '100%%', x %% 2 FROM a WHERE y IN (%s, %s, %s)", "a"),
    ("SELECT * FROM a;", "a"),
    ("SELECT x AS \"from\", \"select\".\"table\" FROM \"select\" ORDER BY \"order\"", "select"),
    ("SELECT x->>'FROM b', y::text, $1 FROM a", "a"),
    ("SELECT * FROM a JOIN b USING (x) JOIN c ON b.y = c.y AND c.z IN (1, 2), d", "a b c d"),
    ("SELECT * FROM a WHERE x = 1 FETCH FIRST 3 ROWS WITH TIES", "a"),
    ("SELECT JSON_OBJECT('a' VALUE 1 WITH UNIQUE KEYS) FROM a", "a"),
    ("SAVEPOINT s", ""),
    ("RELEASE SAVEPOINT s", ""),
    ("SET TRANSACTION READ ONLY", ""),
    ("FETCH 10 FROM c", ""),
    (f"SELECT * FROM {'x' * 70}", "x" * 63),
    ("", ""),
    ("  -- nothing", ""),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "tables"), READS)
def test_the_tables_of_a_statement_are_found(statement: str, tables: str) -> None:
    expected = set(tables.split("|" if "|" in tables else " ")) - {""}
    assert analyse(statement).tables == expected


PLACES = [
    ("SELECT * FROM a", "WITH new SELECT * FROM a"),
    ("  (SELECT * FROM a) UNION SELECT 1", "  WITH new (SELECT * FROM a) UNION SELECT 1"),
    ("WITH x AS (TABLE a) SELECT 1", "WITH new, x AS (TABLE a) SELECT 1"),
    ("with recursive x AS (TABLE a) SELECT 1", "with recursive new, x AS (TABLE a) SELECT 1"),
    ("EXPLAIN (COSTS off) SELECT 1", "EXPLAIN (COSTS off) WITH new SELECT 1"),
    ("EXPLAIN ANALYZE (SELECT 1) UNION (SELECT 2)", "EXPLAIN ANALYZE WITH new (SELECT 1) UNION (SELECT 2)"),
    ("EXPLAIN WITH x AS (SELECT 1) TABLE x", "EXPLAIN WITH new, x AS (SELECT 1) TABLE x"),
    ("/* c */ SELECT 1", "/* c */ WITH new SELECT 1"),
    ("DECLARE c CURSOR FOR SELECT 1", "DECLARE c CURSOR FOR WITH new SELECT 1"),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "expected"), PLACES)
def test_the_past_is_put_in_where_a_with_clause_goes(statement: str, expected: str) -> None:
    assert analyse(statement).with_ctes(statement, "new") == expected


REFUSED = [
    ('SELECT * FROM public."a"', "names its schema"),
    ('SELECT * FROM "warehouse"."a" JOIN b ON true', "names its schema"),
    ('SELECT * FROM U&"d!0061t" UESCAPE $$!$$', "escape character"),
    ('SELECT * FROM U&"d!0061t" UESCAPE %s', "escape character"),
    ("SELECT 1; SELECT * FROM a", "one statement at a time"),
]


@pytest.mark.parametrize(("statement", "message"), REFUSED)
def test_what_would_slip_by_is_refused(statement: str, message: str) -> None:
    with pytest.raises(TimeTravelError, match=message):
        analyse(statement)


WRITES = [
    "INSERT INTO a VALUES (1)",
    "WITH x AS (SELECT 1) INSERT INTO a SELECT * FROM x",
    "WITH x AS (UPDATE a SET b = 1 RETURNING *) SELECT * FROM x",
    "SELECT * INTO b FROM a",
    "SELECT * FROM a FOR UPDATE",
    "SELECT * FROM a FOR KEY SHARE",
    "EXPLAIN DELETE FROM a",
    "EXPLAIN (ANALYZE) UPDATE a SET b = (SELECT 1)",
    "COMMIT",
    "BEGIN",
    "NOTIFY x",
]


@pytest.mark.parametrize("statement", WRITES)
def test_what_writes_or_locks_is_refused(statement: str) -> None:
    with pytest.raises(PastIsReadOnlyError):
        analyse(statement)


def test_a_long_list_of_values_is_read_as_one() -> None:
    from audittrail.timetravel.tokens import tokens_of

    statement = f"SELECT * FROM a WHERE x IN ({', '.join(['%s'] * 10_000)})"
    assert len(tokens_of(statement)) < 20
