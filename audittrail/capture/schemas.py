"""Which tables a connection means by their names: a table is its schema and its name, and a project may keep a schema for each tenant.

django-tenants gives its connections the attribute `schema_name`, django-pgschemas keeps the tenant in a context variable; both set
`search_path` by it. Other projects set `search_path` in `OPTIONS`, or by hand. Where all tables are in one schema nothing of this
is asked.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable
from typing import Any, Final

from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model

from audittrail.capture import tracking
from audittrail.capture.tables import SCHEMA_TRICK, history_name

#: What `search_path` is where nobody has set it.
_ORDINARY: Final = ('"$user", public', "")

#: The schema that tenants share.
SHARED: Final = "public"

#: The history tables of the models' tables, for a database and a `place`.
_histories: dict[tuple[str, str, str], dict[str, str]] = {}


def tenant_of(connection: BaseDatabaseWrapper) -> str | None:
    """Return the schema of the tenant that a connection of django-tenants or django-pgschemas is set to; None for other connections."""
    # Whoever has a connection of django-pgschemas has imported the module of its class.
    backend = sys.modules.get("django_pgschemas.postgresql.base")
    if backend and isinstance(connections[connection.alias], backend.DatabaseWrapper):
        return str(backend.get_current_schema().schema_name)
    found: str | None = getattr(connection, "schema_name", None)
    return found


def tenant_having(model: type[Model]) -> str | None:
    """Return the schema of the present tenant, if it has the table of a model for itself; None where all tenants share that."""
    alias = router.db_for_read(model)
    tenant = tenant_of(connections[alias])
    if tenant is None or tenant == SHARED or not router.allow_migrate_model(alias, model):
        return None
    return tenant


def place_of(connection: Any) -> str:
    """Return what decides in which schemas a connection looks for tables, "" where that is as PostgreSQL has it without a setting.

    PostgreSQL tells a connection its `search_path` from version 18 on. Before that it is known of tenants, and from `OPTIONS`.
    """
    if (tenant := tenant_of(connection)) is not None:
        return f"{tenant} {getattr(connection, 'include_public_schema', True)}"
    session = connection.connection
    path = None if session is None else session.info.parameter_status("search_path")
    if path is not None:
        return "" if path in _ORDINARY else str(path)
    options = str(connection.settings_dict["OPTIONS"].get("options", ""))
    return options if "search_path" in options else ""


def holds_history(alias: str) -> bool:
    """Return whether a database may hold history, by its routers; that of all tenants is in one schema, whatever tenant is asked."""
    return tenant_of(connections[alias]) is not None or router.allow_migrate(alias, "audittrail")


def named(connection: BaseDatabaseWrapper, table: str) -> str:
    """Return a table's name for SQL: with the schema of the tenant, if it has to be there and in no other."""
    quoted = connection.ops.quote_name(table)
    tenant = tenant_of(connection)
    return (
        quoted
        if tenant is None or SCHEMA_TRICK in quoted
        else f"{connection.ops.quote_name(tenant)}.{quoted}"
    )


def meant(
    connection: BaseDatabaseWrapper, names: Collection[str], tables: Iterable[tuple[str, str]]
) -> tuple[set[tuple[str, str]], list[str]]:
    """Return which of some tables, each a schema and a name, are meant by names, and the names that mean none of them.

    A name may be given with a schema, as in `north.patients_patient`. Without, it means the table that the connection finds, as in
    a statement; where that is not among the tables, all that have the name.
    """
    known = set(tables)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT u.name, s.nspname FROM unnest(%s::text[]) u (name)"
            " LEFT JOIN pg_class c ON c.oid = to_regclass(quote_ident(u.name)) LEFT JOIN pg_namespace s ON s.oid = c.relnamespace",
            [list(names)],
        )
        found = dict(cursor.fetchall())
    chosen: set[tuple[str, str]] = set()
    unknown = []
    for name in names:
        own = (
            {table for table in known if ".".join(table) == name}
            or known & {(found.get(name), name)}
            or {table for table in known if table[1] == name}
        )
        chosen |= own
        if not own:
            unknown.append(name)
    return chosen, sorted(unknown)


def wanted_history(connection: BaseDatabaseWrapper, table: str) -> str:
    """Return the name that the history table of a table is to have: with the schema of the tenant, if there is one."""
    tenant = tenant_of(connection)
    if tenant is None or tenant == SHARED or SCHEMA_TRICK in table:
        return history_name(table)
    return history_name(f"{tenant}.{table}")


def history_of(connection: Any, table: str) -> str:
    """Return the name of the history table of a table of a model, as a connection finds it now."""
    live = getattr(connection, "live", connection)
    place = place_of(live)
    if not place:
        return history_name(table)
    known = _histories.setdefault((live.alias, str(live.settings_dict["NAME"]), place), {})
    if table not in known:
        known.update(_load(live, table))
    return known.get(table, wanted_history(live, table))


def history_in(context: Any, table: str) -> str:
    """Return the same for the connection of a driver's cursor."""
    alias = getattr(context, "audittrail_alias", None) or getattr(
        getattr(context, "connection", None), "audittrail_alias", None
    )
    return history_name(table) if alias is None else history_of(connections[alias], table)


def _load(live: Any, table: str) -> dict[str, str]:
    """Return the history tables of a table and of all models: who asks for one will ask for others."""
    names = sorted({table, *(model._meta.db_table for model in tracking.candidates())})
    with live.cursor() as cursor:
        cursor.execute(
            "SELECT n.name, t.history_name FROM unnest(%s::text[], %s::text[]) n (name, quoted)"
            " CROSS JOIN LATERAL audittrail.tracked_as(n.quoted) t WHERE t.id IS NOT NULL",
            [names, [live.ops.quote_name(name) for name in names]],
        )
        return dict(cursor.fetchall())


def forget() -> None:
    """Look every history table up again."""
    _histories.clear()
