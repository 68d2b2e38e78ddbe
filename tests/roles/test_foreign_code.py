"""Nothing that a table's owner or a type's author defines runs with the rights of history's owner."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.builders.fresh import Fresh
from tests.roles.foreign import AUTHOR, database_of_an_author, run, was_caught

#: A type of the author's, and functions that convert from it and to it.
EVIL = (
    "CREATE TYPE evil AS ENUM ('a', 'b')",
    "CREATE FUNCTION to_evil(text) RETURNS evil LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM public.trap(); RETURN 'a'; END $$",
    "CREATE FUNCTION from_evil(evil) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM public.trap(); RETURN 'a'; END $$",
    "CREATE FUNCTION json_of_evil(evil) RETURNS json LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM public.trap(); RETURN '1'; END $$",
)
TO_EVIL = "CREATE CAST (text AS evil) WITH FUNCTION to_evil(text)"
FROM_EVIL = "CREATE CAST (evil AS text) WITH FUNCTION from_evil(evil)"
TO_JSON = "CREATE CAST (evil AS json) WITH FUNCTION json_of_evil(evil)"
#: The number of the tracked table in the registry.
THING = "(SELECT t.id FROM audittrail.tracked_table t WHERE t.table_name = 'thing')"
DOMAIN = "CREATE DOMAIN checked AS int CHECK (public.trap())"


@pytest.fixture
def database(fresh_database: Callable[[], Any]) -> Iterator[Fresh]:
    """Give a database whose tables belong to an author."""
    with database_of_an_author(fresh_database) as made:
        yield made


def by_author(database: Fresh, *statements: str) -> list[Any]:
    return run(database.connect(user=AUTHOR), *statements)


@pytest.mark.parametrize(
    ("former", "casts", "present"),
    [
        ("text", (TO_EVIL,), "evil"),
        ("evil", (FROM_EVIL,), "text"),
        ("text", (FROM_EVIL,), "evil"),
        ("text[]", (TO_EVIL,), "evil[]"),
        ("evil[]", (FROM_EVIL,), "text[]"),
    ],
)
def test_a_retyped_column_is_not_converted_by_a_cast_of_the_tables_owner(
    database: Fresh, former: str, casts: tuple[str, ...], present: str
) -> None:
    value, other = ("'{a}'", "'{b}'") if former.endswith("]") else ("'a'", "'b'")
    by_author(
        database, *EVIL, f"CREATE TABLE thing (id int PRIMARY KEY, n int DEFAULT 0, c {former})"
    )
    by_author(database, f"INSERT INTO thing VALUES (1, 0, {value}), (2, 0, {value})")
    run(database.connect(), "SELECT audittrail.track('thing')")
    by_author(
        database,
        *casts,
        f"ALTER TABLE thing ALTER c TYPE {present} USING {value}",
        f"UPDATE thing SET c = {other} WHERE id = 2",
    )
    assert not was_caught(database)
    versions = run(
        database.connect(),
        "SELECT id, ROW(c)::text, ROW(c_until_1)::text FROM audittrail.thing_history ORDER BY id, version",
    )
    before, after, last = ("()", f"({value[1:-1]})"), (f"({value[1:-1]})", "()"), f"({other[1:-1]})"
    assert [found[1:] for found in versions if found[0] == 1] == [before, after]
    assert versions[2] == (2, *before)
    assert versions[-1] == (2, last, "()")
    assert run(database.connect(), f"SELECT * FROM audittrail.verify({THING})") == []


def test_a_cast_of_historys_owner_converts_as_ever(database: Fresh) -> None:
    by_author(database, *EVIL, "CREATE TABLE thing (id int PRIMARY KEY, c text)")
    by_author(database, "INSERT INTO thing VALUES (1, 'a')", TO_EVIL)
    run(database.connect(), "SELECT audittrail.track('thing')")
    run(database.connect(), "ALTER FUNCTION to_evil(text) OWNER TO postgres")
    by_author(
        database, "ALTER TABLE thing ALTER c TYPE evil USING 'a'", "INSERT INTO thing VALUES (2)"
    )
    assert run(database.connect(), "SELECT c::text FROM audittrail.thing_history WHERE id = 1") == [
        ("a",)
    ]


def test_the_value_that_a_column_was_added_with_is_not_checked_again(database: Fresh) -> None:
    by_author(database, DOMAIN, "CREATE TYPE pair AS (x checked)")
    by_author(database, "CREATE TABLE thing (id int PRIMARY KEY)", "INSERT INTO thing VALUES (1)")
    run(database.connect(), "SELECT audittrail.track('thing')")
    by_author(
        database,
        "ALTER TABLE thing ADD COLUMN p pair DEFAULT '(1)'",
        "ALTER TABLE thing ADD COLUMN d checked DEFAULT 5",
        "ALTER TABLE thing ADD COLUMN ds checked[] DEFAULT '{6}'",
        "INSERT INTO thing VALUES (2)",
    )
    assert not was_caught(database)
    assert run(
        database.connect(),
        "SELECT DISTINCT ON (id) id, p::text, d::int, ds::text FROM audittrail.thing_history ORDER BY id, version DESC",
    ) == [(1, "(1)", 5, "{6}"), (2, "(1)", 5, "{6}")]


BACKFILL = f"SELECT audittrail.backfill_batch({THING}, 1)"


def test_a_backfill_casts_no_key_to_text(database: Fresh) -> None:
    by_author(database, *EVIL, TO_EVIL, FROM_EVIL, "CREATE TABLE thing (id evil PRIMARY KEY)")
    by_author(database, "INSERT INTO thing VALUES ('a'), ('b')")
    owner = database.connect()
    run(owner, "SELECT audittrail.track('thing', baseline_limit => 0)")
    assert [run(owner, BACKFILL) for _ in range(3)] == [[(1,)], [(1,)], [(0,)]]
    assert not was_caught(database)


def test_a_backfill_refuses_keys_that_a_domain_checks(database: Fresh) -> None:
    by_author(database, DOMAIN, "CREATE TYPE checked_pair AS (x checked)")
    by_author(database, "CREATE TABLE thing (id checked_pair PRIMARY KEY)")
    by_author(database, "INSERT INTO thing VALUES ('(1)'), ('(2)')")
    owner = database.connect()
    run(owner, "SELECT audittrail.track('thing', baseline_limit => 0)")
    with pytest.raises(Exception, match=f"belongs to role {AUTHOR}"):
        run(owner, BACKFILL)
    assert not was_caught(database)


def test_redacting_runs_no_code_of_the_columns_types(database: Fresh) -> None:
    by_author(database, *EVIL, TO_EVIL, FROM_EVIL, TO_JSON)
    by_author(database, "CREATE TABLE thing (id evil PRIMARY KEY, c evil, n text)")
    by_author(database, "INSERT INTO thing VALUES ('a', 'b', 'x')")
    owner = database.connect()
    run(owner, "SELECT audittrail.track('thing')")
    ((rows, versions, samples),) = run(
        owner,
        f"SELECT * FROM audittrail.preview_redaction({THING}, '{{n,c}}', '{{y,a}}', NULL, 5)",
    )
    assert (rows, versions, samples[0]["key"], samples[0]["values"]) == (
        1,
        1,
        ["a"],
        {"c": "b", "n": "x"},
    )
    with pytest.raises(Exception, match=f"to_evil.* belongs to role {AUTHOR}"):
        run(
            owner,
            f"SELECT * FROM audittrail.redact_versions({THING}, '{{n}}', '{{y}}', '{{{{a}}}}')",
        )
    assert not was_caught(database)


def test_statistics_of_history_call_no_function_of_a_range_type(database: Fresh) -> None:
    by_author(
        database,
        "CREATE FUNCTION apart(int, int) RETURNS float8 LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM public.trap(); RETURN $1 - $2; END $$",
        "CREATE TYPE span AS RANGE (SUBTYPE = int, SUBTYPE_DIFF = apart)",
        "CREATE TABLE thing (id int PRIMARY KEY, s span)",
        "INSERT INTO thing SELECT n, span(n, n + 2) FROM generate_series(1, 50) n",
    )
    owner = database.connect()
    run(owner, "SELECT audittrail.track('thing')", "ANALYZE audittrail.thing_history")
    by_author(database, "ALTER TABLE thing ADD COLUMN t span", "UPDATE thing SET t = s")
    by_author(
        database, "ALTER TABLE thing ALTER id TYPE span USING span(id, id + 1)", "DELETE FROM thing"
    )
    run(owner, "ANALYZE audittrail.thing_history")
    assert not was_caught(database)


def test_reading_the_past_checks_no_domain_of_another_role(database: Fresh) -> None:
    by_author(
        database,
        DOMAIN,
        "CREATE DOMAIN plain AS int CHECK (VALUE > 0)",
        "CREATE TABLE thing (id int PRIMARY KEY, d checked)",
        "CREATE TABLE other (id int PRIMARY KEY, d plain)",
        "INSERT INTO thing VALUES (1, 1)",
        "INSERT INTO other VALUES (1, 1)",
    )
    owner = database.connect()
    run(owner, "SELECT audittrail.track('thing'), audittrail.track('other')")
    assert run(owner, "SELECT id, d FROM audittrail.as_of(NULL::other, now())") == [(1, 1)]
    with pytest.raises(Exception, match=f"domain public.checked.* belongs to role {AUTHOR}"):
        run(owner, "SELECT * FROM audittrail.as_of(NULL::thing, now())")
    assert not was_caught(database)


@pytest.mark.parametrize(
    "check",
    ["set_config('search_path', 'public', false) <> ''", "VALUE IS NULL OR public.trap()"],
)
def test_a_check_of_built_in_functions_that_run_anything_counts_as_code(
    database: Fresh, check: str
) -> None:
    by_author(
        database,
        f"CREATE DOMAIN sly AS int CHECK ({check})",
        "CREATE TABLE thing (id int PRIMARY KEY, d sly)",
        "INSERT INTO thing VALUES (1, 1)",
    )
    owner = database.connect()
    run(owner, "SELECT audittrail.track('thing')")
    with pytest.raises(Exception, match=r"domain public\.sly"):
        run(owner, "SELECT * FROM audittrail.as_of(NULL::thing, now())")
    assert not was_caught(database)


def test_the_ledger_converts_nothing_by_a_cast_of_the_tables_owner(database: Fresh) -> None:
    by_author(database, *EVIL, "CREATE TABLE thing (id int PRIMARY KEY, c text)")
    by_author(database, "INSERT INTO thing VALUES (1, 'a')")
    owner = database.connect()
    run(owner, "SELECT audittrail.track('thing'), audittrail.begin_ledger()")
    enter = "SELECT * FROM audittrail.enter_revisions(audittrail.settled_tick(), 1000000)"
    run(owner, enter)
    by_author(
        database,
        "ALTER TABLE thing ALTER c TYPE evil USING c::evil",
        "INSERT INTO thing VALUES (2, 'b')",
        FROM_EVIL,
    )
    verify = f"SELECT * FROM audittrail.ledger_differences({THING}, 0, 1000000)"
    run(owner, enter)
    with pytest.raises(Exception, match=f"from_evil.* belongs to role {AUTHOR}"):
        run(owner, verify)
    assert not was_caught(database)
    by_author(database, "DROP CAST (evil AS text)")
    assert run(owner, verify) == []
