"""Tracked tables as restoring needs them: columns and key, from the registry and the catalogs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import connections, models

from audittrail.capture import schemas
from audittrail.capture.tables import tracked_tables
from audittrail.capture.tracking import concrete
from audittrail.exceptions import RestoreError


@dataclass(frozen=True)
class Column:
    """A column of the live table: how it is stored in history, and what the table demands of it."""

    name: str
    type: str
    #: Its type without domains, and its name in history; None if history doesn't hold it, as an excluded column.
    stored_type: str
    history: str | None
    #: Whether history holds it as text, since its type is composite.
    composite: bool
    ignored: bool
    not_null: bool
    #: "s" for a stored generated column, "v" for a virtual one, "" for others.
    generated: str
    #: "a" for GENERATED ALWAYS AS IDENTITY, "d" for BY DEFAULT, "" for others.
    identity: str
    #: The default, or what generates it, as SQL; or None.
    default: str | None

    @property
    def stored(self) -> bool:
        """Whether history holds it."""
        return self.history is not None


@dataclass(frozen=True)
class LiveTable:
    """A tracked table of the present."""

    id: int
    relation: int
    schema: str
    name: str
    history: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    model: type[models.Model] | None
    #: The present role, if policies may hide some rows from it.
    hides_from: str | None = None

    def __str__(self) -> str:
        return self.model._meta.label if self.model else self.name

    def require_all_rows(self) -> None:
        """Raise `RestoreError` if policies may hide rows: what is missing, or in the way, can't be told then."""
        if self.hides_from:
            raise RestoreError(
                f"The policies of table {self.name!r} hide rows from role {self.hides_from!r}, so what is to be brought back can't be told. "
                "Restore as a role that they don't bind: one with BYPASSRLS, or the table's owner without FORCE ROW LEVEL SECURITY."
            )

    def column(self, name: str) -> Column:
        """Return the column of a name."""
        return next(column for column in self.columns if column.name == name)

    @property
    def writable(self) -> tuple[Column, ...]:
        """The columns that a statement may give a value: all but generated ones."""
        return tuple(column for column in self.columns if not column.generated)

    @property
    def restorable(self) -> tuple[str, ...]:
        """The names of the columns that a row which is still there gets back.

        Not the key, which tells the row; not ignored columns, whose past is not known exactly; not GENERATED ALWAYS ones, which
        PostgreSQL never lets be set.
        """
        return tuple(
            column.name
            for column in self.writable
            if column.stored
            and not column.ignored
            and column.identity != "a"
            and column.name not in self.key
        )

    def field(self, column: str) -> Any:
        """Return the model's field of a column, or None."""
        if self.model is None:
            return None
        own = self.model._meta.local_concrete_fields
        return next((field for field in own if field.column == column), None)


_TABLES = """
SELECT t.id, c.oid::bigint, n.nspname, c.relname, t.history_name, t.key,
       (SELECT json_agg(json_build_array(
                   a.attname, format_type(a.atttypid, a.atttypmod),
                   coalesce(k.composite ->> 'type', k.type, format_type(a.atttypid, a.atttypmod)), k.history, k.composite IS NOT NULL, coalesce(k.ignored, false),
                   a.attnotnull, a.attgenerated::text, a.attidentity::text, pg_get_expr(d.adbin, d.adrelid)) ORDER BY a.attnum)
          FROM pg_attribute a
          LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
          LEFT JOIN jsonb_to_recordset(t.columns) k (name text, type text, history text, ignored boolean, composite jsonb) ON k.name = a.attname
         WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)::text,
       CASE WHEN row_security_active(c.oid) THEN current_user::text END
  FROM audittrail.tracked_table t
  JOIN pg_class c ON c.oid = audittrail.tied_relation(t) JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE t.until_version IS NULL AND t.key <> '{}' AND n.nspname = coalesce(%s, n.nspname)
 ORDER BY t.id
"""


def load(cursor: Any, using: str) -> dict[int, LiveTable]:
    """Return the tables that a database tracks now, by the oid of their relation; where there are tenants, those of one alone."""
    by_relation = _models(cursor, using)
    cursor.execute(_TABLES, [schemas.tenant_of(connections[using])])
    found: dict[int, LiveTable] = {}
    for number, relation, schema, name, history, key, columns, hides_from in cursor.fetchall():
        made = tuple(Column(*column) for column in json.loads(columns))
        model = by_relation.get(relation)
        found[relation] = LiveTable(
            number, relation, schema, name, history, tuple(key), made, model, hides_from
        )
    return found


def _models(cursor: Any, using: str) -> dict[int, type[models.Model]]:
    """Return the tracked models by the oid of their table."""
    connection = connections[using]
    tables = {
        schemas.named(connection, table.table): table.model for table in tracked_tables(using)
    }
    cursor.execute(
        "SELECT name, to_regclass(name)::oid::bigint FROM unnest(%s::text[]) name", [[*tables]]
    )
    return {oid: tables[name] for name, oid in cursor.fetchall() if oid is not None}


def table_of(tables: Iterable[LiveTable], model: type[models.Model]) -> LiveTable | None:
    """Return the table of a model, or None if the database does not track it now."""
    model = concrete(model)
    return next((table for table in tables if table.model is model), None)


def require_table(tables: Iterable[LiveTable], model: type[models.Model], using: str) -> LiveTable:
    """Return the same; raise `RestoreError` if the database does not track the table now."""
    found = table_of(tables, model)
    if found is None:
        raise RestoreError(
            f"{model._meta.label} is not tracked in database {using!r} now, so there is nothing to restore it into. Track "
            "it again, and run manage.py audittrail sync."
        )
    return found
