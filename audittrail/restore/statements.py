"""SQL for restoring, composed of names and parts: the only module that puts identifiers into statements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db.backends.postgresql.psycopg_any import sql

from audittrail.restore.catalog import Column, LiveTable

#: The temporary tables' column that says what is to be done with a row: I, U or D.
ACTION = "audittrail_action"


def run(cursor: Any, template: str, params: Any = None, **parts: Any) -> Any:
    """Execute a statement made of a template and its parts; return the cursor.

    Takes for each `{name}` a `sql.Composable`, or a string as the name of a column or temporary table.
    """
    cursor.execute(composed(template, **parts).as_string(cursor.cursor), params)
    return cursor


def composed(template: str, **parts: Any) -> Any:
    """Return a template with its parts: strings are identifiers, the rest is SQL already."""
    return sql.SQL(template).format(
        **{
            name: sql.Identifier(part) if isinstance(part, str) else part
            for name, part in parts.items()
        }
    )


def raw(text: str) -> Any:
    """Return SQL that the database has made, such as an expression of one of its constraints."""
    return sql.SQL(text)


def name_of(table: LiveTable) -> Any:
    """Return the qualified name of a live table."""
    return sql.Identifier(table.schema, table.name)


def listed(names: Iterable[str], alias: str = "") -> Any:
    """Return `alias."a", alias."b"`."""
    return sql.SQL(", ").join(column(name, alias) for name in names)


def column(name: str, alias: str = "") -> Any:
    """Return `alias."name"`."""
    return sql.Identifier(alias, name) if alias else sql.Identifier(name)


def same(names: Sequence[str], alias: str, other: str, others: Sequence[str] | None = None) -> Any:
    """Return the condition that columns of two aliases are equal; the second's may have names of their own."""
    return sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(sql.Identifier(alias, name), sql.Identifier(other, theirs))
        for name, theirs in zip(names, others or names, strict=True)
    )


def image(columns: Iterable[Column], alias: str) -> Any:
    """Return the row of some columns as a record, as history stores them.

    Compared with `*<>`, as capture does: a json has no other comparison, and 1 is not 1.00 there.
    """
    parts = [
        sql.SQL("audittrail.as_text({})" if found.composite else "{}::{}").format(
            sql.Identifier(alias, found.name), sql.SQL(found.stored_type)
        )
        for found in columns
    ]
    return sql.SQL("ROW({})::record").format(sql.SQL(", ").join(parts))


def differ(columns: Sequence[Column], one: str, other: str) -> Any:
    """Return the condition that two images of a row have other values in some columns."""
    if not columns:
        return raw("false")
    return composed("{one} *<> {other}", one=image(columns, one), other=image(columns, other))


def labelled(table: LiveTable, name: str) -> str:
    """Return what an undo calls a column that a later revision has changed: by its field."""
    field = table.field(name)
    return str(field.name) if field is not None else name


def joined(parts: Iterable[Any], separator: str = ", ") -> Any:
    """Return parts with a separator between them."""
    return sql.SQL(separator).join(list(parts))


def literal(value: Any) -> Any:
    """Return a value as SQL."""
    return sql.Literal(value)
