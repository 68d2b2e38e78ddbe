"""A connection that reads a database as of a moment: the session of the present one, with every SELECT turned to the past.

PostgreSQL takes an unqualified table name for a CTE of that name first, and Django never qualifies names. So each statement
gets a WITH clause that defines the tracked tables that it reads as they were.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, Final, NoReturn

from django.apps import apps
from django.db import connections

from audittrail.exceptions import TimeTravelError
from audittrail.timetravel import compiler, registry, scope, settled, statement, tables
from audittrail.timetravel.cursor import PastCursor, PastDebugCursor, refuse
from audittrail.timetravel.live_keys import LiveKeys
from audittrail.timetravel.moment import Moment, from_alias

#: The attributes that a past connection has of its own. All others are the present connection's, which alone has a session: also what a
#: backend of a third party keeps there, such as the tenant whose tables are meant. Methods that somebody has replaced on the present
#: connection, as Django's test cases do, are not taken over.
_OWN: Final = frozenset({"moment", "alias", "features", "ops", "only_past", "live_keys"})

#: For how many moments a thread keeps connections at most; they hold nothing that can't be made again.
KEPT: Final = 64


class PastConnectionMixin:
    """What a past connection does differently from the present one whose session it shares."""

    alias: str
    SchemaEditorClass: Any = None

    def __init__(self, moment: Moment) -> None:
        self.moment = moment
        self.alias = moment.alias
        live = self.live
        self.features = compiler.past_features(live.features.__class__)(self)
        self.ops = compiler.past_operations(live.ops.__class__)(self)
        #: Whether queries of the present are refused: while one of the past is compiled.
        self.only_past = False
        #: What statements read of the present in order to leave out of the past what somebody may not see now.
        self.live_keys = LiveKeys()

    def __getattr__(self, name: str) -> Any:
        # An attribute that the present connection has got since this class was made.
        if name in _OWN:
            raise AttributeError(name)
        return getattr(self.live, name)

    @property
    def live(self) -> Any:
        """The present connection of this thread."""
        return connections[self.moment.using]

    def ensure_connection(self) -> None:
        """Open the present connection, whose session is ours."""
        self.live.ensure_connection()

    def connect(self) -> None:
        """Open the present connection."""
        self.live.connect()

    def close_if_health_check_failed(self) -> None:
        """Leave the health of the session to the present connection."""
        self.live.close_if_health_check_failed()

    def close(self) -> None:
        """Do nothing: the session belongs to the present connection."""

    def make_cursor(self, cursor: Any) -> PastCursor:
        """Return a cursor that reads the past."""
        return PastCursor(cursor, self)

    def make_debug_cursor(self, cursor: Any) -> PastDebugCursor:
        """Return a cursor that reads the past and logs what it sends."""
        return PastDebugCursor(cursor, self)

    def to_past(self, sql: Any, cursor: Any, has_params: bool, verify: bool = False) -> str:
        """Return a statement that reads as of this connection's moment what the given one reads now.

        Takes whether the driver will put parameters in, and whether to look its tables up again. Raises `PastIsReadOnlyError`
        for a statement that writes, `TimeTravelError` for one that can't be turned to the past as a whole.
        """
        text = sql if isinstance(sql, str) else _as_text(sql, cursor)
        reading = statement.analyse(text, statement.escapes(text, self.live.connection))
        scoped = {name: found for name in reading.tables if (found := scope.parse(name))}
        present = reading.tables & self.live_keys.keys()
        names = reading.tables - scoped.keys() - present
        if not reading.tables:
            return text
        settled.ensure(self.live, self.moment)
        tracked = frozenset(table for _, table in scoped.values())
        known = registry.lookup(self.live, names | tracked, self.moment.tick, verify)
        if hidden := reading.ctes & reading.tables & known.keys():
            raise TimeTravelError(
                f"The statement makes a CTE named {min(hidden)!r} and reads the tracked table of that name; give the CTE another name."
            )
        if present and reading.is_recursive:
            raise TimeTravelError(
                "A statement that begins with WITH RECURSIVE can't be read in the time machine where a get_queryset() leaves out rows: what "
                "it leaves out now could not be asked there. Put the WITH RECURSIVE into a subquery."
            )
        ctes = []
        for name in sorted(reading.tables - present):
            if name in scoped:
                kind, table = scoped[name]
                if table not in known:
                    tables.refuse_untracked(table)
                ctes.append(self._cte(name, known[table], kind=kind))
            elif name in known:
                ctes.append(self._cte(name, known[name], len(names)))
            elif not registry.may_be_read_live(name):
                tables.refuse_untracked(name)
        if not ctes:
            return text
        # CTEs that ask the present come first: before those of the past are defined, names still mean the live tables.
        added = "".join(f"{self.live_keys.cte(name)}, " for name in sorted(present))
        added += f"audittrail_open AS MATERIALIZED (SELECT o AS id FROM audittrail.open_at({self.moment.tick}) o), "
        added += ", ".join(ctes)
        return reading.with_ctes(text, added.replace("%", "%%") if has_params else added)

    def _cte(
        self,
        name: str,
        known: registry.RegisteredTable,
        count: int = 1,
        kind: scope.Scope | None = None,
    ) -> str:
        if kind is None:
            query = known.table.as_of(self.moment, count)
        else:
            known.table.require(self.moment)
            query = known.query_of(kind, self.live, self.moment.tick)
        quoted = '"' + name.replace('"', '""') + '"'
        return f"{quoted} AS NOT MATERIALIZED (SELECT * FROM ({query}) rows WHERE {known.check(self.moment.tick)})"

    @contextmanager
    def refusing_present(self) -> Iterator[None]:
        """Refuse queries of the present inside those that are compiled in the block."""
        outer, self.only_past = self.only_past, True
        try:
            yield
        finally:
            self.only_past = outer

    def _nodb_cursor(self) -> NoReturn:
        refuse("A connection without a database")

    def schema_editor(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: the past has no schema of its own."""
        refuse("schema_editor()")


def past_connection(moment: Moment) -> Any:
    """Return a new connection that reads as of a moment, with the session of this thread's present one.

    Raises `TimeTravelError` for a database that is not PostgreSQL.
    """
    live: Any = connections[moment.using]
    if live.vendor != "postgresql":
        raise TimeTravelError(
            f"Database {moment.using!r} is not PostgreSQL ({live.vendor}); it has no history."
        )
    kept = live.__dict__.setdefault("audittrail_moments", deque())
    kept.append(moment.alias)
    if len(kept) > KEPT:
        _let_go([kept.popleft() for _ in range(KEPT // 2)])
    return _past_class(live)(moment)


def _let_go(aliases: Iterable[str]) -> None:
    for alias in aliases:
        # One of the aliases may have been asked for by another thread alone.
        with suppress(AttributeError):
            del connections[alias]
    if apps.is_installed("django.contrib.contenttypes"):
        # Django caches content types for each alias, and can only be told to forget those of all.
        apps.get_model("contenttypes", "ContentType").objects.clear_cache()


class Databases(dict[str, Any]):
    """The settings of all databases, which know the aliases of past moments too, without listing them."""

    def __contains__(self, alias: object) -> bool:
        if super().__contains__(alias):
            return True
        moment = from_alias(alias) if isinstance(alias, str) else None
        return moment is not None and super().__contains__(moment.using)

    def __missing__(self, alias: str) -> dict[str, Any]:
        if alias in self:
            return {"ENGINE": "audittrail.timetravel.backend"}
        raise KeyError(alias)


def install() -> None:
    """Let Django's connections find those of the past by their aliases, in any thread."""
    if not isinstance(connections.settings, Databases):
        connections.settings = Databases(connections.settings)


def _past_class(live: Any) -> Any:
    kept = {name for name in live.__dict__ if not callable(getattr(live.__class__, name, None))}
    return _class_of(live.__class__, frozenset(kept | {"pg_version"}) - _OWN)


@cache
def _class_of(live: Any, names: frozenset[str]) -> Any:
    shared = {name: _shared(name) for name in names}
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
