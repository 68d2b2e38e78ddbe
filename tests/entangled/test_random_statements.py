"""Whatever one statement does to a row, the last version is the row. `python -m tests.entangled` asks that of many more."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from tests.entangled.rounds import play

ROUNDS = int(os.environ.get("AUDITTRAIL_TEST_HISTORIES", "0")) or 6
STATEMENTS = 40


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_the_last_version_is_the_row(fresh_database: Callable[[], Any], seed: int) -> None:
    with fresh_database() as database:
        with database.connect() as connection, connection.cursor() as cursor:
            cursor.execute(
                "DO $$ BEGIN CREATE ROLE application; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
            )
        assert play(database.connect, seed, STATEMENTS) > STATEMENTS // 2
