"""Find the tables that a statement refers to, and tell them from its own common table expressions, as PostgreSQL's grammar does.

The tokens are read once, from left to right. Each open parenthesis is a frame: a query, whose clauses say where a table can stand,
or an expression, in which FROM belongs to a function such as `extract()`. What decides between the two is the first word, and a
UNION that follows a query in parentheses. Statements that PostgreSQL would refuse may be read in any way.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto

from audittrail.timetravel import keywords
from audittrail.timetravel.tokens import Token


class _Clause(Enum):
    """Where in a query the reader is, as far as that says what a word means."""

    START = auto()  # SELECT, VALUES, TABLE, WITH or a parenthesis comes next
    CTE_NAME = auto()
    CTE = auto()  # behind its name, and before its query has ended
    CTES = auto()  # behind a CTE: a comma, SEARCH, CYCLE or the query comes next
    FROM = auto()
    OTHER = auto()


@dataclass(slots=True)
class _With:
    """The names that a WITH clause has given so far; with RECURSIVE all of them are seen everywhere in the query."""

    recursive: bool
    names: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Frame:
    clause: _Clause | None  # None for an expression
    expects_table: bool = False
    #: Whether ROWS FROM was read, which a list of functions follows.
    expects_functions: bool = False
    is_cte: bool = False
    with_clause: _With | None = None
    cte_name: str = ""
    #: The word that ends a list of columns whose commas don't separate CTEs (SEARCH, CYCLE).
    list_until: str = ""


@dataclass(frozen=True, slots=True)
class TableReference:
    """The name of a table, that of its schema where it is named, and whether a CTE of the statement is meant."""

    token: Token
    schema: Token | None
    is_cte: bool


@dataclass(slots=True)
class StatementReferences:
    """What a statement refers to, and the names of the CTEs that stand at its beginning."""

    tables: list[TableReference] = field(default_factory=list)
    ctes: frozenset[str] = frozenset()
    is_recursive: bool = False
    #: The first word that writes (INSERT, UPDATE, DELETE, MERGE, INTO), "" if none does.
    writes: str = ""
    locks: bool = False
    #: What stands where a table can, but can't be read: a parameter.
    parameter: Token | None = None


def references_of(tokens: list[Token]) -> StatementReferences:
    """Return what the query refers to that some tokens make."""
    return _Reader(tokens).read()


class _Reader:
    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._frames = [_Frame(_Clause.START)]
        self._found = StatementReferences()
        #: For each reference the WITH clauses around it, and how many of their names are seen there (None for all).
        self._seen: list[tuple[Token, Token | None, list[tuple[_With, int | None]]]] = []
        #: The words before the present one, "" for those that can only be names.
        self._words = ["", ""]

    def read(self) -> StatementReferences:
        for index, token in enumerate(self._tokens):
            word = token.says
            before = self._words[-1]
            frame = self._frames[-1]
            if token.kind == "word" and (
                before == "." or (before == "AS" and frame.clause is not _Clause.CTE)
            ):
                word = ""  # any word is a name here
            if word in ("(", "["):
                self._open(index, frame)
            elif word in (")", "]"):
                self._close()
            elif frame.clause is None:
                if word in keywords.COMBINE:
                    frame.clause = _Clause.START
                elif word == "FOR" and before == ")":
                    self._found.locks |= self._locks(index)
            else:
                self._in_query(index, token, frame, frame.clause, word)
            self._words = [before, word]
        root = self._frames[0].with_clause
        if root is not None:
            self._found.ctes, self._found.is_recursive = frozenset(root.names), root.recursive
        self._found.tables = [
            TableReference(
                token,
                schema,
                schema is None and any(token.name in found.names[:count] for found, count in seen),
            )
            for token, schema, seen in self._seen
        ]
        return self._found

    def _open(self, index: int, frame: _Frame) -> None:
        starts = self._starts_query(index + 1)
        clause = _Clause.START if starts else None
        is_cte = frame.clause is _Clause.CTE and self._words[-1] in ("AS", "MATERIALIZED")
        if is_cte or frame.clause in (_Clause.START, _Clause.CTES):
            clause = _Clause.START
        elif frame.clause is _Clause.FROM and frame.expects_table:
            if not starts and not frame.expects_functions:
                clause = _Clause.FROM  # a join in parentheses
            frame.expects_table = frame.expects_functions = False
        is_word = self._tokens[index].says == "("
        self._frames.append(
            _Frame(clause if is_word else None, clause is _Clause.FROM, is_cte=is_cte)
        )

    def _starts_query(self, index: int) -> bool:
        word = self._word(index)
        return word in ("SELECT", "WITH", "TABLE") or (
            word == "VALUES" and self._word(index + 1) == "("
        )

    def _close(self) -> None:
        if len(self._frames) == 1:
            return
        closed = self._frames.pop()
        frame = self._frames[-1]
        if closed.is_cte and frame.with_clause is not None:
            if not frame.with_clause.recursive:
                frame.with_clause.names.append(frame.cte_name)
            frame.clause = _Clause.CTES
        elif frame.clause in (_Clause.START, _Clause.CTES):
            frame.clause = _Clause.OTHER

    def _in_query(
        self, index: int, token: Token, frame: _Frame, clause: _Clause, word: str
    ) -> None:
        if clause is _Clause.CTE_NAME:
            self._name_cte(index, token, frame, word)
        elif clause in (_Clause.START, _Clause.CTES):
            self._start(index, frame, word)
        elif clause is _Clause.FROM and frame.expects_table:
            self._expect_table(index, token, frame, word)
        elif word in keywords.COMBINE:
            frame.clause = _Clause.START
        elif clause is _Clause.FROM and word in (",", "JOIN"):
            frame.expects_table = True
        elif word == "FROM" and (
            self._words[-1] != "DISTINCT" or self._words[-2] not in ("IS", "NOT")
        ):  # not IS [NOT] DISTINCT FROM
            frame.clause, frame.expects_table = _Clause.FROM, True
        elif word in keywords.AFTER_FROM:
            if word == "FOR":
                self._found.locks |= self._locks(index)
            if word != "GROUP" or self._word(index + 1) == "BY":  # not WITHIN GROUP (ORDER BY ...)
                frame.clause = _Clause.OTHER
        elif word == "INTO":
            self._found.writes = self._found.writes or word

    def _start(self, index: int, frame: _Frame, word: str) -> None:
        if frame.list_until:
            if word == frame.list_until:
                frame.list_until = ""
        elif word == "WITH":
            # It is a name itself if the definition follows at once.
            recursive = self._word(index + 1) == "RECURSIVE" and (
                self._word(index + 2) not in ("AS", "(")
            )
            frame.with_clause, frame.clause = _With(recursive), _Clause.CTE_NAME
        elif word == "," and frame.clause is _Clause.CTES:
            frame.clause = _Clause.CTE_NAME
        elif word in ("SEARCH", "CYCLE"):
            frame.list_until = "SET" if word == "SEARCH" else "USING"
        elif word == "TABLE":
            frame.clause, frame.expects_table = _Clause.FROM, True
        elif word in ("SELECT", "VALUES"):
            frame.clause = _Clause.OTHER
        elif word in keywords.WRITES:
            self._found.writes = self._found.writes or word
            frame.clause = _Clause.OTHER

    def _name_cte(self, index: int, token: Token, frame: _Frame, word: str) -> None:
        with_clause = frame.with_clause
        if with_clause is None or not token.is_name:
            return
        if word == "RECURSIVE" and with_clause.recursive and self._words[-1] == "WITH":
            return
        frame.cte_name, frame.clause = token.name, _Clause.CTE
        if with_clause.recursive:
            with_clause.names.append(token.name)

    def _expect_table(self, index: int, token: Token, frame: _Frame, word: str) -> None:
        if word in ("ONLY", "LATERAL"):
            return
        if word == "ROWS" and self._word(index + 1) == "FROM":
            frame.expects_functions = True
            return
        if word == "FROM" and frame.expects_functions:
            return
        frame.expects_table = False
        if token.kind == "value":
            self._found.parameter = self._found.parameter or token
        if not token.is_name:
            return
        end = index + 1
        while self._word(end) == ".":
            end += 2
        if self._word(end) == "(" or (end == index + 1 and word in keywords.VALUE_FUNCTIONS):
            return
        seen = [
            (found, None if found.recursive else len(found.names))
            for around in self._frames
            if (found := around.with_clause) is not None
        ]
        if end == index + 1:
            self._seen.append((token, None, seen))
        elif end <= len(self._tokens):
            self._seen.append((self._tokens[end - 1], self._tokens[end - 3], seen))

    def _locks(self, index: int) -> bool:
        following = (self._word(index + 1), self._word(index + 2))
        return any(following[: len(lock)] == lock for lock in keywords.LOCKS)

    def _word(self, index: int) -> str:
        return self._tokens[index].says if index < len(self._tokens) else ""
