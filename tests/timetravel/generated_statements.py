"""Queries put together at random from what PostgreSQL's grammar allows, for hypothesis: scopes in scopes, words as names."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hypothesis import strategies as st

#: Few names, so that CTEs, tables, aliases and columns often share one; some are words of SQL or need their quotes.
NAMES = ("a", "b", "c", "A", '"A"', '"from"', '"a b"', "values", "rows", "search", "cycle", "recursive", "key", "b$1", "é")  # fmt: skip
LABELS = (*NAMES, "from", "select", "table", "join", "with", "distinct", "union")
SPACES = (" ", " ", " ", "\n", "/* FROM x */", " -- , y\n", " /* /* ( */ ' */ ")
CONSTANTS = ("1", "'FROM a'", "E'\\' , b'", "$$ FROM c $$", "$x$ ' $x$", "1.5e3", ".5", "$1", "NULL", "'it''s'", "B'0'", "'('")  # fmt: skip

#: What holds an expression, {}.
AROUND_EXPRESSION = (
    "f({}, 2)",
    "EXTRACT(year FROM ({}))",
    "SUBSTRING(({}) FROM x FOR y)",
    "TRIM(BOTH FROM ({}))",
    "(({}) IS DISTINCT FROM (y))",
    "(x IS NOT DISTINCT FROM ({}))",
    "CASE WHEN ({}) = 1 THEN 2 ELSE x END",
    "ARRAY[x, {}]",
    "(ROW(1, {}))",
    "count(*) FILTER (WHERE ({}) = 1) OVER (PARTITION BY x, y)",
    "mode() WITHIN GROUP (ORDER BY ({}))",
    "CAST(({}) AS text)",
    "({})::numeric(3, 2)",
    "JSON_OBJECT('k' VALUE ({}) WITH UNIQUE KEYS)",
)
#: What holds a query, {}.
AROUND_QUERY = ("({})", "EXISTS ({})", "ARRAY({})", "(x IN ({}))", "(x = ANY ({}))", "f(({}))", "((({})))")  # fmt: skip
FUNCTIONS = (
    "f({}, 1)",
    "s.g({}) WITH ORDINALITY AS z (p, q)",
    "ROWS FROM (f({}), g(1) AS (x int))",
    "JSON_TABLE(({}), '$' COLUMNS (x int PATH '$', NESTED PATH '$' COLUMNS (y text)))",
    "XMLTABLE('/r' PASSING ({}) COLUMNS x int PATH 'y', n FOR ORDINALITY)",
    "current_date",
    "CURRENT_USER AS x",
)
ALIASES = ("", "", " AS t", " u", ' AS "join"', " v (p, q)")


class Writer:
    """Writes queries; `choose` picks a number below another, and so makes all decisions."""

    def __init__(self, choose: Callable[[int], int]) -> None:
        self._choose = choose
        #: How many queries may still be written inside others.
        self._left = 8

    def statement(self) -> str:
        """Return a query whose words have all kinds of white space between them."""
        space = self._one(SPACES)
        return self.query().replace(" ", space) if self._chance(2) else self.query()

    def query(self) -> str:
        """Return a query, maybe with CTEs."""
        self._left -= 1
        if not self._chance(3):
            return self._combined()
        ctes = ", ".join(self._cte() for _ in range(1 + self._choose(3)))
        return f"{self._one(('WITH', 'WITH', 'WITH RECURSIVE'))} {ctes} {self._combined()}"

    def _cte(self) -> str:
        columns = self._one(("", "", " (p, q)"))
        kind = self._one(("AS", "AS MATERIALIZED", "AS NOT MATERIALIZED"))
        after = self._one(("", "", "", " SEARCH DEPTH FIRST BY p, q SET o", " CYCLE p, q SET r USING s", " SEARCH BREADTH FIRST BY p, q SET o CYCLE p SET r TO 1 DEFAULT 0 USING s"))  # fmt: skip
        return f"{self._one(NAMES)}{columns} {kind} ({self._inner()}){after}"

    def _combined(self) -> str:
        text = self._operand()
        while self._chance(5):
            text += f" {self._one(('UNION', 'UNION ALL', 'INTERSECT', 'EXCEPT DISTINCT'))} {self._operand()}"
        if self._chance(6):
            text += f" ORDER BY {self._expressions()}"
        if self._chance(8):
            text += f" {self._one(('LIMIT', 'OFFSET'))} {self._expression()}"
        return text

    def _operand(self) -> str:
        kind = self._choose(10)
        if kind == 7:
            return f"TABLE {self._one(('', 'ONLY '))}{self._one(NAMES)}"
        if kind == 8:
            return f"VALUES ({self._expressions()}), (1, {self._expression()})"
        if kind == 9 and self._left > 0:
            return f"({self.query()}) UNION {self._select()}"
        return self._select()

    def _select(self) -> str:
        text = f"SELECT {self._one(('', '', 'DISTINCT ', 'ALL ', 'DISTINCT ON (x, y) '))}"
        text += ", ".join(self._selected() for _ in range(1 + self._choose(3)))
        if self._choose(5) > 0 or self._left > 5:
            text += " FROM " + ", ".join(self._source() for _ in range(1 + self._choose(3)))
        for clause in ("WHERE {}", "GROUP BY {}, y", "GROUP BY GROUPING SETS ((({}), x), ())", "HAVING {}", "WINDOW w AS (PARTITION BY {}, y)"):  # fmt: skip
            if self._chance(6) and not ("GROUP" in clause and "GROUP BY" in text):
                text += " " + clause.replace("{}", self._expression())
        return text

    def _selected(self) -> str:
        kind = self._choose(4)
        if kind == 0:
            return self._one(("*", f"{self._one(NAMES)}.*"))
        return f"{self._expression()}{f' AS {self._one(LABELS)}' if kind == 1 else ''}"

    def _source(self) -> str:
        kind = self._choose(12)
        if kind > 7 and self._left > 0:
            self._left -= 1
            if kind == 8:
                return f"({self._source()} CROSS JOIN {self._source()}){self._one(ALIASES)}"
            if kind == 9:
                return f"{self._source()} {self._one(('JOIN', 'LEFT JOIN'))} {self._source()} ON {self._expression()}"
            if kind == 10:
                return f"{self._source()} JOIN {self._one(NAMES)} USING (x, y){self._one(('', ' AS k'))}"
            return f"{self._one(('', 'LATERAL '))}({self.query()}){self._one(ALIASES)}"
        if kind == 7:
            return self._one(FUNCTIONS).replace("{}", self._expression())
        if kind == 6:
            return f"{self._one(('s.', 'd.s.'))}{self._one(LABELS)}{self._one(ALIASES)}"
        form = self._one(("{}", "{}", "{}", "{} *", "ONLY {}", "ONLY ({})"))
        sample = self._one(("", "", "", " TABLESAMPLE SYSTEM (5) REPEATABLE (1)"))
        return form.replace("{}", self._one(NAMES)) + self._one(ALIASES) + sample

    def _expressions(self) -> str:
        return ", ".join(self._expression() for _ in range(1 + self._choose(3)))

    def _expression(self) -> str:
        kind = self._choose(10)
        if kind < 3:
            return self._one(CONSTANTS)
        if kind < 5:
            return self._one(NAMES)
        if kind == 5:
            return f"{self._one(NAMES)}.{self._one(LABELS)}"
        if kind < 8 and self._left > 0:
            self._left -= 1
            return self._one(AROUND_EXPRESSION).replace("{}", self._expression())
        if self._left > 0:
            return self._one(AROUND_QUERY).replace("{}", self.query())
        return "x"

    def _inner(self) -> str:
        return self.query() if self._left > 0 else f"TABLE {self._one(NAMES)}"

    def _one(self, choices: Sequence[str]) -> str:
        return choices[self._choose(len(choices))]

    def _chance(self, times: int) -> bool:
        return self._choose(times) == times - 1


@st.composite
def statements(draw: st.DrawFn) -> str:
    """Return queries of PostgreSQL."""
    return Writer(lambda below: draw(st.integers(0, below - 1))).statement()
