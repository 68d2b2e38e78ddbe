"""The horizon: while there is one, revisions that were committed later, and their versions, are not seen.

Who reads a database as of a moment must not see in its history what happened after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final, TypeVar

from django.db import connections, models
from django.db.models import Expression, Q
from django.db.models.sql import DeleteQuery, Query
from django.db.models.sql.constants import ROW_COUNT
from django.db.models.sql.where import AND

from audittrail.capture import schemas
from audittrail.capture.tables import history_name

M = TypeVar("M", bound=models.Model)

#: How wrong a server's clock may have been. Ticks alone say which revisions lie before the horizon; times are compared as well, with
#: this much to spare, because an index finds revisions by time.
CLOCK_ERROR: Final = timedelta(days=1)


@dataclass(frozen=True)
class Horizon:
    """The end of history: the tick of the last revision that is seen, by the alias of its database, and about when that was."""

    tick_in: Callable[[str], int]
    at: datetime


_horizon: ContextVar[Horizon | None] = ContextVar("audittrail_horizon", default=None)


@contextmanager
def seen_until(horizon: Horizon | None) -> Iterator[None]:
    """Let history end at a horizon inside a `with` block; None for no end."""
    token = _horizon.set(horizon)
    try:
        yield
    finally:
        _horizon.reset(token)


class QueryInPlace(Query):
    """A query that names the history table that its connection means, also once Django has made an update or another kind of it."""

    def get_compiler(
        self, using: Any = None, connection: Any = None, elide_empty: bool = True
    ) -> Any:
        """Return the compiler of the query."""
        return _in_place(super().get_compiler(using, connection, elide_empty))

    def chain(self, klass: Any = None) -> Any:
        """Return a copy of the query, as another kind of query if that is given."""
        found = super().chain(klass)
        kind: Any = found.__class__
        if not issubclass(kind, QueryInPlace):
            found.__class__ = _kind_in_place(kind)
        return found


@cache
def _kind_in_place(kind: Any) -> Any:
    return type(f"{kind.__name__}InPlace", (QueryInPlace, kind), {"__module__": __name__})


class HistoryQuery(QueryInPlace):
    """A query of revisions or versions: wherever it stands in a statement, it ends at the horizon."""

    def get_compiler(
        self, using: Any = None, connection: Any = None, elide_empty: bool = True
    ) -> Any:
        """Return the compiler of the query, as far as the horizon."""
        horizon = _horizon.get()
        live = connections[using] if using else connection
        is_kept = live.in_atomic_block and hasattr(self.model, "tracked_model")
        # Each part of a combined query, such as a UNION, is compiled by this method too, and gets the conditions there.
        if self.combinator or not (horizon or is_kept):
            return super().get_compiler(using, connection, elide_empty)
        seen: Any = self.clone()
        if is_kept:
            seen.where.add(_FileIsShown(self.model), AND)
        if horizon is None:
            return _in_place(Query.get_compiler(seen, using, connection, elide_empty))
        tick = horizon.tick_in(live.alias)
        for path in seen.model.tick_paths:
            seen.add_q(Q(**{f"{path}__lte": tick}))
        if seen.model.time_path:
            seen.add_q(Q(**{f"{seen.model.time_path}__lte": horizon.at + CLOCK_ERROR}))
        return _in_place(Query.get_compiler(seen, using, connection, elide_empty))


class _FileIsShown(Expression):
    """The condition that a transaction which keeps its snapshot sees the rows of a history table, also if others have rewritten that since.

    Asked once by a statement, whatever rows there are: where it does not hold it is an error, a serialization failure.
    """

    conditional = True

    def __init__(self, model: Any) -> None:
        super().__init__(output_field=models.BooleanField())
        self.model = model

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[str | int, ...]]:
        """Return the condition; the table is named as in the statement."""
        table = compiler.quote_name_unless_alias(self.model._meta.db_table)
        return "audittrail.require_file(to_regclass(%s))::text IS NOT NULL", (table,)


def _in_place(compiler: Any) -> Any:
    """Let a compiler name the history table that its connection means: each schema with a table of the name has one of its own."""
    model = compiler.query.model
    if found := is_elsewhere(compiler.connection, model):
        name = compiler.connection.ops.quote_name
        # Where the compiler looks before it quotes a name.
        compiler.quote_cache[model._meta.db_table] = f"{name('audittrail')}.{name(found)}"
    return compiler


def is_elsewhere(connection: Any, model: Any) -> str | None:
    """Return the history table of a version model, if it is another one for a connection than the model names; otherwise None."""
    tracked = getattr(model, "tracked_model", None)
    if tracked is None:
        return None
    found = schemas.history_of(connection, tracked._meta.db_table)
    return None if found == history_name(tracked._meta.db_table) else found


class HistoryQuerySet(models.QuerySet[M]):
    """A queryset of revisions or versions. Their models say in `tick_paths` and `time_path` what the horizon is compared with."""

    def __init__(
        self, model: Any = None, query: Any = None, using: str | None = None, hints: Any = None
    ) -> None:
        if query is None and model is not None:
            query = HistoryQuery(model)
        super().__init__(model, query, using, hints)

    def update(self, **values: Any) -> int:
        """Update the rows, inside `history.editing()`."""
        # Where conditions are about other tables too, Django makes further queries, which are of its own classes and name the model's table.
        if sum(count > 0 for count in self.query.alias_refcount.values()) > 1:
            return int(self._by_keys().update(**values))
        return super().update(**values)

    def delete(self) -> tuple[int, dict[str, int]]:
        """Delete the rows, inside `history.editing()`."""
        if not is_elsewhere(connections[self.db], self.model):
            return super().delete()
        query: Any = self._by_keys().query.clone()
        query.__class__ = _kind_in_place(DeleteQuery)
        count = query.get_compiler(self.db).execute_sql(ROW_COUNT)
        return count, {self.model._meta.label: count}

    def _by_keys(self) -> Any:
        rows: Any = self.model._default_manager
        return rows.using(self.db).filter(pk__in=self.order_by().values("pk"))
