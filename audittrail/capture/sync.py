"""Keep a database in step with what is to be tracked: begin, follow and end the tracking of its tables."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.postgresql.psycopg_any import sql

from audittrail import conf
from audittrail.capture import install, schemas, tracking
from audittrail.capture.locking import patiently
from audittrail.capture.registry import RegistryEntry, registry
from audittrail.capture.tables import TrackedTable, tracked_tables
from audittrail.exceptions import LockedError, NotInstalledError

#: What stands for the table in a change that puts the clock of history right.
CLOCK = "audittrail.clock"

#: How often a table that is locked by others is tried before we give up.
LOCK_ATTEMPTS = 5


@dataclass(frozen=True)
class TrackingChange:
    """What was done, or is to be done, to one table: 'created', 'changed', 'ended', or 'skipped' with a reason.

    `arguments` are those of `audittrail.track()`, but for the last, if the table is to be tracked; `recorded` is what is to end.
    """

    table: str
    action: str
    detail: str = ""
    arguments: list[Any] | None = field(default=None, repr=False)
    recorded: RegistryEntry | None = field(default=None, repr=False)


def sync(
    using: str = DEFAULT_DB_ALIAS,
    *,
    report: Callable[[TrackingChange], None] = lambda change: None,
    reinstall: bool = False,
) -> list[TrackingChange]:
    """Bring the tracking of a database in step with settings, registrations and schema.

    Takes a database alias, a function that is told each change as it is made, and whether our functions are to be installed again
    where they seem to be those of this release already. Each table is dealt with in a
    transaction of its own and locked for as short a time as that takes. Returns the changes.

    Raises `NotInstalledError` without audittrail's tables as this release has them, and `LockedError` that names the tables that stay locked by others, when
    all that can be done is done.
    """
    connection = connections[using]
    if not install.is_installed(connection):
        raise NotInstalledError(
            f"Database {using!r} does not hold audittrail's tables; run manage.py migrate --database {using}."
        )
    with install.of_this_release(connection):
        return _sync(connection, report, reinstall=reinstall)


def _sync(
    connection: BaseDatabaseWrapper, report: Callable[[TrackingChange], None], *, reinstall: bool
) -> list[TrackingChange]:
    changes: list[TrackingChange] = []

    def note(change: TrackingChange) -> None:
        changes.append(change)
        report(change)

    if install.install_functions(connection, again=reinstall):
        note(TrackingChange("audittrail", "changed", "functions of this release"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT audittrail.note_files()")
        cursor.execute("SELECT audittrail.release_types()")
    locked: list[LockedError] = []
    for change in pending(connection):
        if change.action == "skipped":
            note(change)
            continue
        try:
            note(carry_out(connection, change))
        except LockedError as error:
            locked.append(error)
    if locked:
        raise LockedError(
            f"{' '.join(map(str, locked))} Everything else is in step; run manage.py audittrail sync again at a quieter time, or raise "
            "AUDITTRAIL_LOCK_TIMEOUT."
        )
    return changes


def pending(connection: BaseDatabaseWrapper) -> Iterator[TrackingChange]:
    """Yield what `sync` would do to each table, and to the clock if it is behind, without doing it."""
    if lag := clock_lag(connection):
        yield TrackingChange(CLOCK, "changed", f"the clock of history is {lag} ticks behind")
    wanted = tracked_tables(connection.alias)
    names = {table.table for table in wanted}
    unwanted = {model._meta.db_table for model in tracking.candidates()} - names
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT s.state, s.detail FROM jsonb_array_elements(%s::jsonb) WITH ORDINALITY w (t, position)"
            " CROSS JOIN LATERAL audittrail.tracking_state(to_regclass(w.t ->> 0),"
            " ARRAY(SELECT jsonb_array_elements_text(w.t -> 1)),"
            " ARRAY(SELECT jsonb_array_elements_text(w.t -> 2)), w.t ->> 3) s ORDER BY w.position",
            [json.dumps([_arguments(connection, table) for table in wanted])],
        )
        states = cursor.fetchall()
    for table, (state, detail) in zip(wanted, states, strict=True):
        if state != "unchanged":
            arguments = _arguments(connection, table)
            yield TrackingChange(table.table, state, detail, arguments=arguments)
    # Tables that were restored from a dump have other oids than the registry says.
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT t.id FROM audittrail.tracked_table r CROSS JOIN LATERAL audittrail.tied(r) t LEFT JOIN pg_class c ON c.oid = t.relation"
            " WHERE t.until_version IS NULL AND (c.oid IS NULL OR"
            " t.relation IN (SELECT to_regclass(name)::oid FROM unnest(%s::text[]) u (name)))",
            [[schemas.named(connection, name) for name in sorted(unwanted)]],
        )
        ended = {number for (number,) in cursor.fetchall()}
    for recorded in registry(connection) if ended else ():
        if recorded.id in ended:
            detail = "no longer to be tracked" if recorded.exists else "the table was dropped"
            yield TrackingChange(recorded.table, "ended", detail, recorded=recorded)
    yield from _tracked_by_sql(connection, sorted(names | unwanted))


def clock_lag(connection: BaseDatabaseWrapper) -> int:
    """Return by how many ticks the clock of history is behind what it has given already, 0 if it is not."""
    with connection.cursor() as cursor:
        # An earlier release may be installed, which does not have this function.
        cursor.execute("SELECT to_regprocedure('audittrail.clock_lag()') IS NOT NULL")
        if cursor.fetchone() == (False,):
            return 0
        cursor.execute("SELECT audittrail.clock_lag()")
        return int(cursor.fetchone()[0])


def _tracked_by_sql(connection: BaseDatabaseWrapper, tables: list[str]) -> Iterator[TrackingChange]:
    """Yield what is to be done to tracked tables other than the models', which somebody has tracked with `audittrail.track()`."""
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH model AS MATERIALIZED ("
            "   SELECT to_regclass(name)::oid AS oid FROM unnest(%s::text[]) u (name) WHERE to_regclass(name) IS NOT NULL)"
            " SELECT c.relname, format('%%I.%%I', n.nspname, c.relname), t.excluded, t.ignored, s.state, s.detail"
            "   FROM audittrail.tracked_table t"
            "   JOIN pg_class c ON c.oid = CASE WHEN t.relation IN (SELECT oid FROM model) THEN t.relation ELSE audittrail.tied_relation(t) END"
            "   JOIN pg_namespace n ON n.oid = c.relnamespace"
            "  CROSS JOIN LATERAL audittrail.tracking_state(c.oid, t.excluded, t.ignored, NULL) s"
            "  WHERE t.until_version IS NULL AND n.nspname = coalesce(%s, n.nspname) AND c.oid NOT IN (SELECT oid FROM model) AND s.state <> 'unchanged'"
            "  ORDER BY n.nspname, c.relname",
            [
                [schemas.named(connection, name) for name in tables],
                schemas.tenant_of(connection),
            ],
        )
        for table, qualified, excluded, ignored, state, detail in cursor.fetchall():
            arguments = [qualified, excluded, ignored, None]
            yield TrackingChange(table, state, detail, arguments=arguments)


def _arguments(connection: BaseDatabaseWrapper, table: TrackedTable) -> list[Any]:
    return [
        schemas.named(connection, table.table),
        list(table.exclude),
        list(table.ignore),
        schemas.wanted_history(connection, table.table),
    ]


def announce(connection: BaseDatabaseWrapper) -> None:
    """Tell a database, before its schema changes, which columns to come are not to be stored.

    Does nothing where audittrail isn't installed yet or is of another release; `sync` follows after the change.
    """
    if (
        install.is_installed(connection)
        and install.has_functions(connection)
        and install.functions_are_current(connection)
    ):
        with connection.cursor() as cursor:
            cursor.execute("SELECT audittrail.note_files()")
        for change in pending(connection):
            if change.action == "changed":
                carry_out(connection, change)


def carry_out(connection: BaseDatabaseWrapper, change: TrackingChange) -> TrackingChange:
    """Carry out one change in a transaction of its own, trying again while others hold the table's lock."""

    def work(cursor: Any) -> TrackingChange:
        if change.table == CLOCK:
            cursor.execute("SELECT audittrail.advance_clock()")
            return change
        if change.recorded is not None:
            cursor.execute("SELECT audittrail.untrack(%s)", [change.recorded.id])
            return change
        assert change.arguments is not None
        cursor.execute(
            "SELECT audittrail.track(%s::regclass, %s::text[], %s::text[], %s, %s)",
            [*change.arguments, conf.baseline_limit()],
        )
        return replace(change, action=cursor.fetchone()[0])

    return patiently(
        connection,
        work,
        timeout=conf.lock_timeout(),
        attempts=LOCK_ATTEMPTS,
        refusal=f"Table {change.table!r} stayed locked by other transactions; its tracking was not changed.",
    )


def statements(connection: BaseDatabaseWrapper) -> Iterator[str]:
    """Yield the SQL that `sync` would run, for a DBA to read and to run in psql."""
    if not install.functions_are_current(connection):
        for file in install.function_files():
            yield file.read_text()
        yield install.finishing_sql()
    if not install.has_functions(connection):
        return
    with connection.cursor() as cursor:
        for change in pending(connection):
            if change.action == "skipped":
                yield f"-- {change.table}: {change.detail}"
            elif change.table == CLOCK:
                yield f"SELECT audittrail.advance_clock();  -- {change.detail}"
            elif change.recorded is not None:
                yield f"SELECT audittrail.untrack({change.recorded.id});  -- {change.table}"
            else:
                assert change.arguments is not None
                call = sql.SQL("SELECT audittrail.track({}::regclass, {}, {}, {}, {});").format(
                    *map(sql.Literal, [*change.arguments, conf.baseline_limit()])
                )
                yield call.as_string(cursor.cursor)
