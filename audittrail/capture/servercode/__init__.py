"""Compare the server code of a database (functions, triggers, tables, rights, settings) with what this release installs.

What it has to be is not listed anywhere: the released files are run under another name, in a transaction that is rolled back, and
what they make is read from the catalogs.
"""

from __future__ import annotations

import secrets

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.psycopg_any import sql

from audittrail.capture import install
from audittrail.capture.servercode.catalogs import PINNED, SAMPLE, SCHEMA, Code, read
from audittrail.capture.servercode.comparing import Deviation, compared

__all__ = ["Deviation", "deviations"]

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
        cursor.execute(
            "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on'"
            " OR NOT has_database_privilege(current_database(), 'CREATE'), current_setting('server_version_num')::int"
        )
        blind, version = cursor.fetchone()
        key = (version, install.source_stamp())
        if key not in _expected:
            if blind:
                return [
                    Deviation(
                        "The server code",
                        "can't be compared here: that needs the right to create a schema for a moment",
                    )
                ]
            _expected[key] = _make(connection)
        cursor.execute(PINNED)
        found = list(compared(cursor, _expected[key]))
        transaction.set_rollback(
            True, using=connection.alias
        )  # of these settings, in a transaction of the caller
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
        cursor.execute(PINNED)
        code = read(cursor, name)
        transaction.set_rollback(True, using=connection.alias)
    return code
