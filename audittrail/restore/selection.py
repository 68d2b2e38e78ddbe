"""The keys of the rows that a past queryset selects, put where the database can join them."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connections

from audittrail.exceptions import RestoreError
from audittrail.restore.catalog import LiveTable
from audittrail.restore.staging import Staging
from audittrail.restore.statements import composed, listed, run


def require_rows(queryset: Any, call: str) -> None:
    """Raise `RestoreError` for a queryset that does not select whole objects by its filters alone."""
    query = queryset.query
    if query.is_sliced:
        problem, remedy = "was sliced", "filter by primary keys: .filter(pk__in=[...])"
    elif query.combinator:
        problem, remedy = f"is a {query.combinator}", "restore each part by itself"
    elif queryset._fields is not None:
        problem, remedy = "gives values", f"call {call}() before values()"
    else:
        return
    raise RestoreError(
        f"{call}() was called on a queryset that {problem}; it needs whole objects, so {remedy}. Nothing was changed."
    )


def select_keys(staging: Staging, table: LiveTable, queryset: Any) -> str:
    """Put the primary keys of a past queryset's objects into a temporary table, and return its name."""
    name = staging.keys(table)
    if not queryset.query.distinct_fields:
        queryset = queryset.order_by()
    past: Any = connections[queryset.moment.alias]
    try:
        sql, params = queryset.values_list("pk").query.get_compiler(past.alias).as_sql()
    except EmptyResultSet:
        return name
    columns = [f"audittrail_{number}" for number, _ in enumerate(table.key)]
    head = composed("INSERT INTO {name} SELECT DISTINCT * FROM (", name=name).as_string(
        staging.cursor.cursor
    )
    text = past.to_past(sql, staging.cursor.cursor, bool(params))
    tail = composed(") k ({columns})", columns=listed(columns)).as_string(staging.cursor.cursor)
    staging.cursor.execute(head + text + tail, params or None)
    run(staging.cursor, "ANALYZE {name}", name=name)
    return name
