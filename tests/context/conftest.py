"""Fixtures for what a connection sends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.context.probes import Log, said


@pytest.fixture
def log(transactional_db: None) -> Iterator[Log]:
    """Make the table `log`, and give a function that returns its notes with the contexts they came with.

    The table takes down each statement that writes to it as the server sees it; the function
    `take_note(note)` writes to it.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE log (id serial, note text, statement text DEFAULT current_query());"
            "CREATE FUNCTION take_note(note text) RETURNS text LANGUAGE sql VOLATILE"
            " AS 'INSERT INTO log (note) VALUES (note) RETURNING note'"
        )

    def entries() -> list[tuple[str, dict[str, Any] | None]]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT note, statement FROM log ORDER BY id")
            return [(note, said(statement)) for note, statement in cursor.fetchall()]

    yield entries
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION take_note; DROP TABLE log")


@pytest.fixture
def queries(transactional_db: None) -> Iterator[CaptureQueriesContext]:
    """Give the statements that Django sends to the default database in this test."""
    with CaptureQueriesContext(connection) as captured:
        yield captured
