"""What roles other than the owner may do: nothing, until they are granted the right to read."""

from typing import Final

from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.psycopg_any import sql

from audittrail.exceptions import ConfigurationError, EditingError, NotInstalledError

#: SQLSTATE insufficient_privilege.
INSUFFICIENT_PRIVILEGE: Final = "42501"


def lacking(connection: BaseDatabaseWrapper, error: DatabaseError) -> str:
    """Return what to say and do where PostgreSQL has told the present role that it lacks a right."""
    problem = str(error).partition("\n")[0]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_user, nspowner::regrole::text FROM pg_catalog.pg_namespace WHERE nspname = 'audittrail'"
        )
        role, owner = cursor.fetchone()
    return (
        f"Role {role!r} lacks a right ({problem}). To let it read history, run manage.py audittrail grant {role} --apply as role {owner!r}; "
        "the tables themselves it reads by rights of its own."
    )


def reading_grants(connection: BaseDatabaseWrapper, role: str) -> list[str]:
    """Return the statements that let a role read history, present and future; writing history is granted to nobody.

    A role needs nothing to have its own writes recorded: the capture functions run with their owner's rights.

    Raises `ConfigurationError` if there is no such role.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %s)", [role])
        if not cursor.fetchone()[0]:
            raise ConfigurationError(f"There is no role {role!r} on this server; create it first.")
        name = sql.Identifier(role)
        return [
            sql.SQL(statement).format(name).as_string(cursor.cursor)
            for statement in (
                "GRANT USAGE ON SCHEMA audittrail TO {}",
                "GRANT SELECT ON ALL TABLES IN SCHEMA audittrail TO {}",
                "GRANT SELECT ON ALL SEQUENCES IN SCHEMA audittrail TO {}",
                "ALTER DEFAULT PRIVILEGES IN SCHEMA audittrail GRANT SELECT ON TABLES TO {}",
            )
        ]


def require_owner(connection: BaseDatabaseWrapper) -> None:
    """Raise `EditingError` unless the present role owns history, since nobody else may correct it; `NotInstalledError` without history."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_user, nspowner::regrole::text, pg_has_role(nspowner, 'USAGE')"
            " FROM pg_catalog.pg_namespace WHERE nspname = 'audittrail'"
        )
        row = cursor.fetchone()
    if row is None:
        raise NotInstalledError(
            f"Database {connection.alias!r} does not hold audittrail's tables; run manage.py migrate --database {connection.alias}."
        )
    role, owner, is_owner = row
    if not is_owner:
        raise EditingError(
            f"Role {role!r} may not correct history, which belongs to role {owner!r}: "
            "connect as that one, or as a member of it."
        )
