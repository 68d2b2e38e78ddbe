"""Compare the server code of a database (functions, triggers, tables, rights, settings) with what this release installs.

What it has to be is not listed anywhere: the released files are run under another name, in a transaction that is rolled back, and
what they make is read from the catalogs.
"""

from __future__ import annotations

import re
import secrets
from typing import Final

from django.db import DatabaseError, OperationalError, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.psycopg_any import sql

from audittrail.capture import install
from audittrail.capture.access import INSUFFICIENT_PRIVILEGE
from audittrail.capture.locking import sqlstate
from audittrail.capture.servercode.catalogs import PINNED, SAMPLE, SCHEMA, Code, read
from audittrail.capture.servercode.comparing import Deviation, compared

__all__ = ["Deviation", "deviations"]

#: Names and bodies of the functions in our files.
_RELEASED: Final = re.compile(
    r"^CREATE (?:OR REPLACE )?FUNCTION audittrail\.(\w+)\((?:(?!^CREATE ).)*?\bAS (?:\$\$(.*?)\$\$|'([^']*)')",
    re.MULTILINE | re.DOTALL,
)

_expected: dict[tuple[int, str], Code] = {}


def deviations(connection: BaseDatabaseWrapper) -> list[Deviation]:
    """Return what is not as this release has installed it: replaced, disabled, missing, added, or granted to others.

    Where the functions of another release are installed there is nothing to compare, which is what it says.
    """
    if not install.functions_are_current(connection):
        return [
            Deviation(
                "The server code",
                "is that of another release, or was marked so; run manage.py audittrail sync",
            )
        ]
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        # So that neither our queries nor what is made here for comparison finds functions and operators that somebody has put on the path.
        cursor.execute(PINNED)
        cursor.execute(
            "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on'"
            " OR NOT has_database_privilege(current_database(), 'CREATE'), current_setting('server_version_num')::int"
        )
        blind, version = cursor.fetchone()
        found = _looked(connection, (version, install.source_stamp()), blind=blind)
        # Inside a transaction of the caller's, the settings have to go too.
        transaction.set_rollback(True, using=connection.alias)
    return found


def _looked(
    connection: BaseDatabaseWrapper, key: tuple[int, str], *, blind: bool
) -> list[Deviation]:
    if key not in _expected:
        if blind:
            problem = "can't be compared here: that needs the right to create a schema for a moment"
            return [Deviation("The server code", problem, is_blind=True)]
        made = _make(connection)
        if unlike := _unlike_released(made):
            return unlike
        _expected[key] = made
    return _compared(connection, _expected[key])


def _compared(connection: BaseDatabaseWrapper, expected: Code) -> list[Deviation]:
    """Return what differs; a registry or functions by which it can't even be worked out are told of as well.

    Raises `DatabaseError` where nothing could be compared for another reason.
    """
    found: list[Deviation] = []
    try:
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            found.extend(compared(cursor, expected))
    except DatabaseError as error:
        # These say nothing of the server code: timeouts, locks, lost connections, exhausted resources, a transaction to be tried again, and
        # rights that the reader lacks.
        if isinstance(error, OperationalError) or sqlstate(error) == INSUFFICIENT_PRIVILEGE:
            raise
        problem = str(error).partition("\n")[0]
        found.append(Deviation("The server code", f"can't be compared: {problem}"))
    return found


def _make(connection: BaseDatabaseWrapper) -> Code:
    """Install the release under another name, read what that has made, and take it back."""
    name = f"a{secrets.token_hex(6)}t"
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute("SET LOCAL client_min_messages = warning")
        for file in (*install.frozen_files(), *install.function_files()):
            cursor.execute(file.read_text().replace(SCHEMA, name))
        named = {"schema": sql.Identifier(name), "live": sql.Literal(f"{name}.{SAMPLE}")}
        for statement in (
            "CREATE TABLE {schema}.sample (id bigint PRIMARY KEY)",
            "SELECT {schema}.track({live}), {schema}.begin_ledger()",
            "SELECT {schema}.create_ledger_triggers(({live} || '_history')::regclass)",
        ):
            cursor.execute(sql.SQL(statement).format(**named).as_string(cursor.cursor))
        code = read(cursor, name)
        transaction.set_rollback(True, using=connection.alias)
    return code


def _unlike_released(code: Code) -> list[Deviation]:
    """Return the functions whose bodies are not, once installed, as they stand in the files: an event trigger may change them."""
    released = {
        name: body or quoted
        for file in install.function_files()
        for name, body, quoted in _RELEASED.findall(file.read_text())
    }
    return [
        Deviation(
            f"Function {SCHEMA}.{name}",
            "comes out otherwise than released when it is installed here",
        )
        for name, entry in code.functions.items()
        if not name.startswith(f"{SAMPLE}_")
        and entry["body"] != released.get(name.partition("(")[0])
    ]
