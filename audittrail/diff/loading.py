"""Loading row images: typed values as Django's ORM gives them, from statements that are not its own."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Final

from django.db.backends.postgresql.psycopg_any import sql

from audittrail.diff.columns import columns_of
from audittrail.diff.images import RowImage
from audittrail.diff.statements import Fragment, history_name
from audittrail.revisions.stored_fields import InItsType, stored_column
from audittrail.revisions.versions import Version


class Images:
    """A source of row images in a statement: what to select of it, and how to make images of what comes.

    Takes a version model, the alias of the database, the name that the history table has in the statement, and whether columns
    that no field has any more are wanted.
    """

    def __init__(
        self, model: type[Version], alias: str, source: str, *, dropped: bool = False
    ) -> None:
        self.model = model
        self._dropped = dropped
        self.alias = alias
        self.source = source
        self.fields = model._meta.concrete_fields
        self.inexact = [column for column in columns_of(model.tracked_model) if not column.is_exact]
        self.width = len(self.fields) + len(self.inexact) + dropped
        self._names = [field.attname for field in self.fields]
        self._version = self._names.index("version")
        self._compiler, self._converters = _converters(model, alias, self.fields)

    def columns(self) -> Fragment:
        """Return the columns to select: those of a version, then the texts."""
        values = []
        for field in self.fields:
            # Some fields, such as those of GeoDjango, are selected in a form of their own.
            form, _ = field.select_format(self._compiler, "{}", ())
            value = sql.SQL(form).format(sql.Identifier(self.source, field.column))
            values.append(value)
        dropped = [sql.Identifier(self.source, DROPPED)] if self._dropped else []
        return sql.SQL(", ").join([*values, *self._texts(), *dropped])

    def dropped(self, name: str) -> Fragment:
        """Return the further column to select of another source, beginning with a comma, for `columns` to select from."""
        if not self._dropped:
            return sql.SQL("")
        return sql.SQL(", {} AS {}").format(
            dropped_columns(self.model, name), sql.Identifier(DROPPED)
        )

    def texts_only(self) -> Fragment:
        """Return the columns to select for `texts`, beginning with a comma; nothing if there are none."""
        return sql.SQL("").join(sql.SQL(", ") + text for text in self._texts())

    def stored(self, name: str) -> Fragment:
        """Return the columns that are read, as a list for SQL of another source: of history, or of live rows as history stores them."""
        columns = []
        for field in self.fields:
            form = "audittrail.as_text({}) AS {}" if isinstance(field, InItsType) else "{}"
            column = sql.Identifier(name, field.column)
            columns.append(sql.SQL(form).format(column, sql.Identifier(field.column)))
        return sql.SQL(", ").join(columns)

    def image(self, values: Sequence[Any]) -> RowImage | None:
        """Return the image in a row of `columns`; None if there is none, as an outer join leaves it."""
        if values[self._version] is None:
            return None
        (found,) = self._compiler.apply_converters([values[: len(self.fields)]], self._converters)
        row = self.model.from_db(self.alias, self._names, found)
        texts = self.texts(values[len(self.fields) : len(self.fields) + len(self.inexact)])
        return RowImage(row, texts, parsed(values[-1]) if self._dropped else {})

    def texts(self, values: Sequence[Any]) -> dict[str, str | None]:
        """Return the texts in a row of `texts_only`, by column."""
        return {column.name: text for column, text in zip(self.inexact, values, strict=True)}

    def _texts(self) -> list[Fragment]:
        return [
            sql.SQL("{}::text").format(sql.Identifier(self.source, column.stored))
            for column in self.inexact
        ]


#: The column with what a row holds in columns that no field has any more.
DROPPED: Final = "audittrail_dropped"


def dropped_columns(model: type[Version], name: str) -> Fragment:
    """Return the values of columns that no field has any more, of a source with all columns of a history table, as one JSON value.

    Excluded columns that were stored once are not among them.
    """
    known = [field.column for field in model._meta.concrete_fields]
    known += [
        stored_column(field.column)
        for field in model.tracked_model._meta.local_concrete_fields
        if field.column
    ]
    return sql.SQL(
        "CASE WHEN EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = to_regclass(format('audittrail.%I', {history})) AND a.attnum > 0 AND NOT a.attisdropped"
        " AND a.attname <> ALL ({known}::text[])) THEN to_jsonb({row}.*) - {known}::text[] END"
    ).format(
        history=history_name(model),
        known=sql.Literal([*known, "superseded"]),
        row=sql.Identifier(name),
    )


def parsed(text: Any) -> dict[str, Any]:
    """Return the values of `dropped_columns`; numbers keep their digits."""
    found = json.loads(text, parse_float=Decimal) if isinstance(text, str) else text or {}
    return {name: value for name, value in found.items() if value is not None}


def converted(
    model: Any, alias: str, fields: Sequence[Any], rows: Iterable[Sequence[Any]]
) -> list[list[Any]]:
    """Return rows with the values of some fields of a version model as the fields give them."""
    compiler, converters = _converters(model, alias, fields)
    return [list(row) for row in compiler.apply_converters(rows, converters)]


def _converters(model: Any, alias: str, fields: Sequence[Any]) -> tuple[Any, Any]:
    compiler = model._base_manager.using(alias).query.get_compiler(alias)
    columns = [field.get_col(model._meta.db_table) for field in fields]
    return compiler, compiler.get_converters(columns)
