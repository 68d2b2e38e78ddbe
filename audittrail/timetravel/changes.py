"""What a revision changed, and what is no longer there, as querysets of the ordinary models."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.db import connections, models
from django.db.models.expressions import RawSQL

from audittrail.capture import tracking
from audittrail.exceptions import NotTrackedError
from audittrail.revisions.models import BaseRevision
from audittrail.timetravel.moment import Moment, live_alias, resolve
from audittrail.timetravel.query import Scope, past_queryset

#: The annotation that tells how a row was changed, an `Operation`.
OPERATION = "history_operation"


def changed_objects(revision: BaseRevision, model: type[models.Model]) -> Any:
    """Return the objects of a model that a revision changed, each annotated with its `history_operation`.

    Inserted and updated ones are as the revision left them, deleted ones as they last were; a row that was
    both inserted and deleted counts as deleted. What they are joined with is as the revision left it.

    Raises `NotTrackedError` if the model is not tracked, `MomentError` if the revision is still open.
    """
    moment = resolve(revision)
    query = _one(moment, model, "audittrail.changed_query(t, %s)", [revision.pk])
    return _annotated(past_queryset(model, moment, Scope(model._meta.db_table, query)), model)


def changed_models(revision: BaseRevision) -> list[type[models.Model]]:
    """Return the tracked models of whose tables a revision changed rows, with one query."""
    using = live_alias(revision._state.db)
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT audittrail.changed_tables(%s)", [revision.pk])
        tables = {table for (table,) in cursor.fetchall()}
    return [
        model
        for model in apps.get_models(include_auto_created=True)
        if model._meta.db_table in tables and not model._meta.proxy and tracking.is_tracked(model)
    ]


def deleted_objects(model: type[models.Model], moment: Moment) -> Any:
    """Return the objects of a model that were deleted before or at a moment and not there then, as they last were.

    Each is annotated with its `history_operation`, and with the `history_revision` that deleted it.

    Raises `NotTrackedError` if the model is not tracked.
    """
    query = _one(moment, model, "audittrail.deleted_query(t)", [])
    query = query.replace("{tick}", str(moment.tick))
    queryset = _annotated(past_queryset(model, moment, Scope(model._meta.db_table, query)), model)
    column = f'"{model._meta.db_table}"."audittrail_revision"'
    return queryset.annotate(
        history_revision=RawSQL(column, [], output_field=models.BigIntegerField())
    )


def _annotated(queryset: Any, model: type[models.Model]) -> Any:
    column = f'"{model._meta.db_table}"."audittrail_operation"'
    return queryset.annotate(
        **{OPERATION: RawSQL(column, [], output_field=models.CharField(max_length=1))}
    )


def _one(moment: Moment, model: type[models.Model], expression: str, params: list[Any]) -> str:
    table = connections[moment.using].ops.quote_name(model._meta.db_table)
    with connections[moment.using].cursor() as cursor:
        cursor.execute(
            f"SELECT {expression} FROM audittrail.tracked_table t WHERE t.relation = to_regclass(%s)::oid"
            " AND t.until_version IS NULL",
            [*params, table],
        )
        row = cursor.fetchone()
    if row is None:
        raise NotTrackedError(
            f"{model._meta.label} is not tracked in database {moment.using!r}, so it has no history there."
        )
    return str(row[0])
