"""Which tables can take part in an import, and why the others can't."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from audittrail.capture import schemas
from audittrail.importing.sources import ImportSource, Model
from audittrail.revisions.wording import counted, spelled


@dataclass(frozen=True)
class Tracked:
    """A tracked table: its number in the registry, the names of its columns in history, since when, and what stands in the way."""

    id: int
    stored: dict[str, str]
    began: datetime
    obstacle: str | None


@dataclass(frozen=True)
class Together:
    """Models whose records concern the same tables, as those of models that inherit from each other do, and these."""

    models: tuple[Model, ...]
    tables: tuple[Model, ...]

    def __str__(self) -> str:
        """Return the names of the models."""
        return ", ".join(model._meta.label for model in self.models)


def together(recorded: Collection[Model], wanted: Collection[Model]) -> list[Together]:
    """Return the recorded models, in groups that can only be imported as a whole; of those that are wanted, or of all if none are."""
    groups: list[tuple[set[Model], set[Model]]] = []
    for model in recorded:
        models, tables = {model}, set(tables_of(model))
        apart = []
        for other in groups:
            if other[1] & tables:
                models, tables = models | other[0], tables | other[1]
            else:
                apart.append(other)
        groups = [*apart, (models, tables)]
    return [
        Together(tuple(sorted(models, key=_label)), tuple(sorted(tables, key=_label)))
        for models, tables in groups
        if not wanted or models & set(wanted)
    ]


def tables_of(model: Model) -> list[Model]:
    """Return the models of whose tables an object has rows: its own, and those that it inherits from."""
    return [model, *model._meta.get_parent_list()]


def _label(model: Model) -> str:
    return model._meta.label


def registered(connection: BaseDatabaseWrapper, tables: Collection[Model]) -> dict[Model, Tracked]:
    """Return what the registry says of the tables of models; those are missing that are not tracked."""
    names = {schemas.history_of(connection, model._meta.db_table): model for model in tables}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT t.history_name, t.id, coalesce((SELECT r.committed_at FROM audittrail.revision r WHERE r.id = t.since_revision), t.since_at),"
            " audittrail.import_obstacle(t), (SELECT array_agg(c ->> 'name') FROM jsonb_array_elements(t.columns) c WHERE c ->> 'history' IS NOT NULL),"
            " (SELECT array_agg(c ->> 'history') FROM jsonb_array_elements(t.columns) c WHERE c ->> 'history' IS NOT NULL)"
            " FROM audittrail.tracked_table t WHERE t.history_name = ANY (%s)",
            [list(names)],
        )
        return {
            names[history]: Tracked(
                number, dict(zip(columns, stored, strict=True)), began, obstacle
            )
            for history, number, began, obstacle, columns, stored in cursor.fetchall()
        }


def obstacles(
    cursor: Any,
    source: ImportSource,
    group: Together,
    known: dict[Model, Tracked],
    before: datetime,
    *,
    incomplete: bool,
) -> Iterator[str]:
    """Yield why nothing of a group can be imported: each reason alone is enough."""
    for table in group.tables:
        name = table._meta.db_table
        if table not in known:
            yield f"{name} is not tracked"
        elif (obstacle := known[table].obstacle) is not None:
            yield f"of {name}, {obstacle}"
        elif not incomplete and (missing := unrecorded(source, group, table, known[table])):
            yield (
                f"it has not recorded {name}.{f', {name}.'.join(missing)}: with --incomplete, versions come along in which "
                "these are empty"
            )
    began = max((known[table].began for table in group.tables if table in known), default=before)
    for model in group.models:
        if began > before and (late := source.count(cursor, model, before, began)):
            yield (
                f"{counted(late, 'record')} of {model._meta.label} from between {spelled(before)}, when the history of this database began, and "
                f"{spelled(began)}, when that of its table did, would have to stand among what is recorded already"
            )


def unrecorded(source: ImportSource, group: Together, table: Model, known: Tracked) -> list[str]:
    """Return the columns of a table that history stores and not every record of it has."""
    models = [model for model in group.models if table in tables_of(model)]
    return sorted(
        set(known.stored)
        - frozenset.intersection(*(source.known_columns(model, table) for model in models))
    )
