"""Compare the server code of a database (functions, triggers, tables, rights, settings) with what this release installs.

What it has to be is not listed anywhere: the released files are run under another name, in a transaction that is rolled back, and
what they make is read from the catalogs.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.psycopg_any import sql

from audittrail.capture import install

SCHEMA: Final = "audittrail"

#: The table that is tracked under the other name, to see what tracking makes.
SAMPLE: Final = "sample"


@dataclass(frozen=True)
class Code:
    """What is in a schema of ours: definitions by name, and triggers by table."""

    functions: Mapping[str, Mapping[str, Any]]
    tables: Mapping[str, Mapping[str, Any]]
    triggers: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Deviation:
    """Something of the server code that is not as it was installed."""

    what: str
    problem: str
    #: Which parts of it differ.
    details: tuple[str, ...] = field(default=())
    #: Whether it concerns the tracking of one table, so that `sync` tells of it and puts it right.
    is_tracking: bool = False

    def __str__(self) -> str:
        """Return it as a sentence."""
        return f"{self.what} {self.problem}" + (
            f": {', '.join(self.details)}" if self.details else ""
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
        cursor.execute("SET LOCAL search_path = pg_catalog, pg_temp")
        found = list(_compared(cursor, _expected[key]))
        transaction.set_rollback(
            True, using=connection.alias
        )  # of that setting, in a transaction of the caller
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
        cursor.execute("SET LOCAL search_path = pg_catalog, pg_temp")
        code = _read(cursor, name)
        transaction.set_rollback(True, using=connection.alias)
    return code


def _read(cursor: Any, schema: str) -> Code:
    """Return what is in a schema, spelled as if it were ours."""
    functions: dict[str, dict[str, Any]] = {}
    cursor.execute(_FUNCTIONS, [schema])
    columns = [column[0] for column in cursor.description]
    for row in cursor.fetchall():
        entry = {name: _spelled(value, schema) for name, value in zip(columns, row, strict=True)}
        functions[entry.pop("name")] = entry
    tables: dict[str, dict[str, Any]] = {}
    cursor.execute(_TABLES, [schema])
    columns = [column[0] for column in cursor.description]
    for row in cursor.fetchall():
        entry = {name: _spelled(value, schema) for name, value in zip(columns, row, strict=True)}
        tables[entry.pop("name")] = entry
    triggers: dict[str, dict[str, Any]] = {}
    cursor.execute(_TRIGGERS, [schema, schema])
    for table, name, *definition in cursor.fetchall():
        spelled = [_spelled(value, schema) for value in definition]
        triggers.setdefault(_spelled(table, schema), {})[_spelled(name, schema)] = spelled
    return Code(functions, tables, triggers)


def _spelled(value: Any, schema: str) -> Any:
    if isinstance(value, str):
        return value.replace(schema, SCHEMA)
    if isinstance(value, list):
        return [_spelled(part, schema) for part in value]
    return value


def _compared(cursor: Any, expected: Code) -> Iterator[Deviation]:
    found = _read(cursor, SCHEMA)
    cursor.execute(
        "SELECT t.history_name, c.relnamespace::regnamespace || '.' || c.relname, t.until_version IS NULL AND c.oid IS NOT NULL,"
        " EXISTS (SELECT FROM audittrail.ledger_layout l WHERE l.table_id = t.id)"
        " FROM audittrail.tracked_table t LEFT JOIN pg_class c ON c.oid = audittrail.tied_relation(t)"
    )
    tracked = {history: tuple(rest) for history, *rest in cursor.fetchall()}
    cursor.execute("SELECT EXISTS (SELECT FROM audittrail.ledger)")
    begun = bool(cursor.fetchone()[0])
    yield from _functions(cursor, found, expected, tracked)
    yield from _tables(found, expected, tracked)
    yield from _triggers(found, expected, tracked, begun=begun)
    cursor.execute(_SETTINGS)
    for (setting,) in cursor.fetchall():
        yield Deviation(
            f"The setting {setting}", "is given to every session, and turns what we do off"
        )


def _functions(
    cursor: Any, found: Code, expected: Code, tracked: Mapping[str, Any]
) -> Iterator[Deviation]:
    samples = {f"{SAMPLE}_history_{event}()": event for event in _EVENTS}
    wanted: dict[str, Mapping[str, Any]] = {
        name: entry for name, entry in expected.functions.items() if name not in samples
    }
    # In step with the table, a capture function is what would be generated for it today.
    cursor.execute(_GENERATED)
    for history, event, body in cursor.fetchall():
        sample = expected.functions[f"{SAMPLE}_history_{event}()"]
        wanted[f"{_quoted(cursor, history, event)}()"] = {**sample, "body": body}
    for name, entry in wanted.items():
        present = found.functions.get(name)
        if present is None:
            is_tracking = name not in expected.functions
            yield Deviation(f"Function {SCHEMA}.{name}", "is missing", (), is_tracking)
            continue
        # A table that is out of step has functions that are to be made anew, which `status` says.
        different = tuple(
            part for part in entry if entry[part] is not None and entry[part] != present[part]
        )
        if different:
            yield Deviation(f"Function {SCHEMA}.{name}", "is not as it was installed", different)
    for name in sorted(found.functions.keys() - wanted.keys()):
        yield Deviation(f"Function {SCHEMA}.{name}", "was added")


def _quoted(cursor: Any, history: str, event: str) -> str:
    cursor.execute("SELECT quote_ident(%s)", [f"{history}_{event}"])
    return str(cursor.fetchone()[0])


def _tables(found: Code, expected: Code, tracked: Mapping[str, Any]) -> Iterator[Deviation]:
    for name, entry in found.tables.items():
        history = name in tracked
        if not history and name not in expected.tables:
            continue
        wanted = expected.tables[f"{SAMPLE}_history" if history else name]
        parts = [part for part in wanted if not (history and part == "columns")]
        different = tuple(part for part in parts if entry[part] != wanted[part])
        if different:
            yield Deviation(f"Table {SCHEMA}.{name}", "is not as it was installed", different)
    for name in [*expected.tables, *tracked]:
        if name not in found.tables and not name.startswith(f"{SAMPLE}_") and name != SAMPLE:
            yield Deviation(f"Table {SCHEMA}.{name}", "is missing")


def _triggers(
    found: Code, expected: Code, tracked: Mapping[str, Any], *, begun: bool
) -> Iterator[Deviation]:
    sample, sample_history = f"{SCHEMA}.{SAMPLE}", f"{SCHEMA}.{SAMPLE}_history"
    wanted = {
        table: _begun(triggers, begun)
        for table, triggers in expected.triggers.items()
        if table not in (sample, sample_history)
    }
    for history, (live, exists, entered) in tracked.items():
        wanted[f"{SCHEMA}.{history}"] = _begun(expected.triggers[sample_history], entered)
        if exists:
            wanted[live] = {
                name: [_named(part, f"{SAMPLE}_history", history) for part in definition]
                for name, definition in expected.triggers[sample].items()
            }
    for table, triggers in wanted.items():
        there = found.triggers.get(table, {})
        for name, definition in triggers.items():
            is_tracking = not table.startswith(f"{SCHEMA}.")
            if name not in there:
                yield Deviation(f"Trigger {name} on {table}", "is missing", (), is_tracking)
            elif there[name][0] != definition[0]:
                yield Deviation(f"Trigger {name} on {table}", "is disabled", (), is_tracking)
            elif there[name] != definition:
                yield Deviation(f"Trigger {name} on {table}", "is not as it was installed")
        if table.startswith(f"{SCHEMA}."):
            for name in sorted(there.keys() - triggers.keys()):
                yield Deviation(f"Trigger {name} on {table}", "was added")
    for table in sorted(found.triggers.keys() - wanted.keys()):
        if table.startswith(f"{SCHEMA}."):
            for name in found.triggers[table]:
                yield Deviation(f"Trigger {name} on {table}", "was added")


def _begun(triggers: Mapping[str, Any], begun: bool) -> dict[str, Any]:
    return {name: t for name, t in triggers.items() if begun or not name.startswith("ledger_")}


def _named(part: Any, sample: str, history: str) -> Any:
    return part.replace(sample, history) if isinstance(part, str) else part


_EVENTS: Final = ("insert", "update", "delete", "truncate")

_OWNERS: Final = "CASE WHEN a.grantee = {owner} THEN 'owner' WHEN a.grantee = 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END"

_FUNCTIONS: Final = f"""
SELECT quote_ident(p.proname) || '(' || pg_get_function_identity_arguments(p.oid) || ')' AS name, p.prosrc AS body, l.lanname::text AS language,
       pg_get_function_arguments(p.oid) AS arguments, pg_get_function_result(p.oid) AS result, p.prokind::text AS kind,
       p.prosecdef AS "rights of its owner", p.provolatile::text AS volatility, p.proparallel::text AS parallel, p.proisstrict AS strict,
       p.proconfig::text[] AS settings, p.proowner = n.nspowner AS owner,
       ARRAY(SELECT {_OWNERS.format(owner="p.proowner")} || ' ' || a.privilege_type
               FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a ORDER BY 1) AS "who may call it"
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
 WHERE n.nspname = %s
"""

_TABLES: Final = f"""
SELECT c.relname::text AS name, c.relkind::text AS kind, c.relpersistence::text AS persistence, c.relrowsecurity OR c.relforcerowsecurity AS "row security",
       c.relowner = n.nspowner AS owner, ARRAY(SELECT r.rulename::text FROM pg_rewrite r WHERE r.ev_class = c.oid) AS rules,
       EXISTS (SELECT FROM pg_inherits i WHERE c.oid IN (i.inhrelid, i.inhparent)) AS inheritance,
       ARRAY(SELECT {_OWNERS.format(owner="c.relowner")} || ' ' || a.privilege_type
               FROM aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a
              WHERE a.grantee <> c.relowner AND a.privilege_type <> 'SELECT' ORDER BY 1) AS "who may write",
       ARRAY(SELECT a.attname || ' ' || CASE WHEN a.attname = 'committed_by' THEN '' ELSE format_type(a.atttypid, a.atttypmod) END
                    || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END || coalesce(' ' || pg_get_expr(d.adbin, d.adrelid), '') || a.attidentity::text || a.attgenerated::text
               FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS columns
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = %s AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
"""

_TRIGGERS: Final = """
SELECT n.nspname || '.' || c.relname, t.tgname::text,
       CASE WHEN t.tgenabled IN ('O', 'A') THEN 'enabled' ELSE 'disabled' END, t.tgtype::int, p.pronamespace::regnamespace || '.' || p.proname, t.tgdeferrable, t.tginitdeferred,
       t.tgoldtable::text, t.tgnewtable::text, t.tgattr::text, encode(t.tgargs, 'hex'),
       substring(pg_get_triggerdef(t.oid) FROM ' WHEN \\((.*)\\) EXECUTE FUNCTION')
  FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_proc p ON p.oid = t.tgfoid
 WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND (n.nspname = %s OR p.pronamespace = to_regnamespace(%s))
"""

_GENERATED: Final = """
SELECT t.history_name, lower(e.event),
       CASE WHEN c.oid IS NOT NULL AND t.relation = audittrail.tied_relation(t) AND audittrail.fingerprint(t.relation, t.history_name) = t.fingerprint
            THEN audittrail.capture_function(t, e.event) END
  FROM audittrail.tracked_table t CROSS JOIN unnest('{INSERT,UPDATE,DELETE,TRUNCATE}'::text[]) e (event) LEFT JOIN pg_class c ON c.oid = t.relation
 WHERE t.until_version IS NULL
"""

_SETTINGS: Final = """
SELECT setting FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) setting
 WHERE (s.setdatabase = 0 OR s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()))
   AND (setting LIKE 'audittrail.%' OR setting LIKE 'session_replication_role=%' AND setting NOT IN ('session_replication_role=origin', 'session_replication_role=local'))
"""
