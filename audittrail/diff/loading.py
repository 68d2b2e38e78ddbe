"""Loading row images from history tables, in statements that Django's ORM has no words for (LATERAL, comparison of images)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from django.db import connections
from django.db.backends.postgresql.psycopg_any import sql

from audittrail.capture import tracking
from audittrail.diff.columns import columns_of
from audittrail.diff.images import RowImage
from audittrail.revisions.versions import Version

#: A part of a statement: `sql.Composable` of either driver.
Fragment: TypeAlias = Any


class Images:
    """A source of row images in a statement: what to select of it, and how to make images of what comes.

    Takes a version model, the alias of the database, and the name that the history table has in the statement.
    """

    def __init__(self, model: type[Version], alias: str, source: str) -> None:
        self.model = model
        self.alias = alias
        self.source = source
        self.fields = model._meta.concrete_fields
        self.inexact = [column for column in columns_of(model.tracked_model) if not column.is_exact]
        self.width = len(self.fields) + len(self.inexact)
        self._compiler = model._base_manager.using(alias).query.get_compiler(alias)
        columns = [field.get_col(model._meta.db_table) for field in self.fields]
        self._converters = self._compiler.get_converters(columns)

    def columns(self) -> Fragment:
        """Return the columns to select: those of a version, then the texts."""
        values = []
        for field in self.fields:
            # Some fields, such as those of GeoDjango, are selected in a form of their own.
            form, _ = field.select_format(self._compiler, "{}", ())
            values.append(sql.SQL(form).format(sql.Identifier(self.source, field.column)))
        return sql.SQL(", ").join([*values, *self._texts()])

    def texts_only(self) -> Fragment:
        """Return the columns to select for `texts`, beginning with a comma; nothing if there are none."""
        return sql.SQL("").join(sql.SQL(", ") + text for text in self._texts())

    def image(self, values: Sequence[Any]) -> RowImage | None:
        """Return the image in a row of `columns`; None if there is none, as an outer join leaves it."""
        if values[0] is None:
            return None
        (converted,) = self._compiler.apply_converters(
            [values[: len(self.fields)]], self._converters
        )
        names = [field.attname for field in self.fields]
        row = self.model.from_db(self.alias, names, converted)
        return RowImage(row, self.texts(values[len(self.fields) :]))

    def texts(self, values: Sequence[Any]) -> dict[str, str | None]:
        """Return the texts in a row of `texts_only`, by column."""
        return {column.name: text for column, text in zip(self.inexact, values, strict=True)}

    def _texts(self) -> list[Fragment]:
        return [
            sql.SQL("{}::text").format(sql.Identifier(self.source, column.stored))
            for column in self.inexact
        ]


def history_table(model: type[Version]) -> Fragment:
    """Return the history table that a version model reads."""
    return sql.Identifier("audittrail", tracking.history_name(model.tracked_model._meta.db_table))


def since_version(model: type[Version]) -> Fragment:
    """Return the query for the version at which the tracking of a table began, if need be anew."""
    name = tracking.history_name(model.tracked_model._meta.db_table)
    return sql.SQL(
        "coalesce((SELECT since_version FROM audittrail.tracked_table WHERE history_name = {}), 0)"
    ).format(sql.Literal(name))


def key_fields(model: type[Version]) -> list[Any]:
    """Return the fields of a version model that are the key of the row."""
    return [model._meta.get_field(name) for name in model.key_names]


def same_key(model: type[Version], one: str, other: str) -> Fragment:
    """Return the condition that two sources in a statement have the same key, both with a history table's columns."""
    return sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(
            sql.Identifier(one, field.column), sql.Identifier(other, field.column)
        )
        for field in key_fields(model)
    )


def rows_of_keys(
    model: type[Version], alias: str, keys: Sequence[Sequence[Any]], ticks: Sequence[int]
) -> Fragment:
    """Return the source "w" with a row for each key and tick, numbered by "position": to join history tables with.

    Its key has the columns of the history table.
    """
    connection = connections[alias]
    fields = key_fields(model)
    types = [sql.SQL("CAST({} AS " + str(field.db_type(connection)) + ")") for field in fields]
    rows = []
    for position, (key, tick) in enumerate(zip(keys, ticks, strict=True)):
        values = [
            cast.format(sql.Literal(field.get_db_prep_value(value, connection)))
            for cast, field, value in zip(types, fields, key, strict=True)
        ]
        number = sql.SQL("{}, {}::bigint").format(sql.Literal(position), sql.Literal(tick))
        rows.append(sql.SQL("({})").format(sql.SQL(", ").join([number, *values])))
    names = [sql.Identifier(field.column) for field in fields]
    return sql.SQL("(VALUES {}) w (position, audittrail_tick, {})").format(
        sql.SQL(", ").join(rows), sql.SQL(", ").join(names)
    )


def fetch(alias: str, statement: Fragment) -> list[Any]:
    """Send a statement whose values are all in it, and return its rows."""
    with connections[alias].cursor() as cursor:
        # As text and without parameters, so that a % in a name is one.
        cursor.execute(statement.as_string(cursor.cursor))
        return list(cursor.fetchall())
