"""The registry of a database: the tables that it tracks or did, and whether what captures their changes is in order."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from audittrail.capture import schemas


@dataclass(frozen=True)
class RegistryEntry:
    """A row of the registry: a table that the database tracks, or did."""

    id: int
    relation: int
    schema: str
    table: str
    history: str
    baseline_complete: bool
    since_at: Any
    until_at: Any
    exists: bool
    in_step: bool
    faults: list[str]
    #: Since when its history is kept, if it has been pruned.
    kept_since: Any
    #: Whether another table has its name by now.
    replaced: bool
    #: The subscriptions by which rows come, for which PostgreSQL runs no statement triggers.
    subscriptions: list[str]


@dataclass(frozen=True)
class Progress:
    """How far work on a table has come: rows or versions looked at, and an estimate of all of them."""

    table: str
    rows: int
    estimate: int
    complete: bool


def registry(connection: BaseDatabaseWrapper, names: Collection[str] = ()) -> list[RegistryEntry]:
    """Return the tables that the database tracks or did, by name; if names are given, only those that they mean."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT t.id, t.relation::bigint, t.schema_name, t.table_name, t.history_name, t.baseline_complete, t.since_at, t.until_at,"
            " c.oid IS NOT NULL,"
            " c.oid IS NOT NULL AND audittrail.fingerprint(t.relation, t.history_name) = t.fingerprint"
            "   AND NOT audittrail.has_stale_functions(t),"
            " CASE WHEN c.oid IS NULL THEN '{}' ELSE"
            "   ARRAY(SELECT format('%%s trigger %%s on %%s', f.fault, lower(f.event), f.target::regclass)"
            "           FROM audittrail.faulty_triggers(t) f"
            "          UNION ALL SELECT 'no primary key' WHERE audittrail.key_columns(c.oid) = '{}' ORDER BY 1) END,"
            " CASE WHEN t.kept_from > t.since_version THEN t.kept_since END, audittrail.is_replaced(t),"
            " ARRAY(SELECT s.subname::text FROM pg_subscription_rel r JOIN pg_subscription s ON s.oid = r.srsubid"
            "        WHERE r.srrelid = t.relation OR r.srrelid IN (SELECT audittrail.descendants(t.relation)) ORDER BY 1)"
            " FROM audittrail.tracked_table r CROSS JOIN LATERAL audittrail.tied(r) t LEFT JOIN pg_class c ON c.oid = t.relation"
            " ORDER BY t.schema_name, t.table_name, t.id",
            [],
        )
        found = [RegistryEntry(*row) for row in cursor.fetchall()]
    if not names:
        return found
    chosen, _ = schemas.meant(connection, names, {(it.schema, it.table) for it in found})
    return [it for it in found if (it.schema, it.table) in chosen]
