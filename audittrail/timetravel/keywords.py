"""The keywords of SQL that decide how a statement is read."""

from __future__ import annotations

from typing import Final

#: How a query begins.
READS: Final = frozenset({"SELECT", "WITH", "VALUES", "TABLE"})
#: Statements that a session which only reads needs as well: Django's `atomic`, settings, cursors.
SESSION: Final = frozenset(
    ["SAVEPOINT", "RELEASE", "ROLLBACK", "SET", "RESET", "SHOW", "FETCH", "CLOSE", "MOVE"]
)
#: What changes rows.
WRITES: Final = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE"})
#: What stands between two queries that are combined.
COMBINE: Final = frozenset({"UNION", "INTERSECT", "EXCEPT"})
#: What ends the list of tables.
AFTER_FROM: Final = frozenset(
    ["WHERE", "GROUP", "HAVING", "WINDOW", "ORDER", "LIMIT", "OFFSET", "FETCH", "FOR", "RETURNING"]
)
#: Functions that are called without parentheses.
VALUE_FUNCTIONS: Final = frozenset(
    ["CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP", "LOCALTIME", "LOCALTIMESTAMP", "CURRENT_ROLE", "CURRENT_USER",
     "SESSION_USER", "SYSTEM_USER", "USER", "CURRENT_CATALOG", "CURRENT_SCHEMA"]
)  # fmt: skip
#: What follows FOR in a locking clause.
LOCKS: Final = (("UPDATE",), ("SHARE",), ("NO", "KEY"), ("KEY", "SHARE"))
