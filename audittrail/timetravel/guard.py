"""Statements that reach the present database while somebody travels: turned to the past, or refused; never a silent mix.

What the ORM sends to the present then is right by its way there (see `routing`). This is about all else: cursors of the project's
own code, `using()` of a write, `COPY`. The drivers let a connection say which class its cursors have (see `revisions.cursors`).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final, NoReturn

from django.apps import apps
from django.db import connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql import base as postgresql
from django.db.backends.postgresql.psycopg_any import is_psycopg3
from django.db.backends.utils import strip_quotes

from audittrail.capture import tracking
from audittrail.capture.tables import SCHEMA_TRICK
from audittrail.exceptions import PastIsReadOnlyError, TimeTravelError
from audittrail.revisions import cursors
from audittrail.timetravel import machine, registry, statement, views
from audittrail.timetravel.tables import refuse_untracked
from audittrail.timetravel.tokens import cut, tokens_of

#: Statements whose tables their text does not name.
_OPAQUE: Final = frozenset({"DO", "CALL", "EXECUTE"})

_WRITES: Final = frozenset(
    {"INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE", "COPY", "ALTER", "DROP"}
)

#: Words that the name of a table can follow.
_BEFORE_TABLE: Final = frozenset(
    ["FROM", "JOIN", "INTO", "UPDATE", "TABLE", "USING", "TRUNCATE", "COPY", "ONLY", "EXISTS", "LOCK", "ON", "REFERENCES"]
)  # fmt: skip


def install(connection: BaseDatabaseWrapper, **kwargs: object) -> None:
    """Watch the cursors of an open connection; a receiver of `connection_created`."""
    if connection.vendor != "postgresql":
        return
    # The class that sends the context comes first, and so below ours: the guard sees statements before the comment is put in front.
    cursors.install(connection)
    raw: Any = connection.connection
    for name in ("cursor_factory", "server_cursor_factory"):
        factory = getattr(raw, name, None)
        if isinstance(factory, type) and _Watched not in factory.__mro__:
            setattr(raw, name, _watched_class(factory, connection.alias))
    if is_psycopg3:
        raw.audittrail_alias = connection.alias
        if _Watched not in postgresql.ServerSideCursor.__mro__:
            # Django finds the class of its server-side cursors by this name in its module.
            module: Any = postgresql
            module.ServerSideCursor = _watched_class(postgresql.ServerSideCursor, None)


def watched(query: Any, cursor: Any, using: str, has_params: bool) -> Any:
    """Return a statement as it may be sent to a database of the present: as it is, or turned to the moment of the traveller.

    Raises `PastIsReadOnlyError` for one that writes what is tracked, `TimeTravelError` for one that can't be turned as a whole.
    """
    journey = machine.current()
    if journey is None:
        return query
    text = _text(query, cursor)
    escapes = statement.escapes(text, cursor.connection)
    names = _names(text, escapes)
    if names.first in _OPAQUE:
        _refuse(names.first)
    if not journey.tables:
        journey.tables.update(_tables())
    with machine.unwatched():
        unknown = {name for name in names.targets if not journey.tables.get(name)}
        views.refuse(
            connections[using],
            frozenset(name for name in unknown if not registry.may_be_read_live(name)),
        )
    if names.all.isdisjoint(journey.tables):
        return query
    try:
        read = statement.analyse(text, escapes).tables
    except (PastIsReadOnlyError, TimeTravelError) as error:
        if (refusal := _refusal(journey, names, error)) is not None:
            raise refusal from None
        return query
    if not any(journey.tables.get(name) for name in read):
        return query
    for name in read:
        if journey.tables.get(name) is False and not registry.may_be_read_live(name):
            refuse_untracked(name)
    with machine.unwatched():
        past: Any = connections[journey.moment_in(using).alias]
        return past.to_past(text, cursor, has_params)


def _refusal(journey: machine.Journey, names: _Names, error: Exception) -> Exception | None:
    """Return the error for a statement that can't be turned to the past, None if it concerns no table of the past."""
    named = names.targets & journey.tables.keys()
    if any(journey.tables[name] for name in named):
        return error
    if journey.strict and named and names.writes:
        return PastIsReadOnlyError(
            f"Nothing can be written in the time machine, and this writes {min(named)!r}. Return to the present first."
        )
    return None


def _refuse(what: str) -> NoReturn:
    raise PastIsReadOnlyError(
        f"{what} is not possible in the time machine, since its text does not tell what it reads and writes. Use a SELECT, or return to "
        "the present first."
    )


def _tables() -> dict[str, bool]:
    """Return the tables of the project's models that do not stay in the present, and whether each is tracked.

    Of several models of one table, such as unmanaged ones for a part of its columns, one that is tracked is enough.
    """
    found: dict[str, bool] = {}
    for model in apps.get_models(include_auto_created=True):
        for name, is_tracked in _table_of(model):
            found[name] = found.get(name, False) or is_tracked
    return found


def _table_of(model: type[models.Model]) -> list[tuple[str, bool]]:
    if model._meta.proxy or model._meta.swapped or machine.stays(model):
        return []
    name = strip_quotes(model._meta.db_table).rpartition(SCHEMA_TRICK)[2].replace('""', '"')
    return [(cut(name), tracking.is_tracked(model))]


@dataclass(frozen=True)
class _Names:
    """The names in a statement, those of our own schema left out: all of them, and those that stand where tables stand."""

    first: str
    writes: bool
    all: frozenset[str]
    targets: frozenset[str]


@lru_cache(maxsize=1024)
def _names(text: str, escapes: bool) -> _Names:
    tokens = tokens_of(text, escapes)
    every: set[str] = set()
    targets: set[str] = set()
    depth = 0
    for index, token in enumerate(tokens):
        before = tokens[index - 1].says if index else ""
        depth += {"(": 1, ")": -1}.get(token.says, 0)
        if not token.is_name:
            continue
        start = index
        if before == "." and index > 1:
            if _is_ours(tokens[index - 2]):
                continue
            start = index - 2
        every.add(token.name)
        follows = tokens[start - 1].says if start else ""
        assigns = tokens[index + 1].says == "=" if index + 1 < len(tokens) else False
        if follows in _BEFORE_TABLE or (follows == "," and depth == 0 and not assigns):
            targets.add(token.name)
    with suppress(TimeTravelError):  # for a name with a schema, which is among the targets already
        targets |= statement.tables_of(tokens)
    writes = any(token.says in _WRITES for token in tokens)
    return _Names(tokens[0].says if tokens else "", writes, frozenset(every), frozenset(targets))


def _is_ours(schema: Any) -> bool:
    return bool(schema.is_name) and schema.name == "audittrail"


def _text(query: Any, cursor: Any) -> str:
    if isinstance(query, str):
        return query
    return query.decode() if isinstance(query, bytes) else str(query.as_string(cursor))


class _Watched:
    """A driver's cursor whose statements are watched."""

    audittrail_alias: str | None
    connection: Any

    def execute(self, query: Any, *args: Any, **kwargs: Any) -> Any:
        query = self._watched(query, *args, **kwargs)
        return super().execute(query, *args, **kwargs)  # type: ignore[misc]

    def executemany(self, query: Any, *args: Any, **kwargs: Any) -> Any:
        query = self._watched(query, *args, **kwargs)
        return super().executemany(query, *args, **kwargs)  # type: ignore[misc]

    def callproc(self, *args: Any, **kwargs: Any) -> Any:
        self._refuse("callproc()")
        return super().callproc(*args, **kwargs)  # type: ignore[misc]

    def _watched(self, query: Any, *args: Any, **kwargs: Any) -> Any:
        if machine.current() is None:
            return query
        params = next((value for value in (*args, *kwargs.values())), None)
        using = self.audittrail_alias or self.connection.audittrail_alias
        return watched(query, self, using, params is not None)

    def _refuse(self, what: str) -> None:
        if machine.current() is not None:
            _refuse(what)


class _Watched3(_Watched):
    """What psycopg 3 adds."""

    def stream(self, query: Any, *args: Any, **kwargs: Any) -> Any:
        query = self._watched(query, *args, **kwargs)
        return super().stream(query, *args, **kwargs)  # type: ignore[misc]

    def copy(self, statement: Any, *args: Any, **kwargs: Any) -> Any:
        self._watched(statement)
        return super().copy(statement, *args, **kwargs)  # type: ignore[misc]


class _Watched2(_Watched):
    """What psycopg2 adds. Statements that it puts together itself can't be looked at, and so are refused."""

    def copy_expert(self, query: Any, *args: Any, **kwargs: Any) -> Any:
        self._watched(query)
        return super().copy_expert(query, *args, **kwargs)  # type: ignore[misc]

    def copy_from(self, *args: Any, **kwargs: Any) -> Any:
        self._refuse("copy_from()")
        return super().copy_from(*args, **kwargs)  # type: ignore[misc]

    def copy_to(self, *args: Any, **kwargs: Any) -> Any:
        self._refuse("copy_to()")
        return super().copy_to(*args, **kwargs)  # type: ignore[misc]


@cache
def _watched_class(factory: Any, alias: str | None) -> Any:
    ours = _Watched3 if is_psycopg3 else _Watched2
    names = {"__module__": factory.__module__, "audittrail_alias": alias}
    return type(f"Watched{factory.__name__}", (ours, factory), names)
