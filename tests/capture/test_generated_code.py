"""The code that is generated for a table is that of tests/capture/golden, which a person can read.

When a change of it is wanted, write the files anew and read what has become of them:

    AUDITTRAIL_TEST_WRITE_GOLDEN=1 python3 tests/run.py tests/capture/test_generated_code.py
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from audittrail.capture import generated

GOLDEN = Path(__file__).parent / "golden"
WRITE = bool(os.environ.get("AUDITTRAIL_TEST_WRITE_GOLDEN"))

#: Each kind of table, and the statements that make one, of the name `kind`, and have it tracked.
KINDS = {
    "plain": """
        CREATE TABLE kind (id int PRIMARY KEY, name text);
        SELECT audittrail.track('kind');
    """,
    "without_key": """
        CREATE TABLE kind (id int PRIMARY KEY, name text, price numeric(8, 2));
        SELECT audittrail.track('kind');
        ALTER TABLE kind DROP COLUMN id;
        SELECT audittrail.track('kind');
    """,
    "partitioned": """
        CREATE TABLE kind (id int, region text, name text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
        CREATE TABLE kind_north PARTITION OF kind FOR VALUES IN ('north');
        CREATE TABLE kind_rest PARTITION OF kind DEFAULT;
        SELECT audittrail.track('kind');
    """,
    "with_referential_actions": """
        CREATE TABLE kind_parent (id int PRIMARY KEY);
        CREATE TABLE kind (
            id int PRIMARY KEY,
            created_by int REFERENCES kind_parent ON DELETE SET NULL,
            updated_by int REFERENCES kind_parent ON DELETE SET NULL,
            updated_at timestamptz
        );
        SELECT audittrail.track('kind');
    """,
    "baseline_incomplete": """
        CREATE TABLE kind (id int PRIMARY KEY, name text, secret text, seen timestamptz);
        INSERT INTO kind VALUES (1, 'one');
        SELECT audittrail.track('kind', excluded_columns => '{secret}', ignored_columns => '{seen}', baseline_limit => 0);
    """,
}


def code(kind: str) -> str:
    """Return the code of a table of that kind, with words for numbers that differ from database to database."""
    with connection.cursor() as cursor:
        # So that a tick is no number that the code has for another reason.
        cursor.execute("SELECT max(nextval('audittrail.clock')) FROM generate_series(1, 1000)")
        cursor.execute(KINDS[kind])
        cursor.execute(
            "SELECT id, 'kind'::regclass::oid::bigint, 'audittrail.kind_history'::regclass::oid::bigint,"
            " fingerprint, since_version, since_revision FROM audittrail.tracked_table WHERE table_name = 'kind'"
        )
        number, live, history, fingerprint, version, revision = cursor.fetchone()
    text = "\n\n".join(generated.statements(connection, number)) + "\n"
    for value, word in (
        (fingerprint, "fingerprint"),
        (live, "table_oid"),
        (history, "history_oid"),
        (version, "since_version"),
        (revision, "since_revision"),
    ):
        text = re.sub(rf"(?<![\w$]){value}(?![\w$])", word, text)
    return re.sub(rf"(follow|truncate)\({number}\b", r"\1(table_number", text)


@pytest.mark.django_db
@pytest.mark.parametrize("kind", KINDS)
def test_the_code_is_the_golden_one(kind: str) -> None:
    path = GOLDEN / f"{kind}.sql"
    text = code(kind)
    if WRITE:
        path.write_text(text)
    assert text == path.read_text()


@pytest.mark.django_db
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_left_of_the_templates(kind: str) -> None:
    assert not re.search(r"\{\w", code(kind))


def test_every_golden_file_has_a_kind() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(KINDS)


def _columns(count: int) -> str:
    return ", ".join(f"a_column_with_a_long_name_{number} text" for number in range(count))


@pytest.mark.django_db
def test_lines_of_a_wide_table_are_broken() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE wide (id int PRIMARY KEY, {_columns(60)})")
        cursor.execute("SELECT audittrail.track('wide')")
        cursor.execute("SELECT id FROM audittrail.tracked_table WHERE table_name = 'wide'")
        (number,) = cursor.fetchone()
    lines: list[Any] = "\n".join(generated.statements(connection, number)).splitlines()
    assert max(map(len, lines)) < 250
