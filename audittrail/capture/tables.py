"""The tables to track, as settings and registrations want them, and the names of their history tables."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import md5

from django.db import models, router
from django.db.backends.utils import strip_quotes

from audittrail.capture import tracking

#: How a model's `db_table` names a schema, since Django puts quotes around the whole.
SCHEMA_TRICK = '"."'

#: A history table's name leaves room for the suffixes of its functions within PostgreSQL's 63 bytes.
HISTORY_NAME_BYTES = 54

#: What the name of a column of history that has made room for another keeps of its former name (`audittrail.retired_prefix`).
RETIRED_NAME_BYTES = 50

_RETIRED = re.compile(r"(.*)_until_\d+", re.DOTALL)


@dataclass(frozen=True)
class TrackedTable:
    """A table to track, as the settings want it: `exclude`, `ignore` and `index` are columns, `mask` names of fields."""

    model: type[models.Model]
    table: str
    history: str
    exclude: tuple[str, ...]
    mask: tuple[str, ...]
    ignore: tuple[str, ...]
    index: tuple[tuple[str, ...], ...]


def tracked_tables(using: str) -> list[TrackedTable]:
    """Return the tables to track in one database: those that the routers place there, each once."""
    seen: dict[str, TrackedTable] = {}
    for model in tracking.tracked_models():
        if router.allow_migrate_model(using, model) and model._meta.db_table not in seen:
            seen[model._meta.db_table] = describe(model)
    return list(seen.values())


def describe(model: type[models.Model]) -> TrackedTable:
    """Return a model's table as it is to be tracked."""
    options = tracking.options_of(model)
    return TrackedTable(
        model=model,
        table=model._meta.db_table,
        history=history_name(model._meta.db_table),
        exclude=tuple(tracking.column_of(model, name, "exclude") for name in options.exclude),
        mask=options.mask,
        ignore=tuple(tracking.column_of(model, name, "ignore") for name in options.ignore),
        index=_index_columns(model, options),
    )


def _index_columns(
    model: type[models.Model], options: tracking.Options
) -> tuple[tuple[str, ...], ...]:
    """Return the columns of each index that the history table is to have beside that on the primary key."""
    if options.index is not None:
        return tuple(
            tuple(tracking.column_of(model, name, "index") for name in names)
            for names in options.index
        )
    return tuple(
        (field.column,)
        for field in model._meta.local_concrete_fields
        if isinstance(field, models.ForeignKey)
        and (field.db_index or field.unique)  # type: ignore[attr-defined]
        and not field.primary_key
        and field.name not in options.exclude
    )


def has_made_room(name: str, columns: Iterable[str]) -> bool:
    """Return whether a column of a history table has made room for one of some others, or for other values of it."""
    found = _RETIRED.fullmatch(name)
    return found is not None and any(
        found[1] == column.encode()[:RETIRED_NAME_BYTES].decode(errors="ignore")
        for column in columns
    )


def history_name(table: str) -> str:
    """Return the name of a table's history table within the schema `audittrail`.

    A name that would be too long is shortened and made unique by a digest.
    """
    name = strip_quotes(table).replace(SCHEMA_TRICK, "_").replace('""', '"')
    full = f"{name}_history"
    if len(full.encode()) <= HISTORY_NAME_BYTES:
        return full
    digest = md5(table.encode(), usedforsecurity=False).hexdigest()[:8]
    suffix = f"_{digest}_history"
    short = name.encode()[: HISTORY_NAME_BYTES - len(suffix)].decode(errors="ignore")
    return short + suffix
