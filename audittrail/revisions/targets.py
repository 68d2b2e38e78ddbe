"""Whose history is meant: a model, objects, querysets or versions, turned into rows of history tables by their keys."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, connections, models, router

from audittrail.capture import schemas
from audittrail.capture.tracking import concrete
from audittrail.exceptions import EditingError, NotTrackedError
from audittrail.revisions.models import BaseRevision
from audittrail.revisions.stored_fields import OWN_COLUMNS
from audittrail.revisions.versions import Version
from audittrail.revisions.wording import counted, named


@dataclass(frozen=True)
class Target:
    """Rows of a model, or of a table that has none any more: their keys, each a tuple, or None for all rows."""

    using: str
    model: type[models.Model] | None
    table: str
    keys: tuple[tuple[Any, ...], ...] | None

    @property
    def is_revisions(self) -> bool:
        """Whether revisions themselves are meant."""
        return self.model is not None and issubclass(self.model, BaseRevision)


def target_of(target: Any, pks: Iterable[Any] | None, using: str | None) -> Target:
    """Return which rows are meant.

    Takes a model, an object of it, several objects, a queryset of the present or the past, versions or a queryset of them (the
    rows that they are versions of), or as a string the label of a model or the name of a tracked table; primary keys with a
    model or a string; and the database, by default that of the objects.

    Raises `EditingError` for anything else, and for objects of several models or databases.
    """
    if isinstance(target, str):
        model = _model_of(target)
        if model is None:
            keys = _tuples(pks, 0)
            return Target(
                using or DEFAULT_DB_ALIAS, None, target, None if keys is None else tuple(keys)
            )
        target = model
    if isinstance(target, type) and issubclass(target, models.Model):
        return _of_model(target, pks, using)
    if pks is not None:
        raise EditingError(
            f"pks is given beside {named(target)}, which says already which rows are meant; give it with a model or the name of a table only."
        )
    if isinstance(target, models.Model):
        target = [target]
    if isinstance(target, models.QuerySet):
        return _of_queryset(target, using)
    objects = list(target) if isinstance(target, Iterable) else [target]
    if not objects or not all(isinstance(found, models.Model) for found in objects):
        raise EditingError(
            f"{named(target)} does not say whose history is meant; give a model, objects of one, or a queryset."
        )
    kinds = {type(found) for found in objects}
    databases = {found._state.db for found in objects} if using is None else {using}
    if len(kinds) > 1 or len(databases) > 1:
        found_in = sorted(
            f"{kind._meta.label} in {database!r}" for kind in kinds for database in databases
        )
        raise EditingError(
            f"The objects are not all of one model and one database ({', '.join(found_in)}); name those of each by themselves."
        )
    (model,), (database,) = kinds, databases
    names = _key_names(model)
    rows = (tuple(getattr(found, name) for name in names) for found in objects)
    return _target(model, database or router.db_for_write(model), rows)


def _of_queryset(queryset: models.QuerySet[Any], using: str | None) -> Target:
    if using is not None:
        queryset = queryset.using(using)
    if not queryset.query.is_sliced:
        queryset = queryset.order_by()
    keys: Any = queryset.values_list(*_key_names(queryset.model))
    return _target(queryset.model, queryset.db, dict.fromkeys(tuple(key) for key in keys))


def _model_of(name: str) -> type[models.Model] | None:
    try:
        return apps.get_model(name)
    except (LookupError, ValueError):
        return None


def _of_model(model: type[models.Model], pks: Iterable[Any] | None, using: str | None) -> Target:
    return _target(model, using or router.db_for_write(model), _tuples(pks, len(_key_names(model))))


def _tuples(pks: Iterable[Any] | None, width: int) -> list[tuple[Any, ...]] | None:
    if pks is None:
        return None
    if isinstance(pks, str | bytes) or not isinstance(pks, Iterable):
        raise EditingError(f"pks is {pks!r}; give a list of primary keys.")
    keys = [tuple(pk) if isinstance(pk, tuple | list) else (pk,) for pk in pks]
    if wrong := [key for key in keys if width and len(key) != width]:
        raise EditingError(
            f"pks holds {wrong[0]!r}, but a primary key here has {counted(width, 'value')}; give a tuple of so many."
        )
    return keys


def _target(
    model: type[models.Model], alias: str, keys: Iterable[tuple[Any, ...]] | None
) -> Target:
    if issubclass(model, Version):
        model = model.tracked_model
    model = concrete(model)
    # A connection to the past knows the present one.
    present = getattr(connections[alias], "live", connections[alias])
    return Target(present.alias, model, model._meta.db_table, None if keys is None else tuple(keys))


def _key_names(model: type[models.Model]) -> Sequence[str]:
    if issubclass(model, Version):
        return model.key_names
    return [field.attname for field in concrete(model)._meta.pk_fields]


@dataclass(frozen=True)
class HistoryOf:
    """The history of a table as the registry has it: `columns` are those of the history table but for our own."""

    id: int
    table: str
    history: str
    key: tuple[str, ...]
    columns: frozenset[str]
    computed: frozenset[str]


_HISTORY: Final = (
    "SELECT t.id, t.table_name, t.history_name, t.key,"
    " ARRAY(SELECT a.attname::text FROM pg_attribute a"
    " WHERE a.attrelid = to_regclass(format('audittrail.%%I', t.history_name))"
    " AND a.attnum > 0 AND NOT a.attisdropped AND a.attname <> ALL (%s)),"
    " ARRAY(SELECT a.attname::text FROM pg_attribute a"
    " WHERE a.attrelid = audittrail.tied_relation(t) AND a.attgenerated <> '' AND a.attnum > 0)"
    " FROM audittrail.tracked_table t WHERE t.history_name = %s ORDER BY t.id DESC LIMIT 1"
)


def history_of(using: str, model: type[models.Model] | None, table: str) -> HistoryOf:
    """Return the history of a model's table, or of the last table of a name that was tracked; tracking may have ended.

    Raises `NotTrackedError` if there is none.
    """
    connection = connections[using]
    with connection.cursor() as cursor:
        if model is not None:
            name = schemas.history_of(connection, table)
        else:
            name = _history_named(using, table, cursor)
        cursor.execute(_HISTORY, [list(OWN_COLUMNS), name])
        row = cursor.fetchone()
    if row is None or not row[4]:
        raise NotTrackedError(
            f"Database {using!r} has no history of {table if model is None else model._meta.label!r}; "
            "manage.py audittrail status lists the tables that it tracks or did."
        )
    number, name, history, key, columns, computed = row
    return HistoryOf(number, name, history, tuple(key), frozenset(columns), frozenset(computed))


def _history_named(using: str, name: str, cursor: Any) -> str:
    """Return the history table of the last table that a name means, or of that name itself; raise `EditingError` if several are meant."""
    cursor.execute(
        "SELECT schema_name, table_name, history_name FROM audittrail.tracked_table ORDER BY id"
    )
    histories = {(schema, table): history for schema, table, history in cursor.fetchall()}
    if name in histories.values():
        return name
    found, _ = schemas.meant(connections[using], [name], histories)
    if len(found) > 1:
        raise EditingError(
            f"Database {using!r} has tables named {name!r} in several schemas; give one of {', '.join(sorted(map('.'.join, found)))}."
        )
    return next((histories[table] for table in found), name)
