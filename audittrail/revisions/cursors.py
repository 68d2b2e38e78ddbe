"""Put the present context in front of the statements that a connection sends.

The drivers let a connection say which class its cursors have. Deriving from that class reaches
every statement, those that go around Django's own cursor wrappers included, and costs no round
trip.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.psycopg_any import is_psycopg3, sql

from audittrail.revisions import beyond_python
from audittrail.revisions.context import active
from audittrail.revisions.payload import without_comment

if is_psycopg3:
    from psycopg.client_cursor import ClientCursorMixin

if TYPE_CHECKING:

    class _DriverCursor:
        """What both drivers' cursors have."""

        name: str | None
        _query: Any

        @property
        def query(self) -> bytes | None: ...

        def execute(self, query: Any, *args: Any, **kwargs: Any) -> Any: ...
        def executemany(self, query: Any, *args: Any, **kwargs: Any) -> Any: ...
        def callproc(self, name: Any, *args: Any, **kwargs: Any) -> Any: ...
        def copy(self, statement: Any, *args: Any, **kwargs: Any) -> Any: ...
        def mogrify(self, query: Any, params: Any = None) -> Any: ...
        def stream(self, query: Any, *args: Any, **kwargs: Any) -> Any: ...
        def copy_expert(self, query: Any, *args: Any, **kwargs: Any) -> Any: ...
        def copy_from(self, file: Any, table: Any, *args: Any, **kwargs: Any) -> Any: ...
else:
    _DriverCursor = object

# The first word of a statement, after white space, comments and the parentheses of a set operation.
_FIRST_WORD = re.compile(r"(?:[\s(]+|--[^\n]*\n|/\*.*?\*/)*(\w*)", re.DOTALL)

# A table as the ORM writes it, and not the call of a function as `callproc` writes it.
_FROM_TABLE = re.compile(r' FROM ("(?:[^"]|"")+"\.)?"(?:[^"]|"")+"(?![".(])')

# Statements that change no table: they must not be the reason to look for the user, which may take
# a query where none can be made (ROLLBACK TO SAVEPOINT).
_CHANGING_NOTHING: Final = frozenset(
    (
        *("BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE"),
        *("SET", "RESET", "SHOW", "DISCARD", "DEALLOCATE", "LOCK"),
        *("CLOSE", "FETCH", "MOVE", "LISTEN", "UNLISTEN", "NOTIFY"),
    )
)


def install(connection: BaseDatabaseWrapper, **kwargs: object) -> None:
    """Make the cursors of an open connection send the context; a receiver of `connection_created`.

    Does nothing for other databases than PostgreSQL, and nothing the second time.
    """
    if connection.vendor != "postgresql":
        return
    raw: Any = connection.connection
    factory: Any = raw.cursor_factory
    if not isinstance(factory, type):
        warnings.warn(
            f"The connection {connection.alias!r} makes its cursors with {factory!r}, so its "
            'revisions record no user and no reason. Make OPTIONS["cursor_factory"] a class.',
            RuntimeWarning,
            stacklevel=2,
        )
    elif _ContextCursor not in factory.__mro__:
        raw.cursor_factory = _context_cursor(factory)


def changes_nothing(statement: str) -> bool:
    """Tell whether a statement is a plain read, or one about the session, judged by its text.

    A SELECT may call a function that writes. It passes for a plain read if it calls no function, or
    reads a table whose name is in quotes, as the ORM writes it: who calls a function for its effect
    selects from no table.
    """
    statement = statement.rstrip("; \n\t")
    start = _FIRST_WORD.match(statement)
    if start is None or ";" in statement:
        return False
    rest = statement[start.end() :]
    if start[1].upper() == "SELECT":
        return _FROM_TABLE.search(rest) is not None or "(" not in rest
    return start[1].upper() in _CHANGING_NOTHING


def comment_for(query: Any, cursor: object) -> str:
    """Return the comment of the present context for a statement, "" if there is none."""
    state = active()
    return "" if state is None else state.comment(lambda: not changes_nothing(_text(query, cursor)))


def prefixed(comment: str, query: Any, cursor: object) -> Any:
    """Return the query with the comment in front.

    Takes whatever the drivers take: str, bytes, `sql.Composable`, and the t-strings of psycopg 3.3.
    """
    if isinstance(query, str):
        return comment + query
    if isinstance(query, bytes):
        return comment.encode() + query
    if hasattr(query, "as_string"):
        return comment + query.as_string(cursor)
    if hasattr(query, "interpolations"):
        return type(query)(comment, *query)
    return query  # Not a statement: the driver will raise an error of its own.


def with_context(query: Any, cursor: object) -> Any:
    """Return the query with the present context in front, or as it is without one."""
    comment = comment_for(query, cursor)
    return prefixed(comment, query, cursor) if comment else query


class _ContextCursor(_DriverCursor):
    """A driver's cursor that sends the present context with its statements."""

    def executemany(self, query: Any, *args: Any, **kwargs: Any) -> Any:
        return super().executemany(with_context(query, self), *args, **kwargs)


class _Psycopg3Cursor(_ContextCursor):
    """What psycopg 3 adds. Its `callproc` is Django's and goes through `execute`."""

    def execute(self, query: Any, params: Any = None, **kwargs: Any) -> Any:
        if beyond_python.is_wanted():
            beyond_python.let_through(self)
        if not (comment := comment_for(query, self)):
            return super().execute(query, params, **kwargs)
        if params is not None and isinstance(self, ClientCursorMixin):
            # The driver keeps parsed statements by their text, which the comment makes new each
            # time. Merging the parameters first uses what it keeps: 1 µs instead of 9.
            query, params = self.mogrify(query, params), None
        try:
            return super().execute(prefixed(comment, query, self), params, **kwargs)
        finally:
            # Django shows this as what was executed: in `connection.queries`, logs, debug tools.
            if self._query is not None:
                self._query.query = without_comment(self._query.query)

    def copy(self, statement: Any, *args: Any, **kwargs: Any) -> Any:
        return super().copy(with_context(statement, self), *args, **kwargs)

    def stream(self, query: Any, *args: Any, **kwargs: Any) -> Any:
        return super().stream(with_context(query, self), *args, **kwargs)


class _Psycopg2Cursor(_ContextCursor):
    """What psycopg2 adds. It makes the statements of `callproc` and `copy_from` in C, so they are made here instead."""

    @property
    def query(self) -> bytes | None:
        """Give the statement sent last without the comment: Django shows it in logs and tools."""
        sent = super().query
        return None if sent is None else without_comment(sent)

    def execute(self, query: Any, *args: Any, **kwargs: Any) -> Any:
        if beyond_python.is_wanted():
            beyond_python.let_through(self)
        if self.name is not None:
            # A server-side cursor: the driver puts its DECLARE in front of the statement, and
            # what it reads comes with a FETCH.
            return super().execute(query, *args, **kwargs)
        return super().execute(with_context(query, self), *args, **kwargs)

    def callproc(self, name: str, parameters: Any = None) -> Any:
        if active() is None:
            return super().callproc(name, parameters)
        given = () if parameters is None else parameters
        if isinstance(given, Mapping):
            places = [sql.Identifier(key) + sql.SQL(" := %s") for key in given]
            given = list(given.values())
        else:
            places = [sql.SQL("%s")] * len(given)
        call = f"SELECT * FROM {name}({sql.SQL(', ').join(places).as_string(self)})"
        self.execute(call, given or None)
        return parameters

    def copy_expert(self, query: Any, *args: Any, **kwargs: Any) -> Any:
        return super().copy_expert(with_context(query, self), *args, **kwargs)

    def copy_from(
        self,
        file: Any,
        table: str,
        sep: str = "\t",
        null: str = "\\N",
        size: int = 8192,
        columns: Iterable[str] | None = None,
    ) -> Any:
        if active() is None:
            return super().copy_from(file, table, sep, null, size, columns)
        names = [sql.Identifier(name) for name in columns or ()]
        statement = sql.SQL("COPY {}{} FROM stdin WITH DELIMITER AS {} NULL AS {}").format(
            sql.Identifier(table),
            sql.SQL(" ({})").format(sql.SQL(", ").join(names)) if names else sql.SQL(""),
            sql.Literal(sep),
            sql.Literal(null),
        )
        return self.copy_expert(statement, file, size)


@cache
def _context_cursor(factory: type[Any]) -> type[Any]:
    ours = _Psycopg3Cursor if is_psycopg3 else _Psycopg2Cursor
    return type(f"Context{factory.__name__}", (ours, factory), {"__module__": factory.__module__})


def _text(query: Any, cursor: object) -> str:
    if isinstance(query, bytes):
        return query.decode("latin-1")
    if hasattr(query, "as_string"):
        return str(query.as_string(cursor))
    return query if isinstance(query, str) else ""
