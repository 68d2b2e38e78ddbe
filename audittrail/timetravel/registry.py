"""What this process knows of the tracked tables, and how it notices that they have changed.

The queries for the past of a table are made by the database from its registry of tracked tables, and kept by the process. A
deployment, a migration or `manage.py audittrail sync` may change them at any time. So a statement carries, for each table that
it reads, what was known of it, and PostgreSQL compares that with the registry while it plans the statement. If it is outdated,
the tables are looked up again and the statement is sent once more. Within a transaction, where an error would end it, the tables
are looked up once, before their first use.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from django.apps import apps
from django.db import DatabaseError

from audittrail import conf
from audittrail.capture import schemas, tracking
from audittrail.timetravel import tables, views
from audittrail.timetravel.past_query import PastQuery
from audittrail.timetravel.scope import Scope
from audittrail.timetravel.tables import PastTable

#: SQLSTATE of a statement that was made with outdated knowledge (`audittrail.reads_as_before`).
OUTDATED: Final = "AT001"

#: SQLSTATEs of undefined columns and tables, and of types that don't fit.
_NOT_FOUND: Final = ("42703", "42P01", "42804", "42883")

#: Names that are not tracked tables are remembered as well. When there are more than this, all are forgotten.
_KEPT: Final = 10_000

#: A name is that of a table as the session finds it; one of a scope may have the schema in front of it.
_FIND: Final = (
    "SELECT n.name, t.id, CASE WHEN f.id IS NOT NULL THEN quote_ident(n.name) END, audittrail.reading(t),"
    " t.closed_through, t.tail_from, t.kept_from"
    " FROM unnest(%s::text[]) n (name)"
    " CROSS JOIN LATERAL audittrail.tracked_as(quote_ident(n.name)) f"
    " JOIN audittrail.tracked_table t ON t.id = coalesce(f.id,"
    " (SELECT max(q.id) FROM audittrail.tracked_table q WHERE q.schema_name || '.' || q.table_name = n.name))"
)


@dataclass
class RegisteredTable:
    """A tracked table: its number in the registry, what was read about it, and the queries for its rows."""

    id: int
    #: Its name as a session finds it by the search_path, for SQL; None if its schema was named.
    name: str | None
    read: str
    table: PastTable
    scopes: dict[str, PastQuery] = field(default_factory=dict)

    @property
    def progress(self) -> tuple[int, ...]:
        """How far the table is closed, and pruned."""
        return (*self.table.closing, self.table.kept_from)

    def check(self, tick: int) -> str:
        """Return the SQL condition that fails if the table has changed since, is closed less far where it is read, or pruned further.

        It fails as well where the session means another table by the name.
        """
        through, tail, _ = self.progress
        name = "NULL" if self.name is None else "'" + self.name.replace("'", "''") + "'"
        return f"audittrail.reads_as_before({self.id}, '{self.read}', {through}, {tail}, {tick}, {name})"

    def query_of(self, scope: Scope, live: Any, tick: int) -> str:
        """Return the query for the rows of a scope as of a tick."""
        if scope.kind not in self.scopes:
            with live.cursor() as cursor:
                cursor.execute(
                    "SELECT audittrail.past_query(t, %s) FROM audittrail.tracked_table t WHERE t.id = %s",
                    [scope.kind, self.id],
                )
                self.scopes[scope.kind] = PastQuery(*cursor.fetchone())
        tail = self.table.closing[1]
        return self.scopes[scope.kind].filled(tick=tick, tail=tail, revision=scope.revision)


@dataclass
class Transaction:
    """What was looked up in a transaction: tables by place and name, and ticks that are settled for it."""

    mark: object
    generation: int
    seen: dict[tuple[str, str], RegisteredTable | None] = field(default_factory=dict)
    ticks: set[int] = field(default_factory=set)


#: By database and place (`schemas.place_of`): what its names mean.
_known: dict[tuple[str, str, str], dict[str, RegisteredTable | None]] = {}
_generation = 0


def transaction_of(live: Any) -> Transaction | None:
    """Return what the present transaction of a connection has looked up; None outside of any."""
    if not live.in_atomic_block:
        return None
    # Django makes a new list of commit hooks for each transaction, and after a savepoint's rollback.
    found: Transaction | None = live.__dict__.get("audittrail_transaction")
    if found is None or found.mark is not live.run_on_commit or found.generation != _generation:
        found = live.audittrail_transaction = Transaction(live.run_on_commit, _generation)
    return found


def lookup(
    live: Any, names: frozenset[str], tick: int = 0, verify: bool = False
) -> dict[str, RegisteredTable]:
    """Return which of the names are tables that are or were tracked in the database of a connection.

    Takes the tick as of which they are to be read. With `verify` the database is asked, whatever is known already.
    """
    settings = live.settings_dict
    place = schemas.place_of(live)
    known = _known.setdefault((live.alias, f"{settings['NAME']}@{settings['HOST']}", place), {})
    if (transaction := transaction_of(live)) is not None:
        # The snapshot of this transaction may be older than what others have looked up meanwhile, so it looks for itself.
        seen = transaction.seen
        if unsure := frozenset(name for name in names if (place, name) not in seen):
            seen |= {(place, name): found for name, found in _load(live, known, unsure).items()}
        return {name: found for name in names if (found := seen[place, name]) is not None}
    unsure = names if verify else frozenset(name for name in names if _is_unsure(known, name, tick))
    found_now = _load(live, known, unsure) if unsure else {}
    return {
        name: found
        for name in names
        if (found := found_now[name] if name in found_now else known.get(name)) is not None
    }


def _is_unsure(known: dict[str, RegisteredTable | None], name: str, tick: int) -> bool:
    if name not in known:
        return True
    found = known[name]
    return found is not None and found.table.may_be_behind(tick)


def _load(
    live: Any, known: dict[str, RegisteredTable | None], names: frozenset[str]
) -> dict[str, RegisteredTable | None]:
    if len(known) > _KEPT:
        known.clear()
    with live.cursor() as cursor:
        cursor.execute(_FIND, [sorted(names)])
        found = {name: row for name, *row in cursor.fetchall()}
        changed = {
            name
            for name, (number, _, read, *progress) in found.items()
            if (old := known.get(name)) is None
            or (old.id, old.read, old.progress) != (number, read, tuple(progress))
        }
        loaded = tables.load(cursor, [found[name][0] for name in changed]) if changed else {}
    result: dict[str, RegisteredTable | None] = dict.fromkeys(names)
    for name, (number, called, read, *_) in found.items():
        if name in changed:
            result[name] = RegisteredTable(number, called, read, loaded[number])
        elif (same := known[name]) is not None:
            result[name] = same
            same.table.renew()
    known.update(result)
    return result


def may_be_read_live(name: str) -> bool:
    """Return whether an untracked table may be read as it is now: one of `AUDITTRAIL_READ_LIVE`."""
    patterns = conf.read_live()
    return any(
        tracking.matches(model, pattern)
        for model in apps.get_models(include_auto_created=True)
        if model._meta.db_table == name
        for pattern in patterns
    )


def forget(**kwargs: Any) -> None:
    """Look every table up again; for whatever changes tracking in this process, also as a receiver of a signal."""
    global _generation
    _known.clear()
    schemas.forget()
    views.forget()
    _generation += 1


def is_outdated(error: DatabaseError) -> bool:
    """Return whether a statement failed because a table has changed since it was looked up."""
    return _code(error) == OUTDATED


def may_be_outdated(error: DatabaseError) -> bool:
    """Return whether a statement may have failed for that reason: its columns and tables are looked for before it is planned."""
    return _code(error) in (OUTDATED, *_NOT_FOUND)


def _code(error: DatabaseError) -> str | None:
    cause = error.__cause__
    return getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
