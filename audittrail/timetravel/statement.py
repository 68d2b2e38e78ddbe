"""Take an SQL statement apart as far as needed to know which tables it reads, and where a WITH clause goes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from audittrail.exceptions import PastIsReadOnlyError, TimeTravelError

_TOKEN = re.compile(
    r"""
      (?P<space>\s+|--[^\n]*)
    | (?P<comment>/\*)
    | (?P<string>[eE]'(?:[^'\\]|\\.|'')*' | (?:[bBxXnN]|[uU]&)?'(?:[^']|'')*')
    | (?P<dollar>\$(?P<tag>[A-Za-z_\x80-\U0010ffff]\w*)?\$.*?\$(?P=tag)?\$)
    | (?P<quoted>(?:[uU]&)?"(?:[^"]|"")*")
    | (?P<parameter>%%|%s|%\(\w+\)s|%b|%t)
    | (?P<word>[A-Za-z_\x80-\U0010ffff][\w$\x80-\U0010ffff]*)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)

#: Statements that a read-only session needs beside reading: Django's `atomic`, settings.
_SESSION = frozenset({"SAVEPOINT", "RELEASE", "ROLLBACK", "SET", "SHOW", "FETCH", "CLOSE", "MOVE"})
_READS = frozenset({"SELECT", "WITH", "VALUES", "TABLE"})
_WRITES = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE"})
_ENDS_FROM = frozenset(
    ["WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "FETCH", "WINDOW", "UNION", "INTERSECT", "EXCEPT", "FOR", "SELECT", "RETURNING"]
)


@dataclass(frozen=True)
class Token:
    """A word, quoted identifier or sign: its upper-case or bare text, whether it was quoted, and where it stands."""

    text: str
    kind: str
    start: int
    end: int

    @property
    def name(self) -> str:
        """The identifier as PostgreSQL reads it."""
        if self.kind == "quoted":
            return self.text[1:-1].replace('""', '"')
        return self.text.lower()

    def says(self, *words: str) -> bool:
        """Return whether this is one of the given words, in capitals, or signs."""
        return self.kind in ("word", "other") and self.text.upper() in words


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
    tokens = _tokens(statement)
    first = _first_of_query(tokens) if tokens else None
    if first is None:
        return Reading()
    _refuse_writes(tokens)
    ctes = _own_ctes(tokens)
    start = tokens[first]
    if not start.says("WITH"):
        return Reading(_tables(tokens) - ctes, ctes, start.start)
    after = tokens[first + 1]
    end = after.end if after.says("RECURSIVE") else start.end
    return Reading(_tables(tokens) - ctes, ctes, end, merges=True)


def _tokens(statement: str) -> list[Token]:
    tokens: list[Token] = []
    position = 0
    while position < len(statement):
        match = _TOKEN.match(statement, position)
        assert match is not None
        kind = match.lastgroup or "other"
        if kind == "comment":
            position = _end_of_comment(statement, position)
            continue
        kind = "dollar" if kind == "tag" else kind
        if kind != "space":
            tokens.append(Token(match.group(), kind, match.start(), match.end()))
        position = match.end()
    return tokens


def _end_of_comment(statement: str, start: int) -> int:
    depth, position = 1, start + 2
    while depth and position < len(statement):
        if statement.startswith("/*", position):
            depth, position = depth + 1, position + 2
        elif statement.startswith("*/", position):
            depth, position = depth - 1, position + 2
        else:
            position += 1
    return position


def _first_of_query(tokens: list[Token]) -> int | None:
    """Return the index of the token before which a WITH clause goes; None if the statement reads no table."""
    index = 0
    if tokens[0].says("EXPLAIN", "DECLARE"):
        depth = 0
        for index, token in enumerate(tokens):
            depth += token.says("(") - token.says(")")
            if depth == 0 and token.says(*_READS):
                return index
        index = 0
    first = next((token for token in tokens if not token.says("(")), tokens[0])
    if first.says(*_READS):
        return index
    if first.says(*_SESSION):
        return None
    raise PastIsReadOnlyError(
        f"The past can't be changed: {first.text.upper()} was sent to a connection that reads it. "
        "Change the present instead, with objects read from it."
    )


def _refuse_writes(tokens: list[Token]) -> None:
    previous: Token | None = None
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        if token.says(*_WRITES) and (previous is None or previous.says("(", ")")):
            raise PastIsReadOnlyError(
                f"The past can't be changed: the statement contains {token.text.upper()}."
            )
        if token.says("INTO") and previous is not None:
            raise PastIsReadOnlyError("The past can't be changed: the statement contains INTO.")
        if (
            token.says("FOR")
            and following is not None
            and following.says("UPDATE", "NO", "SHARE", "KEY")
        ):
            raise PastIsReadOnlyError(
                "Rows of the past can't be locked: FOR UPDATE would lock nothing. Lock the present ones."
            )
        if token.says(";") and following is not None:
            raise TimeTravelError("The past is read with one statement at a time.")
        previous = token


def _own_ctes(tokens: list[Token]) -> frozenset[str]:
    names: set[str] = set()
    depth = 0
    expecting: set[int] = set()
    for index, token in enumerate(tokens):
        if token.says("("):
            depth += 1
        elif token.says(")"):
            expecting.discard(depth)
            depth -= 1
        elif token.says("WITH") and not (
            index + 1 < len(tokens) and tokens[index + 1].says("ORDINALITY", "TIES", "TIME")
        ):
            expecting.add(depth)
        elif depth in expecting and token.says("SELECT", "VALUES", "TABLE"):
            expecting.discard(depth)
        elif depth in expecting and token.kind in ("word", "quoted"):
            following = tokens[index + 1 : index + 2]
            before = tokens[index - 1]
            if (
                following
                and following[0].says("AS", "(")
                and (before.says("WITH", "RECURSIVE", ","))
            ):
                names.add(token.name)
    return frozenset(names)


def _tables(tokens: list[Token]) -> frozenset[str]:
    """Return the names that stand where a table can stand."""
    tables: set[str] = set()
    # For each open parenthesis: is this a query or a joined table, are we in its FROM, can a table come next?
    stack = [[True, False, False]]
    previous: Token | None = None
    for index, token in enumerate(tokens):
        following = tokens[index + 1] if index + 1 < len(tokens) else None
        state = stack[-1]
        if token.says("("):
            query = following is not None and following.says(
                "SELECT", "WITH", "VALUES", "TABLE", "("
            )
            joined = state[1] and state[2]
            stack.append([query or joined, joined and not query, joined and not query])
            state[2] = False
        elif token.says(")"):
            if len(stack) > 1:
                stack.pop()
        elif token.says("FROM", "TABLE") and state[0]:
            if not (
                previous is not None and previous.says("DISTINCT") and _is_comparison(tokens, index)
            ):
                state[1] = state[2] = True
        elif token.says("JOIN"):
            state[1] = state[2] = True
        elif token.says(",") and state[1]:
            state[2] = True
        elif token.says("ONLY", "LATERAL") and state[2]:
            pass
        elif token.says(*_ENDS_FROM) and state[0]:
            state[1] = state[2] = False
        elif state[2] and token.kind in ("word", "quoted"):
            state[2] = False
            if following is not None and following.says("."):
                name = tokens[index + 2].name if index + 2 < len(tokens) else ""
                raise TimeTravelError(
                    f"{token.name}.{name} names its schema, and would be read as it is now. "
                    "Leave the schema away; a table outside the search path can't be read in the past."
                )
            if following is None or not following.says("("):
                tables.add(token.name)
        previous = token
    return frozenset(tables)


def _is_comparison(tokens: list[Token], index: int) -> bool:
    """Return whether FROM at an index ends IS [NOT] DISTINCT FROM."""
    return index >= 2 and tokens[index - 2].says("IS", "NOT")
