"""What a revision changed, and what is no longer there, as querysets of the ordinary models."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, Final

from django.apps import apps
from django.db import connections, models
from django.db.models.expressions import Col

from audittrail.capture import tracking
from audittrail.revisions.models import BaseRevision
from audittrail.timetravel.moment import Moment, live_alias, resolve
from audittrail.timetravel.queryset import scoped_queryset
from audittrail.timetravel.scope import CHANGED, DELETED, Scope

#: The annotation that tells how a row was changed, an `Operation`.
OPERATION: Final = "history_operation"

#: The annotation that tells which revision deleted a row, by its number.
REVISION: Final = "history_revision"

#: The annotation that tells with which version a row was deleted: its tick, by which parts of a long history are found fast.
VERSION: Final = "history_version"


def changed_objects(revision: BaseRevision, model: type[models.Model]) -> Any:
    """Return the objects of a model that a revision changed, each annotated with its `history_operation`.

    Inserted and updated ones are as the revision left them, deleted ones as they last were; a row that was
    both inserted and deleted counts as deleted. What they are joined with is as the revision left it.

    Raises `MomentError` if the revision is still open, and `TimeTravelError` on evaluation if the database does not track the model.
    """
    queryset = scoped_queryset(model, resolve(revision), Scope(CHANGED, revision.pk))
    return _annotated(queryset, {OPERATION: models.CharField(max_length=1)})


class ChangedObjects:
    """The objects of all models that a revision changed: iterate over them, or ask for those of one model.

    Which models they are takes one query, when that is first asked, and the objects of each model one more.
    """

    def __init__(self, revision: BaseRevision) -> None:
        self.revision = revision

    def __repr__(self) -> str:
        """Return whose changes these are."""
        return f"<Objects that revision {self.revision.pk} changed>"

    def __iter__(self) -> Iterator[Any]:
        """Yield each object, model by model in the order of their keys, annotated with its `history_operation`."""
        for model in self.models:
            yield from self[model].order_by("pk")

    def __bool__(self) -> bool:
        """Return whether the revision changed anything that still has a model and a history."""
        return bool(self.models)

    def __getitem__(self, model: type[models.Model]) -> Any:
        """Return the objects of one model as a queryset, which is empty if the revision changed none.

        Raises `NotTrackedError` if the model is not tracked.
        """
        return changed_objects(self.revision, model)

    def items(self) -> Iterator[tuple[type[models.Model], Any]]:
        """Yield each model with the queryset of its objects."""
        for model in self.models:
            yield model, self[model]

    @cached_property
    def models(self) -> tuple[type[models.Model], ...]:
        """The models of which the revision changed objects."""
        return tuple(changed_models(self.revision))


def deleted_objects(model: type[models.Model], moment: Moment, *, follows: bool = False) -> Any:
    """Return the objects of a model that were deleted before or at a moment and not there then, as they last were.

    Each is annotated with its `history_operation`, and with the `history_revision` and `history_version` that deleted it. What they
    are joined with is as of the moment; with `follows`, what their foreign keys lead to is as it last was, there or not.
    """
    annotations: dict[str, models.Field[Any, Any]] = {
        OPERATION: models.CharField(max_length=1),
        REVISION: models.BigIntegerField(),
        VERSION: models.BigIntegerField(),
    }
    return _annotated(scoped_queryset(model, moment, Scope(DELETED, follows=follows)), annotations)


def changed_models(revision: BaseRevision) -> list[type[models.Model]]:
    """Return the tracked models of whose tables a revision changed rows, with one query."""
    connection = connections[live_alias(revision._state.db or "default")]
    candidates = {
        connection.ops.quote_name(model._meta.db_table): model
        for model in apps.get_models(include_auto_created=True)
        if not model._meta.proxy and tracking.is_tracked(model)
    }
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name FROM unnest(%s::text[]) name"
            " WHERE to_regclass(name)::oid IN (SELECT audittrail.changed_relations(%s))",
            [list(candidates), revision.pk],
        )
        found = {name for (name,) in cursor.fetchall()}
    return [model for name, model in candidates.items() if name in found]


def _annotated(queryset: Any, annotations: dict[str, models.Field[Any, Any]]) -> Any:
    """Annotate a scoped queryset with columns that its query has beside those of the table."""
    table = queryset.query.get_initial_alias()
    columns = {}
    for name, field in annotations.items():
        field.column = name.replace("history", "audittrail", 1)
        columns[name] = Col(table, field)
    return queryset.annotate(**columns)
