"""PostgreSQL's own grammar as the judge of what time travel reads in a statement (`postgast`, which is PostgreSQL 18's parser)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, TypeAlias

import postgast
from google.protobuf.message import DecodeError, Message

from audittrail.timetravel.references import StatementReferences, references_of
from audittrail.timetravel.tokens import tokens_of

#: A table as a statement names it: its schema, if it is named, and its name.
Table: TypeAlias = tuple[str | None, str]

#: Characters of a statement, at most: one that is nested more than some 20,000 levels deep would end the process, and a level takes two characters.
LONGEST = 30_000

_PLACEHOLDER = re.compile(r"%(?:\(\w+\)s|[sbt%])")
#: psycopg2 puts a tuple in parentheses.
_LIST = re.compile(r"\bIN (\$\d+)")


class NotJudgedError(Exception):
    """A statement that the oracle refuses, or that is no SELECT, maybe behind EXPLAIN or DECLARE."""


class WritesError(NotJudgedError):
    """A SELECT with a CTE that writes, which time travel refuses whatever its tables are."""


def tables_of_tree(statement: str) -> frozenset[Table]:
    """Return the tables that a SELECT refers to, by PostgreSQL's parse tree and the scopes of its CTEs.

    Raises `NotJudgedError` for anything else, and for what the oracle can't read.
    """
    if len(statement) > LONGEST:
        raise NotJudgedError(f"{len(statement)} characters")
    try:
        tree = postgast.parse(statement)
    except (postgast.PgQueryError, DecodeError) as error:
        # It gives its tree as a message of protobuf, which must not be nested deeper than a hundred levels: 47 joins are too many.
        raise NotJudgedError(str(error)) from None
    if len(tree.stmts) != 1:
        raise NotJudgedError(f"{len(tree.stmts)} statements")
    node = _inner(tree.stmts[0].stmt)
    while node.DESCRIPTOR.name in ("ExplainStmt", "DeclareCursorStmt"):
        node = _inner(node.query)
    if node.DESCRIPTOR.name != "SelectStmt":
        raise NotJudgedError(node.DESCRIPTOR.name)
    return frozenset(_references(node, frozenset()))


def tables_as_read(statement: str, escapes: bool = False) -> frozenset[Table]:
    """Return the tables that time travel finds in a SELECT."""
    return frozenset(
        (table.schema.name if table.schema else None, table.token.name)
        for table in _read(statement, escapes).tables
        if not table.is_cte
    )


def writes_as_read(statement: str) -> bool:
    """Return whether time travel finds that a SELECT writes."""
    return bool(_read(statement, False).writes)


def _read(statement: str, escapes: bool) -> StatementReferences:
    tokens = tokens_of(statement, escapes)
    starts = ("SELECT", "WITH", "VALUES", "TABLE")
    if tokens[0].says == "EXPLAIN":  # its options can't hold a query
        first = next(index for index, token in enumerate(tokens) if token.says in starts)
        while tokens[first - 1].says == "(":
            first -= 1
        tokens = tokens[first:]
    return references_of(tokens)


def without_placeholders(statement: str) -> str:
    """Return a statement as a driver sends it, with PostgreSQL's own placeholders for values."""
    count = 0

    def replacement(match: re.Match[str]) -> str:
        nonlocal count
        if match[0] == "%%":
            return "%"
        count += 1
        return f"${count}"

    return _LIST.sub(r"IN (\1)", _PLACEHOLDER.sub(replacement, statement))


def _inner(node: Any) -> Any:
    return getattr(node, node.WhichOneof("node"))


def _references(node: Any, ctes: frozenset[str]) -> Iterator[Table]:
    kind = node.DESCRIPTOR.name
    if kind == "Node":
        if node.WhichOneof("node"):
            yield from _references(_inner(node), ctes)
    elif kind == "RangeVar":
        if node.schemaname or node.relname not in ctes:
            yield node.schemaname or None, node.relname
    elif kind in ("InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"):
        raise WritesError(kind)
    elif kind in ("LockingClause", "IntoClause"):
        return
    else:
        if node.DESCRIPTOR.fields_by_name.get("with_clause") and node.HasField("with_clause"):
            for cte, seen in _ctes(node.with_clause, ctes):
                yield from _references(cte, seen)
                ctes = seen | {cte.ctename}
        for field, value in node.ListFields():
            if field.name == "with_clause" or field.message_type is None:
                continue
            for child in [value] if isinstance(value, Message) else value:
                yield from _references(child, ctes)


def _ctes(clause: Any, outer: frozenset[str]) -> Iterator[tuple[Any, frozenset[str]]]:
    """Yield the CTEs of a WITH clause, each with the names that its query sees."""
    ctes = [_inner(node) for node in clause.ctes]
    names = frozenset(cte.ctename for cte in ctes)
    for index, cte in enumerate(ctes):
        before = frozenset(other.ctename for other in ctes[:index])
        yield cte, outer | (names if clause.recursive else before)
