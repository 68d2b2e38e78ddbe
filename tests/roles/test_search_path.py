"""Every function of ours means the same whatever search_path its caller has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.roles.foreign import run

#: Called with each write or commit, by capture functions and triggers, whose search_path is pinned: pinning it once more costs.
CALLED_BY_CAPTURE = {
    "add_context",
    "as_stored",
    "context_details",
    "context_user",
    "continues_statement",
    "enter_revision",
    "may_be_merge",
    "may_hide_merge",
    "next_version",
    "own_revision",
    "parse_context",
    "stamp",
    "turn_by_row",
}
#: Called with each statement that reads the past, to tell what the session means by a name; catalogs and functions are qualified.
CALLED_BY_READERS = {
    "excluded_column",
    "generating",
    "keeps_snapshot",
    "named_relation",
    "reading",
    "reads_as_before",
    "tracked_as",
}
#: They name nothing.
CONSTANTS = {
    "capture_functions",
    "first_user_oid",
    "history_name_bytes",
    "lowest_tick",
    "short_revision",
    "stamp_age",
}
#: Writes as the application would, triggers included.
AS_THE_APPLICATION = {"overwrite_live"}


def test_every_function_pins_its_search_path_or_says_why_not(
    fresh_database: Callable[[], Any],
) -> None:
    with fresh_database() as database:
        owner = database.connect()
        run(
            owner,
            "CREATE TABLE thing (id int PRIMARY KEY)",
            "CREATE TABLE parted (id int PRIMARY KEY) PARTITION BY LIST (id)",
            "SELECT audittrail.track('thing'), audittrail.track('parted'), audittrail.begin_ledger()",
        )
        found = run(
            owner,
            "SELECT proname::text FROM pg_proc WHERE pronamespace = 'audittrail'::regnamespace AND NOT EXISTS"
            " (SELECT FROM unnest(proconfig) setting WHERE setting = 'search_path=pg_catalog, pg_temp')",
        )
        assert {name for (name,) in found} == (
            CALLED_BY_CAPTURE | CALLED_BY_READERS | CONSTANTS | AS_THE_APPLICATION
        )
        unpinned = run(
            owner,
            "SELECT proname::text FROM pg_proc WHERE pronamespace = 'audittrail'::regnamespace AND prosecdef"
            " AND proconfig::text !~ 'search_path'",
        )
        assert unpinned == []


#: What is to run in place of functions and operators of PostgreSQL that somebody leaves unqualified.
HOSTILE = (
    "CREATE SCHEMA hostile",
    "CREATE SEQUENCE hostile.caught",
    "CREATE FUNCTION hostile.same(text, text) RETURNS boolean LANGUAGE sql AS $$ SELECT nextval('hostile.caught') IS NOT NULL $$",
    "CREATE OPERATOR hostile.= (LEFTARG = text, RIGHTARG = text, FUNCTION = hostile.same)",
    "CREATE FUNCTION hostile.format(text, text) RETURNS text LANGUAGE sql AS $$ SELECT nextval('hostile.caught')::text $$",
    "CREATE FUNCTION hostile.format_type(oid, int) RETURNS text LANGUAGE sql AS $$ SELECT nextval('hostile.caught')::text $$",
    "CREATE FUNCTION hostile.to_regclass(text) RETURNS regclass LANGUAGE sql AS $$ SELECT nextval('hostile.caught')::regclass $$",
    "CREATE FUNCTION hostile.pg_has_role(oid, text) RETURNS boolean LANGUAGE sql AS $$ SELECT nextval('hostile.caught') IS NULL $$",
    "CREATE VIEW hostile.pg_namespace AS SELECT *, nextval('hostile.caught') FROM pg_catalog.pg_namespace",
    "CREATE VIEW hostile.pg_class AS SELECT *, nextval('hostile.caught') FROM pg_catalog.pg_class",
    "CREATE VIEW hostile.pg_type AS SELECT *, nextval('hostile.caught') FROM pg_catalog.pg_type",
)


@pytest.mark.parametrize(
    "call",
    [
        "SELECT * FROM audittrail.tracking_state('public.thing', '{}', '{}', NULL)",
        "SELECT * FROM audittrail.as_of(NULL::public.thing, pg_catalog.now())",
        "SELECT audittrail.track('public.thing', '{name}')",
        "SELECT audittrail.untrack(t.id) FROM audittrail.tracked_table t WHERE t.history_name OPERATOR(pg_catalog.=) 'thing_history'",
        "SELECT * FROM audittrail.verify((SELECT pg_catalog.max(id) FROM audittrail.tracked_table))",
        "SELECT audittrail.tracked_as('public.thing')",
        "SELECT audittrail.may_read(id) FROM audittrail.tracked_table",
        "UPDATE public.thing SET name = 'b'",
        "TRUNCATE public.thing",
    ],
)
def test_a_hostile_schema_on_the_search_path_is_not_looked_at(
    fresh_database: Callable[[], Any], call: str
) -> None:
    with fresh_database() as database:
        owner = database.connect()
        run(
            owner,
            "CREATE TABLE thing (id int PRIMARY KEY, name text)",
            "INSERT INTO thing VALUES (1, 'a')",
            "SELECT audittrail.track('thing')",
            *HOSTILE,
        )
        run(
            database.connect(options="-c search_path=hostile,pg_catalog,public"),
            call,
        )
        assert run(owner, "SELECT is_called FROM hostile.caught") == [(False,)]
