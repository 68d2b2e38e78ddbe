"""What django-simple-history has recorded: a row with the values of all columns for each save and deletion."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db import models
from django.db.backends.postgresql.psycopg_any import sql

from audittrail.exceptions import ImportingError
from audittrail.importing.sources import Filling, ImportSource, Model

#: What every record has beside the values of its object; a relation to that is its key once more.
_ORDINARY: Final = frozenset(
    {"history_id", "history_date", "history_change_reason", "history_type", "history_relation_id"}
)


class Records(ImportSource):
    """The records of django-simple-history."""

    name = "simple-history"

    def models(self) -> list[Model]:
        """Return the models that have `HistoricalRecords`."""
        if not apps.is_installed("simple_history"):
            raise ImportingError(
                "There is no 'simple_history' in INSTALLED_APPS: history is imported from django-simple-history while the project has it."
            )
        return [model for model in apps.get_models() if _is_recorded(model)]

    def known_columns(self, model: Model, table: Model) -> frozenset[str]:
        """Return the columns that are recorded: all but those of `excluded_fields`."""
        return frozenset(_columns(model, table))

    def count(self, cursor: Any, model: Model, start: datetime | None, end: datetime | None) -> int:
        """Return how many records of a model there are from a moment on and before another; None for no limit."""
        statement = sql.SQL(
            "SELECT count(*) FROM {} h WHERE h.history_date >= coalesce(%(start)s::timestamptz, '-infinity')"
            " AND h.history_date < coalesce(%(end)s::timestamptz, 'infinity')"
        )
        cursor.execute(statement.format(_table(model)), {"start": start, "end": end})
        return int(cursor.fetchone()[0])

    def fill(self, cursor: Any, filling: Filling) -> int:
        """Put the records of a model before a moment into a temporary table."""
        columns = _columns(filling.model, filling.table)
        pairs = [
            (stored, columns[name]) for name, stored in filling.stored.items() if name in columns
        ]
        statement = sql.SQL(
            "INSERT INTO pg_temp.{into} (audittrail_record, audittrail_at, audittrail_place, audittrail_author, audittrail_reason,"
            " audittrail_details, audittrail_operation, {stored})"
            " SELECT concat({label}::text, ' ', h.history_id), h.history_date,"
            " row_number() OVER (ORDER BY h.history_date, {order}h.history_id),"
            " {author}, h.history_change_reason, {details},"
            " CASE h.history_type WHEN '+' THEN 'I' WHEN '-' THEN 'D' ELSE 'U' END::\"char\", {recorded}"
            " FROM {history} h WHERE h.history_date < %s"
        ).format(
            into=sql.Identifier(filling.into),
            stored=_listed(sql.Identifier(stored) for stored, _ in pairs),
            label=sql.Literal(filling.model._meta.label),
            # Keys that are not counted up tell nothing of what came first at one time.
            order=sql.SQL("" if _is_counted(filling.model) else "strpos('+~-', h.history_type), "),
            author=_author(filling.model),
            details=_details(filling.model),
            recorded=_listed(sql.Identifier("h", column) for _, column in pairs),
            history=_table(filling.model),
        )
        cursor.execute(statement, [filling.before])
        return int(cursor.rowcount)

    def remarks(self, model: Model) -> list[str]:
        """Say that many-to-many fields are left out."""
        names = [field.name for field in getattr(_historical(model), "_history_m2m_fields", ())]
        return [f"what it recorded of the many-to-many field {name}" for name in names]


def _is_recorded(model: Model) -> bool:
    # A model that inherits from a recorded one has its attributes, and no records unless it has said so.
    historical = _historical(model)
    return historical is not None and historical.instance_type is model


def _historical(model: Model) -> Any:
    name = getattr(model._meta, "simple_history_manager_attribute", None)
    return None if name is None else getattr(model, name).model


def _table(model: Model) -> Any:
    return sql.Identifier(_historical(model)._meta.db_table)


def _columns(model: Model, table: Model) -> dict[str, str]:
    """Return the columns of the records by those of one of the model's tables."""
    recorded = {field.attname: field.column for field in _historical(model)._meta.concrete_fields}
    return {
        field.column: recorded[field.attname]
        for field in table._meta.local_concrete_fields
        if field.column and field.attname in recorded
    }


def _is_counted(model: Model) -> bool:
    return isinstance(_historical(model)._meta.pk, models.AutoField | models.IntegerField)


def _author_field(model: Model) -> Any:
    """Return the field with the key of the project's user; users of another model have keys of their own."""
    found = {field.attname: field for field in _historical(model)._meta.concrete_fields}
    field = found.get("history_user_id")
    is_other = field and field.remote_field and field.related_model is not get_user_model()
    return None if is_other else field


def _author(model: Model) -> Any:
    field = _author_field(model)
    return sql.SQL("NULL") if field is None else _as_text(field)


def _details(model: Model) -> Any:
    """Return what else a record says, as JSON: the fields that a project has added, and a user of another model than its own."""
    own = {field.attname for field in model._meta.concrete_fields} | _ORDINARY
    fields = [
        field
        for field in _historical(model)._meta.concrete_fields
        if field.attname not in own and field is not _author_field(model)
    ]
    if not fields:
        return sql.SQL("NULL")
    pairs = _listed(
        sql.SQL("{}::text, {}").format(sql.Literal(field.attname), _as_text(field))
        for field in fields
    )
    return sql.SQL("nullif(jsonb_strip_nulls(jsonb_build_object({})), '{{}}')").format(pairs)


def _as_text(field: models.Field[Any, Any]) -> Any:
    # As its type writes it: a cast to text may be a function of anybody's.
    return sql.SQL("CASE WHEN num_nulls({0}) = 0 THEN format('%%s', {0}) END").format(
        sql.Identifier("h", field.column)
    )


def _listed(parts: Iterable[Any]) -> Any:
    return sql.SQL(", ").join(list(parts))
