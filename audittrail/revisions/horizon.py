"""The horizon: while there is one, revisions that were committed later, and their versions, are not seen.

Who reads a database as of a moment must not see in its history what happened after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from django.db import models
from django.db.models import Q
from django.db.models.sql import Query

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


class HistoryQuery(Query):
    """A query of revisions or versions: wherever it stands in a statement, it ends at the horizon."""

    def get_compiler(
        self, using: Any = None, connection: Any = None, elide_empty: bool = True
    ) -> Any:
        """Return the compiler of the query, as far as the horizon."""
        horizon = _horizon.get()
        # Each part of a combined query, such as a UNION, is compiled by this method too, and gets the condition there.
        if horizon is None or self.combinator:
            return _in_place(super().get_compiler(using, connection, elide_empty))
        tick = horizon.tick_in(using or connection.alias)
        seen: Any = self.clone()
        for path in seen.model.tick_paths:
            seen.add_q(Q(**{f"{path}__lte": tick}))
        if seen.model.time_path:
            seen.add_q(Q(**{f"{seen.model.time_path}__lte": horizon.at + CLOCK_ERROR}))
        return _in_place(Query.get_compiler(seen, using, connection, elide_empty))


def _in_place(compiler: Any) -> Any:
    """Let a compiler name the history table that its connection means: each schema with a table of the name has one of its own."""
    tracked = getattr(compiler.query.model, "tracked_model", None)
    if tracked is not None:
        meta = compiler.query.model._meta
        found = schemas.history_of(compiler.connection, tracked._meta.db_table)
        if found != history_name(tracked._meta.db_table):
            name = compiler.connection.ops.quote_name
            # Where the compiler looks before it quotes a name.
            compiler.quote_cache[meta.db_table] = f"{name('audittrail')}.{name(found)}"
    return compiler


class HistoryQuerySet(models.QuerySet[M]):
    """A queryset of revisions or versions. Their models say in `tick_paths` and `time_path` what the horizon is compared with."""

    def __init__(
        self, model: Any = None, query: Any = None, using: str | None = None, hints: Any = None
    ) -> None:
        if query is None and model is not None:
            query = HistoryQuery(model)
        super().__init__(model, query, using, hints)
