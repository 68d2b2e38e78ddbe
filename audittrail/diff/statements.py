"""Parts of SQL statements about history tables, in words that Django's ORM does not have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeAlias, TypeVar

from django.db import connections, models
from django.db.backends.postgresql.psycopg_any import sql

from audittrail.capture import schemas
from audittrail.capture.tables import SCHEMA_TRICK
from audittrail.diff.json_null import holds_json, prepared
from audittrail.revisions import beyond_python
from audittrail.revisions.versions import Version, version_name

T = TypeVar("T")

#: A part of a statement: `sql.Composable` of either driver.
Fragment: TypeAlias = Any


class _OfHistory(sql.Composable):  # type: ignore[name-defined, misc]
    """The history table of a table, or its name as a string: which one that is, the connection says that the statement is for."""

    def __init__(self, table: str, as_string: bool = False) -> None:
        super().__init__(table)
        self._table = table
        self._is_string = as_string

    def _found(self, context: Any) -> Any:
        name = schemas.history_in(context, self._table)
        return sql.Literal(name) if self._is_string else sql.Identifier("audittrail", name)

    def as_string(self, context: Any = None) -> str:
        return str(self._found(context).as_string(context))

    def as_bytes(self, context: Any = None) -> bytes:
        return bytes(self._found(context).as_bytes(context))


def history_table(model: type[Version]) -> Fragment:
    """Return the history table that a version model reads."""
    return _OfHistory(model.tracked_model._meta.db_table)


def history_name(model: type[Version]) -> Fragment:
    """Return the name of the same as a string."""
    return _OfHistory(model.tracked_model._meta.db_table, as_string=True)


def live_table(model: type[models.Model]) -> Fragment:
    """Return the live table of a model."""
    return sql.Identifier(*table_names(model))


def table_names(model: type[models.Model]) -> list[str]:
    """Return the name of a model's table, which may come with its quotes, after that of a schema if it names one."""
    name = model._meta.db_table
    if name.startswith('"') and name.endswith('"'):
        name = name[1:-1]
    return [part.replace('""', '"') for part in name.split(SCHEMA_TRICK)]


def live_rows(model: type[Version], name: str, since: int) -> Fragment:
    """Return a source with the rows of the live table as their baseline has them: under the columns of the history table."""
    live = {
        version_name(field.attname): field.column
        for field in model.tracked_model._meta.local_concrete_fields
    }
    columns = [
        sql.SQL("{} AS {}").format(
            sql.Identifier(live[field.attname]), sql.Identifier(field.column)
        )
        for field in model._meta.concrete_fields
        if field.attname in live
    ]
    return sql.SQL(
        "(SELECT {}::bigint AS version, 0::bigint AS revision_id, 'B'::\"char\" AS operation, {} FROM {}) {}"
    ).format(
        sql.Literal(since),
        sql.SQL(", ").join(columns),
        live_table(model.tracked_model),
        sql.Identifier(name),
    )


def since_version(model: type[Version]) -> Fragment:
    """Return the query for the version at which the tracking of a table began, if need be anew."""
    return sql.SQL(
        "coalesce((SELECT since_version FROM audittrail.tracked_table WHERE history_name = {}), 0)"
    ).format(history_name(model))


def key_fields(model: type[Version]) -> list[Any]:
    """Return the fields of a version model that are the key of the row."""
    return [model._meta.get_field(name) for name in model.key_names]


def keys_of(model: type[Version], name: str) -> Fragment:
    """Return the key of a source in a statement, as a list for SQL."""
    return sql.SQL(", ").join(sql.Identifier(name, field.column) for field in key_fields(model))


def same_key(model: type[Version], one: str, other: str) -> Fragment:
    """Return the condition that two sources in a statement have the same key, both with a history table's columns."""
    return sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(
            sql.Identifier(one, field.column), sql.Identifier(other, field.column)
        )
        for field in key_fields(model)
    )


def key_in(model: type[Version], name: str, keys: Iterable[Sequence[Any]], alias: str) -> Fragment:
    """Return the condition that a source in a statement has one of some keys, at least one."""
    rows = [
        sql.SQL("({})").format(
            sql.SQL(", ").join(
                literals(field, [value], alias)
                for field, value in zip(key_fields(model), key, strict=True)
            )
        )
        for key in keys
    ]
    return sql.SQL("({}) IN ({})").format(keys_of(model, name), sql.SQL(", ").join(rows))


def literals(field: Any, values: Iterable[Any], alias: str) -> Fragment:
    """Return values of a field as a list for SQL."""
    connection = connections[alias]
    found = [sql.Literal(prepared(field, value, connection)) for value in values]
    if holds_json(field):
        # Of its elements alone it can't be told of which type an array is.
        form = sql.SQL("{}::" + field.db_type(connection))
        found = [form.format(literal) for literal in found]
    return sql.SQL(", ").join(found)


def rows_of_keys(
    model: type[Version], alias: str, keys: Sequence[Sequence[Any]], ticks: Sequence[int]
) -> Fragment:
    """Return the source "w" with rows of a key and a tick, numbered by "position": to join history tables with.

    Its key has the columns of the history table.
    """
    fields = key_fields(model)
    types = [sql.SQL(field.db_type(connections[alias])) for field in fields]
    rows = [
        sql.SQL("({}, {}::bigint, {})").format(
            sql.Literal(position),
            sql.Literal(tick),
            sql.SQL(", ").join(
                sql.SQL("CAST({} AS {})").format(literals(field, [value], alias), type_name)
                for field, value, type_name in zip(fields, key, types, strict=True)
            ),
        )
        for position, (key, tick) in enumerate(zip(keys, ticks, strict=True))
    ]
    names = [sql.Identifier(field.column) for field in fields]
    return sql.SQL("(VALUES {}) w (position, audittrail_tick, {})").format(
        sql.SQL(", ").join(rows), sql.SQL(", ").join(names)
    )


def fetch(alias: str, statement: Fragment) -> list[Any]:
    """Send a statement, which has all of its values in it, and return its rows."""
    text = as_text(alias, statement)
    with connections[alias].cursor() as cursor:
        beyond_python.let_through(cursor.cursor)
        cursor.execute(text)
        return list(cursor.fetchall())


def stream(alias: str, statement: Fragment, size: int) -> Iterator[list[Any]]:
    """Send a statement and yield lists of at most so many of its rows, from a server-side cursor where that is allowed."""
    live = connections[alias]
    text = as_text(alias, statement)
    named = not live.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS")
    with live.chunked_cursor() if named else live.cursor() as cursor:
        beyond_python.let_through(cursor.cursor)
        cursor.execute(text)
        while rows := cursor.fetchmany(size):
            yield rows


def as_text(alias: str, statement: Fragment) -> str:
    """Return a statement as text."""
    with connections[alias].cursor() as cursor:
        return str(statement.as_string(cursor.cursor))


def in_chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield lists of at most so many items."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
