"""Take an SQL statement apart as far as needed to know which tables it reads, and where a WITH clause goes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from audittrail.exceptions import PastIsReadOnlyError, TimeTravelError
from audittrail.timetravel import keywords
from audittrail.timetravel.references import StatementReferences, TableReference, references_of
from audittrail.timetravel.scope import parse
from audittrail.timetravel.tokens import Token, tokens_of


@dataclass(frozen=True)
class Reading:
    """What a statement reads: its tables, the CTEs that it begins with, and where further CTEs are put in.

    `merges` tells whether the statement has a WITH clause that they become part of. `position` is -1 for a statement
    that reads nothing.
    """

    tables: frozenset[str] = frozenset()
    ctes: frozenset[str] = frozenset()
    position: int = -1
    merges: bool = False
    is_recursive: bool = False

    def with_ctes(self, statement: str, ctes: str) -> str:
        """Return the statement with further CTEs in front of its own."""
        clause = f" {ctes}," if self.merges else f"WITH {ctes} "
        return statement[: self.position] + clause + statement[self.position :]


def escapes(statement: str, session: Any) -> bool:
    """Return whether a backslash escapes in plain strings of a statement: without `standard_conforming_strings` it does.

    Takes the driver's connection, which PostgreSQL tells each change of this setting.
    """
    if "\\" not in statement or session is None:
        return False
    return bool(session.info.parameter_status("standard_conforming_strings") == "off")


@lru_cache(maxsize=4096)
def analyse(statement: str, escapes: bool = False) -> Reading:
    """Return what a statement reads; takes whether a backslash escapes in its plain strings (`tokens_of`).

    Raises `PastIsReadOnlyError` for one that writes or locks, `TimeTravelError` for a name with a schema.
    """
    tokens = tokens_of(statement, escapes)
    first = _first_of_query(tokens) if tokens else None
    if first is None:
        return Reading()
    query = _without_parentheses(tokens[first:])
    found = references_of(query)
    _refuse_writes(found)
    tables = frozenset(_table_name(table) for table in found.tables if not table.is_cte)
    start = query[0]
    if start.says != "WITH":
        return Reading(tables, found.ctes, start.start)
    end = query[int(found.is_recursive)].end
    return Reading(tables, found.ctes, end, merges=True, is_recursive=found.is_recursive)


def tables_of(tokens: list[Token]) -> frozenset[str]:
    """Return the tables that a statement of any kind reads, by what stands where a table to be read can stand.

    Raises `TimeTravelError` for a name with a schema.
    """
    found = references_of(tokens)
    return frozenset(_table_name(table) for table in found.tables if not table.is_cte)


def _first_of_query(tokens: list[Token]) -> int | None:
    """Return the index of the first token of a query; None if the statement reads no table."""
    index = 0
    if tokens[0].says == "EXPLAIN":
        index = _after_explain(tokens)
    elif tokens[0].says == "DECLARE":
        index = next((i + 1 for i, token in enumerate(tokens) if token.says == "FOR"), 0)
    first = next((token for token in tokens[index:] if token.says != "("), tokens[0])
    if first.says in keywords.READS:
        return index
    if first.says in keywords.SESSION:
        return None
    raise PastIsReadOnlyError(_READ_ONLY.format(f"{first.text.upper()} was sent"))


def _after_explain(tokens: list[Token]) -> int:
    index = 1
    if tokens[1:] and tokens[1].says == "(":
        first = next((token for token in tokens[1:] if token.says != "("), tokens[0])
        if first.says not in keywords.READS:
            index = next((i + 1 for i, token in enumerate(tokens) if token.says == ")"), 0)
    while index < len(tokens) and tokens[index].says in ("ANALYZE", "ANALYSE", "VERBOSE"):
        index += 1
    return index


def _without_parentheses(query: list[Token]) -> list[Token]:
    """Return a query without the parentheses around the whole: a WITH clause in front of these could not join its own.

    Raises `TimeTravelError` if another statement follows.
    """
    if query[-1].says == ";":
        query = query[:-1]
    if any(token.says == ";" for token in query):
        raise TimeTravelError(
            "The past is read with one statement at a time; send them one by one."
        )
    around = 0
    closing = _closing_parentheses(query)
    while closing.get(around) == len(query) - 1 - around:
        around += 1
    return query[around : len(query) - around]


def _closing_parentheses(query: list[Token]) -> dict[int, int]:
    """Return the index of the parenthesis that closes each one, by the index of this."""
    closing: dict[int, int] = {}
    opened: list[int] = []
    for index, token in enumerate(query):
        if token.says == "(":
            opened.append(index)
        elif token.says == ")" and opened:
            closing[opened.pop()] = index
    return closing


_READ_ONLY = (
    "The past can only be read, and {} through a connection that reads it. Change the present, with objects "
    "read from it, Model.objects, or bring the past back with Model.history(revision=...).restore()."
)


def _refuse_writes(found: StatementReferences) -> None:
    if found.writes:
        raise PastIsReadOnlyError(_READ_ONLY.format(f"a statement with {found.writes} was sent"))
    if found.locks:
        raise PastIsReadOnlyError(
            "Rows of the past can't be locked: FOR UPDATE would lock nothing. Lock the present ones."
        )
    if found.parameter is not None:
        raise TimeTravelError(
            f"{found.parameter.text} stands where the name of a table belongs, so that it is not known which table is read. Write the "
            "name there, quoted with connection.ops.quote_name() if need be."
        )


def _table_name(table: TableReference) -> str:
    token = table.token
    if table.schema is not None:
        raise TimeTravelError(
            f"{table.schema.text}.{token.text} names its schema, and would be read as it is now. Leave the schema away, and put "
            "it on the search_path of the connection if it is not there: only tables without a schema in their names can be read "
            "in the past."
        )
    # The name of a scope may be longer than PostgreSQL keeps: its end tells the table.
    full = token.text[1:-1].replace('""', '"') if token.kind == "quoted" else ""
    return full if parse(full) else token.name
