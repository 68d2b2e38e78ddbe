"""A connection that reads a database as of a moment: the session of the present one, with every SELECT turned to the past.

PostgreSQL takes an unqualified table name for a CTE of that name first, and Django never qualifies names. So each statement
gets a WITH clause that defines the tracked tables that it reads as they were.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, NoReturn

from django.apps import apps
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorDebugWrapper, CursorWrapper

from audittrail import conf
from audittrail.capture import tracking
from audittrail.exceptions import PastIsReadOnlyError, TimeTravelError
from audittrail.timetravel import compiler, statement, tables
from audittrail.timetravel.moment import Moment, from_alias

#: What a present connection knows about its session and transaction: the past one has no session of its own.
_SHARED = (
    "connection", "autocommit", "in_atomic_block", "savepoint_state", "savepoint_ids", "atomic_blocks",
    "commit_on_exit", "needs_rollback", "rollback_exc", "close_at", "closed_in_transaction", "errors_occurred",
    "health_check_enabled", "health_check_done", "run_on_commit", "run_commit_hooks_on_set_autocommit_on",
    "execute_wrappers", "queries_log", "force_debug_cursor", "_thread_sharing_lock", "_thread_sharing_count",
    "_thread_ident", "_named_cursor_idx",
)  # fmt: skip


class PastCursor(CursorWrapper):
    """A cursor whose statements read the past."""

    def execute(self, sql: Any, params: Any = None) -> Any:
        """Execute a statement that reads; raise `PastIsReadOnlyError` for one that writes."""
        return super().execute(self.db.to_past(sql, self.cursor, params is not None), params)

    def executemany(self, sql: Any, param_list: Any) -> NoReturn:
        """Refuse: what is executed for many rows writes."""
        _refuse("executemany")

    def callproc(self, procname: str, params: Any = None, kparams: Any = None) -> NoReturn:
        """Refuse: what a procedure reads can't be turned to the past."""
        _refuse(f"callproc({procname!r})")

    def __getattr__(self, name: str) -> Any:
        if name in ("copy", "copy_from", "copy_to", "copy_expert", "stream"):
            _refuse(name)
        return super().__getattr__(name)


class PastDebugCursor(PastCursor, CursorDebugWrapper):
    """The same with Django's log of queries, which shows what was really sent."""

    def execute(self, sql: Any, params: Any = None) -> Any:
        """Execute a statement that reads; raise `PastIsReadOnlyError` for one that writes."""
        return CursorDebugWrapper.execute(
            self, self.db.to_past(sql, self.cursor, params is not None), params
        )


class PastConnectionMixin:
    """What a past connection does differently from the present one whose session it shares."""

    alias: str
    SchemaEditorClass: Any = None

    def __init__(self, live: BaseDatabaseWrapper, moment: Moment, scope: Any = None) -> None:
        self.live = live
        self.moment = moment
        self.scope = scope
        self.alias = moment.alias
        self.settings_dict = live.settings_dict
        self._tables: dict[str, tables.PastTable] = {}
        self.client = live.client
        self.creation = live.creation
        self.features = compiler.past_features(type(live.features))(self)
        self.introspection = live.introspection
        self.ops = compiler.past_operations(type(live.ops))(self)
        self.validation = live.validation

    def ensure_connection(self) -> None:
        """Open the present connection, whose session is ours."""
        self.live.ensure_connection()

    def connect(self) -> None:
        """Open the present connection."""
        self.live.connect()

    def close(self) -> None:
        """Do nothing: the session belongs to the present connection."""

    def make_cursor(self, cursor: Any) -> PastCursor:
        """Return a cursor that reads the past."""
        return PastCursor(cursor, self)

    def make_debug_cursor(self, cursor: Any) -> PastDebugCursor:
        """Return a cursor that reads the past and logs what it sends."""
        return PastDebugCursor(cursor, self)

    def scoped(self, scope: Any) -> Any:
        """Return a connection of the same moment on which one table holds only some rows."""
        return type(self)(self.live, self.moment, scope)

    def to_past(self, sql: Any, cursor: Any, has_params: bool) -> str:
        """Return a statement that reads as of this connection's moment what the given one reads now."""
        text = sql if isinstance(sql, str) else _as_text(sql, cursor)
        reading = statement.analyse(text)
        names = reading.tables
        if not names and not reading.ctes:
            return text
        known = self._known(names | reading.ctes)
        if hidden := reading.ctes & known.keys():
            raise TimeTravelError(
                f"The statement makes a CTE named {min(hidden)!r}, like a tracked table; give it another name."
            )
        ctes = [
            f"audittrail_open AS MATERIALIZED (SELECT o AS id FROM audittrail.open_at({self.moment.tick}) o)"
        ]
        for name in sorted(names):
            if name in known:
                quoted = '"' + name.replace('"', '""') + '"'
                ctes.append(f"{quoted} AS NOT MATERIALIZED ({self._rows(known[name])})")
            elif name not in live_tables():
                tables.refuse_untracked(name)
        if len(ctes) == 1:
            return text
        added = ", ".join(ctes)
        return reading.with_ctes(text, added.replace("%", "%%") if has_params else added)

    def _rows(self, table: tables.PastTable) -> str:
        if self.scope is not None and self.scope.table == table.name:
            rows: str = self.scope.query
            return rows
        return table.as_of(self.moment)

    def _known(self, names: frozenset[str]) -> dict[str, tables.PastTable]:
        if unseen := names - self._tables.keys():
            with self.live.cursor() as cursor:
                self._tables.update(tables.load(cursor, unseen))
        return {name: self._tables[name] for name in names if name in self._tables}

    def forget_tables(self) -> None:
        """Look at the tables again at the next statement: a schema may have changed."""
        self._tables.clear()

    @contextmanager
    def _nodb_cursor(self) -> Iterator[Any]:
        _refuse("a connection without a database")
        yield

    def schema_editor(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: the past has no schema of its own."""
        _refuse("a schema editor")


def live_tables() -> frozenset[str]:
    """Return the tables that may be read as they are now: those of `AUDITTRAIL_READ_LIVE`."""
    patterns = conf.read_live()
    return frozenset(
        model._meta.db_table
        for model in apps.get_models(include_auto_created=True)
        if any(tracking.matches(model, pattern) for pattern in patterns)
    )


def past_connection(moment: Moment) -> Any:
    """Return a connection that reads as of a moment, with the session of this thread's present one."""
    live = connections[moment.using]
    if live.vendor != "postgresql":
        raise TimeTravelError(
            f"Database {moment.using!r} is not PostgreSQL ({live.vendor}); it has no history."
        )
    return _past_class(type(live))(live, moment)


class Databases(dict[str, Any]):
    """The settings of all databases, which know the aliases of past moments too, without listing them."""

    def __contains__(self, alias: object) -> bool:
        if super().__contains__(alias):
            return True
        moment = from_alias(alias) if isinstance(alias, str) else None
        return moment is not None and super().__contains__(moment.using)

    def __missing__(self, alias: str) -> dict[str, Any]:
        return {"ENGINE": "audittrail.timetravel.backend"}


def install() -> None:
    """Let Django's connections find those of the past by their aliases, in any thread."""
    if not isinstance(connections.settings, Databases):
        connections.settings = Databases(connections.settings)


@cache
def _past_class(live: type[BaseDatabaseWrapper]) -> type[Any]:
    shared = {name: _shared(name) for name in _SHARED}
    return type(
        "PastDatabaseWrapper", (PastConnectionMixin, live), {**shared, "__module__": __name__}
    )


def _shared(name: str) -> property:
    return property(
        lambda self: getattr(self.live, name),
        lambda self, value: setattr(self.live, name, value),
    )


def _as_text(sql: Any, cursor: Any) -> str:
    if isinstance(sql, bytes):
        return sql.decode()
    return str(sql.as_string(cursor))


def _refuse(what: str) -> NoReturn:
    raise PastIsReadOnlyError(
        f"The past can only be read by queries; {what} is not possible on a connection that reads it."
    )
