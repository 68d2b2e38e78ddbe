"""Put audittrail's schema and functions into a database, and tell whether they are there and current."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from django.db import ProgrammingError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from audittrail.capture.locking import sqlstate
from audittrail.exceptions import NotInstalledError

SQL_DIRECTORY = Path(__file__).parent / "sql"
FROZEN_DIRECTORY = Path(__file__).parent.parent / "migrations" / "sql"
MINIMUM_VERSION = 140000


@cache
def function_files() -> tuple[Path, ...]:
    """Return the files with our functions, in the order in which they are run."""
    return tuple(sorted(SQL_DIRECTORY.glob("*.sql")))


@cache
def frozen_files() -> tuple[Path, ...]:
    """Return the files with our tables, in the order in which they are run."""
    return tuple(sorted(FROZEN_DIRECTORY.glob("*.sql")))


@cache
def source_stamp() -> str:
    """Return a digest of the functions' source, which the database carries as a comment."""
    digest = sha256()
    for file in function_files():
        digest.update(file.read_bytes())
    return f"audittrail functions {digest.hexdigest()[:16]}"


def is_supported(connection: BaseDatabaseWrapper) -> bool:
    """Return whether a database is a PostgreSQL that audittrail can work with."""
    return connection.vendor == "postgresql"


def is_installed(connection: BaseDatabaseWrapper) -> bool:
    """Return whether the database holds audittrail's tables, which a role sees that may not use them."""
    if not is_supported(connection):
        return False
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = 'audittrail' AND c.relname = 'tracked_table')"
        )
        return bool(cursor.fetchone()[0])


@dataclass(frozen=True)
class Obstacle:
    """Why audittrail can't be put into a database, or looked after by the present role, and what to do."""

    problem: str
    remedy: str
    #: Whether recording works nevertheless, because another role has installed it.
    installed: bool = False

    def __str__(self) -> str:
        """Return problem and remedy as sentences."""
        return f"{self.problem}. {self.remedy}"


def obstacle(connection: BaseDatabaseWrapper) -> Obstacle | None:
    """Return what stands in the way of installing and keeping up audittrail in a PostgreSQL database, or None."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('server_version_num')::int, current_setting('server_version'),"
            " has_database_privilege(current_database(), 'CREATE'), current_user, current_database(),"
            " n.nspowner::regrole::text, pg_has_role(n.nspowner, 'USAGE')"
            " FROM (VALUES ('audittrail')) name (name) LEFT JOIN pg_namespace n ON n.nspname = name.name"
        )
        number, version, may_create, role, database, owner, is_owner = cursor.fetchone()
    if number < MINIMUM_VERSION:
        return Obstacle(
            f"PostgreSQL {version} is too old for audittrail",
            "Upgrade the server to 14 or later.",
        )
    if owner is None and not may_create:
        return Obstacle(
            f"Role {role!r} may not create the schema audittrail",
            f'As the owner of the database, run GRANT CREATE ON DATABASE "{database}" TO "{role}".',
        )
    if owner is not None and not is_owner:
        return Obstacle(
            f"Role {role!r} does not own the schema audittrail, and so can't keep up tracking",
            f"Run migrate, check and manage.py audittrail as role {owner!r}, or make {role!r} a member of it.",
            installed=True,
        )
    return None


def raise_if_impossible(connection: BaseDatabaseWrapper, *, to_read: bool = False) -> None:
    """Raise `NotInstalledError` with the reason if the present role can't put audittrail into a database, or keep it up.

    With `to_read` it need not be able to where another role has installed it.
    """
    found = obstacle(connection) if is_supported(connection) else None
    if found and not (to_read and found.installed):
        raise NotInstalledError(f"Database {connection.alias!r}: {found}")


def has_functions(connection: BaseDatabaseWrapper) -> bool:
    """Return whether the database holds our functions, of whichever release."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regprocedure('audittrail.next_version()') IS NOT NULL")
        return bool(cursor.fetchone()[0])


def functions_are_current(connection: BaseDatabaseWrapper) -> bool:
    """Return whether the database holds the functions of this release."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT obj_description(to_regprocedure('audittrail.next_version()'), 'pg_proc')"
        )
        return bool(cursor.fetchone()[0] == source_stamp())


def install_tables(connection: BaseDatabaseWrapper, user_key_type: str) -> None:
    """Create audittrail's schema and tables, as far as they are not there yet.

    Takes the SQL type of the user model's key, which `revision.committed_by` gets.

    Raises `NotInstalledError` if the server is too old or the role may not create a schema.
    """
    if not is_supported(connection):
        return
    if is_installed(connection):
        install_later_tables(connection)
        return
    raise_if_impossible(connection)
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        for file in frozen_files():
            cursor.execute(file.read_text())
        if user_key_type != "bigint":
            cursor.execute(
                "ALTER TABLE audittrail.revision ALTER COLUMN committed_by"
                f" TYPE {user_key_type} USING NULL"
            )


#: SQLSTATE of what names something that another release has not: undefined_function, _column, _table and _object.
UNDEFINED = frozenset({"42883", "42703", "42P01", "42704"})


def _later_files(connection: BaseDatabaseWrapper) -> list[Path]:
    """Return the files with what tables the database holds, or their columns, lack by now."""
    with connection.cursor() as cursor:
        cursor.execute(
            # Of the catalogs, which any role may read: names are looked up only in schemas that one may use.
            "WITH held AS (SELECT c.relname, a.attname FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid"
            " JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid WHERE n.nspname = 'audittrail')"
            " SELECT NOT EXISTS (SELECT FROM held WHERE relname = 'ledger'),"
            " NOT EXISTS (SELECT FROM held WHERE relname = 'digest' AND attname = 'differed_at'),"
            " NOT EXISTS (SELECT FROM held WHERE relname = 'tracked_table' AND attname = 'files')"
        )
        lacking = cursor.fetchone()
    names = ("0002_ledger.sql", "0004_differed.sql", "0005_files.sql")
    return [FROZEN_DIRECTORY / name for name, lacks in zip(names, lacking, strict=True) if lacks]


def install_later_tables(connection: BaseDatabaseWrapper) -> None:
    """Create the tables of the ledger, if they are not there yet, and what tables lack by now."""
    for file in _later_files(connection):
        with connection.cursor() as cursor:
            cursor.execute(file.read_text())


@contextmanager
def of_this_release(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Raise `NotInstalledError` where a `with` block can't be carried out because tables or functions are those of another release."""
    problem = (
        f"Database {connection.alias!r} holds the tables or functions of another release of audittrail; "
        f"run manage.py migrate --database {connection.alias}."
    )
    if _later_files(connection):
        raise NotInstalledError(problem)
    try:
        yield
    except ProgrammingError as error:
        if sqlstate(error) in UNDEFINED and not functions_are_current(connection):
            raise NotInstalledError(problem) from error
        raise


def install_functions(connection: BaseDatabaseWrapper, *, again: bool = False) -> bool:
    """Create or replace audittrail's functions, unless this release's are there; return whether it did.

    With `again` whatever is there: somebody may have replaced one of them.
    """
    if not again and functions_are_current(connection):
        return False
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute("SET LOCAL client_min_messages = warning")
        for file in function_files():
            cursor.execute(file.read_text())
        cursor.execute(finishing_sql())
    return True


def finishing_sql() -> str:
    """Return the SQL that ends an installation: the release is noted."""
    return (
        f"COMMENT ON FUNCTION audittrail.next_version() IS '{source_stamp()}';\n"
        # Capture functions that this release would generate just as they are stay.
        "UPDATE audittrail.tracked_table t SET functions = audittrail.functions_digest(t.history_name)"
        " WHERE t.until_version IS NULL AND EXISTS (SELECT FROM pg_catalog.pg_class WHERE oid = t.relation)"
        " AND NOT audittrail.has_stale_functions(t);\n"
        "SELECT audittrail.note_files();"
    )
