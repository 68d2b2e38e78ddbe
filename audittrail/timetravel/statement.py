"""Take an SQL statement apart as far as needed to know which tables it reads, and where a WITH clause goes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from audittrail.exceptions import PastIsReadOnlyError, TimeTravelError
from audittrail.timetravel.scope import parse
from audittrail.timetravel.tokens import Token, tokens_of

#: Statements that a session which only reads needs as well: Django's `atomic`, settings, cursors.
_SESSION = frozenset({"SAVEPOINT", "RELEASE", "ROLLBACK", "SET", "RESET", "SHOW", "FETCH", "CLOSE", "MOVE"})  # fmt: skip
_READS = frozenset({"SELECT", "WITH", "VALUES", "TABLE"})
_WRITES = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE"})
_ENDS_FROM = frozenset(
    [
        "WHERE",
        "GROUP",
        "HAVING",
        "ORDER",
        "LIMIT",
        "OFFSET",
        "FETCH",
        "WINDOW",
        "UNION",
        "INTERSECT",
        "EXCEPT",
        "FOR",
        "SELECT",
        "RETURNING",
    ]
)
#: Words after which a parenthesis can hold a query; after any other word it holds the arguments of a function.
_BEFORE_QUERY = frozenset(
    ["FROM", "JOIN", "LATERAL", "IN", "EXISTS", "ANY", "SOME", "ALL", "ARRAY", "AS", "MATERIALIZED", "UNION", "INTERSECT", "EXCEPT", "DISTINCT",
     "NOT", "AND", "OR", "WHERE", "ON", "SELECT", "THEN", "ELSE", "WHEN", "CASE", "HAVING", "BY", "LIMIT", "OFFSET", "EXPLAIN", "ANALYZE",
     "VERBOSE"]
)  # fmt: skip


@dataclass(frozen=True)
class Reading:
    """What a statement reads: its tables, the CTEs that it makes itself, and where further CTEs are put in.

    `merges` tells whether the statement has a WITH clause that they become part of. `position` is -1 for a statement
    that reads nothing.
    """

    tables: frozenset[str] = frozenset()
    ctes: frozenset[str] = frozenset()
    position: int = -1
    merges: bool = False

    def with_ctes(self, statement: str, ctes: str) -> str:
        """Return the statement with further CTEs in front of its own."""
        clause = f" {ctes}," if self.merges else f"WITH {ctes} "
        return statement[: self.position] + clause + statement[self.position :]


@lru_cache(maxsize=4096)
def analyse(statement: str) -> Reading:
    """Return what a statement reads.

    Raises `PastIsReadOnlyError` for one that writes or locks, `TimeTravelError` for a name with a schema.
    """
    tokens = tokens_of(statement)
    first = _first_of_query(tokens) if tokens else None
    if first is None:
        return Reading()
    _refuse_writes(tokens)
    ctes = _own_ctes(tokens)
    tables = tables_of(tokens) - ctes
    start = tokens[first]
    if start.says != "WITH":
        return Reading(tables, ctes, start.start)
    recursive = _says(tokens, first + 1) == "RECURSIVE"
    return Reading(tables, ctes, tokens[first + recursive].end, merges=True)


def _first_of_query(tokens: list[Token]) -> int | None:
    """Return the index of the token before which a WITH clause goes; None if the statement reads no table."""
    index = 0
    if tokens[0].says == "EXPLAIN":
        index = _after_explain(tokens)
    elif tokens[0].says == "DECLARE":
        index = next((i + 1 for i, token in enumerate(tokens) if token.says == "FOR"), 0)
    first = next((token for token in tokens[index:] if token.says != "("), tokens[0])
    if first.says in _READS:
        return index
    if first.says in _SESSION:
        return None
    raise PastIsReadOnlyError(_READ_ONLY.format(f"{first.text.upper()} was sent to it"))


def _after_explain(tokens: list[Token]) -> int:
    index = 1
    if index + 1 < len(tokens) and tokens[1].says == "(" and not _opens_query(tokens, 1):
        index = next((i + 1 for i, token in enumerate(tokens) if token.says == ")"), 0)
    while index < len(tokens) and tokens[index].says in ("ANALYZE", "VERBOSE"):
        index += 1
    return index


_READ_ONLY = (
    "The past can only be read, and {} through a connection that reads it. Change the present, with objects "
    "read from it, Model.objects, or bring the past back with Model.history(revision=...).restore()."
)


def _refuse_writes(tokens: list[Token]) -> None:
    previous: Token | None = None
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        says = token.says
        if says in _WRITES and (previous is None or previous.says in ("(", ")")):
            raise PastIsReadOnlyError(_READ_ONLY.format(f"a statement with {says} was sent"))
        if says == "INTO" and previous is not None:
            raise PastIsReadOnlyError(_READ_ONLY.format("a statement with INTO was sent"))
        if (
            says == "FOR"
            and following is not None
            and following.says in ("UPDATE", "NO", "SHARE", "KEY")
        ):
            raise PastIsReadOnlyError(
                "Rows of the past can't be locked: FOR UPDATE would lock nothing. Lock the present ones."
            )
        if says == ";" and following is not None:
            raise TimeTravelError(
                "The past is read with one statement at a time; send them one by one."
            )
        previous = token


def _own_ctes(tokens: list[Token]) -> frozenset[str]:
    names: set[str] = set()
    depth = 0
    expecting: set[int] = set()
    for index, token in enumerate(tokens):
        following = _says(tokens, index + 1)
        if token.says == "(":
            depth += 1
        elif token.says == ")":
            expecting.discard(depth)
            depth -= 1
        elif token.says == "WITH" and following not in ("ORDINALITY", "TIES", "TIME", "UNIQUE"):
            expecting.add(depth)
        elif depth in expecting and token.says in ("SELECT", "VALUES", "TABLE"):
            expecting.discard(depth)
        elif (
            depth in expecting
            and token.is_name
            and following in ("AS", "(")
            and tokens[index - 1].says in ("WITH", "RECURSIVE", ",")
        ):
            names.add(token.name)
    return frozenset(names)


def _opens_query(tokens: list[Token], index: int) -> bool:
    """Return whether the parenthesis at an index holds a query, maybe in further parentheses."""
    inner = index + 1
    while inner < len(tokens) and tokens[inner].says == "(":
        inner += 1
    if inner == len(tokens) or tokens[inner].says not in _READS:
        return False
    before = tokens[index - 1] if index else None
    is_call = before is not None and before.is_name and before.says not in _BEFORE_QUERY
    return inner == index + 1 or not is_call


def tables_of(tokens: list[Token]) -> frozenset[str]:
    """Return the names that stand where a table can stand."""
    tables: set[str] = set()
    # For each open parenthesis: is this a query, are we in the FROM of one or in a joined table, can a table come next?
    stack = [[True, False, False]]
    for index, token in enumerate(tokens):
        says = token.says
        state = stack[-1]
        is_query, in_from, expected = state
        if says == "(":
            query = _opens_query(tokens, index)
            joined = in_from and expected and not query
            stack.append([query, joined, joined])
            state[2] = False
        elif says == ")":
            if len(stack) > 1:
                stack.pop()
        elif says in ("FROM", "TABLE") and (is_query or _says(tokens, index - 1) == "ROWS"):
            if not _is_comparison(tokens, index):
                state[1] = state[2] = True
        elif says == "JOIN":
            state[1] = state[2] = True
        elif says == "," and in_from:
            state[2] = True
        elif expected and (
            says in ("ONLY", "LATERAL") or (says == "ROWS" and _says(tokens, index + 1) == "FROM")
        ):
            pass
        elif says in _ENDS_FROM and is_query:
            state[1] = state[2] = False
        elif expected and token.is_name:
            state[2] = False
            if _says(tokens, index + 1) == ".":
                _refuse_schema(tokens, index)
            elif _says(tokens, index + 1) != "(":
                tables.add(_table_name(token))
    return frozenset(tables)


def _says(tokens: list[Token], index: int) -> str:
    return tokens[index].says if 0 <= index < len(tokens) else ""


def _table_name(token: Token) -> str:
    # The name of a scope may be longer than PostgreSQL keeps: its end tells the table.
    full = token.text[1:-1].replace('""', '"') if token.kind == "quoted" else ""
    return full if parse(full) else token.name


def _refuse_schema(tokens: list[Token], index: int) -> None:
    if _says(tokens, index + 3) == "(":
        return  # a function, which reads what it reads
    name = tokens[index + 2].text if index + 2 < len(tokens) else ""
    raise TimeTravelError(
        f"{tokens[index].text}.{name} names its schema, and would be read as it is now. Leave the schema away, and put it on the "
        "search_path of the connection if it is not there: only tables without a schema in their names can be read in the past."
    )


def _is_comparison(tokens: list[Token], index: int) -> bool:
    """Return whether FROM at an index ends IS [NOT] DISTINCT FROM."""
    return _says(tokens, index - 1) == "DISTINCT" and _says(tokens, index - 2) in ("IS", "NOT")
