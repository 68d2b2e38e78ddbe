"""Time travel takes for a table exactly what PostgreSQL's grammar takes for one; anything else would mix past and present."""

from __future__ import annotations

import pytest
from hypothesis import assume, given

from audittrail.timetravel.statement import analyse
from tests.timetravel.generated_statements import statements
from tests.timetravel.hard_statements import BEYOND, ESCAPING, HARD, OLD
from tests.timetravel.oracle import NotJudgedError, tables_as_read, tables_of_tree


@pytest.mark.parametrize("statement", HARD)
def test_a_hard_statement_is_read_as_postgresql_reads_it(statement: str) -> None:
    assert tables_as_read(statement) == tables_of_tree(statement)


@pytest.mark.parametrize(("statement", "tables"), ESCAPING)
def test_strings_may_be_escaped_as_the_session_says(statement: str, tables: str) -> None:
    assert analyse(statement, True).tables == set(tables.split())


@pytest.mark.parametrize(("statement", "tables"), [*OLD, *BEYOND])
def test_what_the_oracle_does_not_read_is_read_too(statement: str, tables: str) -> None:
    with pytest.raises(NotJudgedError):
        tables_of_tree(statement)
    assert analyse(statement).tables == set(tables.split())


@given(statements())
def test_a_generated_statement_is_read_as_postgresql_reads_it(statement: str) -> None:
    try:
        expected = tables_of_tree(statement)
    except NotJudgedError:
        assume(False)
    assert tables_as_read(statement) == expected, statement
