"""Queries that can only be compiled as of the moment that they were made for."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from django.db import connections
from django.db.models.query import QuerySet
from django.db.models.sql import Query

from audittrail.exceptions import MixedMomentsError
from audittrail.timetravel.moment import Moment
from audittrail.timetravel.past_class import live_class, past_class
from audittrail.timetravel.scope import Scope, narrow

#: Marks a query of the present that a model's own manager or queryset has put into one of its queries: it is read as of the same moment.
_ADOPTED: Final = "audittrail_adopted"


class PastQueryMixin:
    """A query as of a moment; None for a part that Django makes for itself, which has the moment of the whole."""

    moment: Moment | None = None
    scope: Scope | None = None

    def get_compiler(
        self, using: Any = None, connection: Any = None, elide_empty: bool = True
    ) -> Any:
        """Return the compiler; raise `MixedMomentsError` for the present or another moment."""
        found = getattr(connections[using] if using else connection, "moment", None)
        if found is None or self.moment not in (None, found):
            raise MixedMomentsError(mixed(self.moment))
        return super().get_compiler(using, connection, elide_empty)  # type: ignore[misc]

    def sql_with_params(self) -> Any:
        """Return the SQL and its parameters, without the clause that turns it to the past."""
        # To show a query, Django asks for the compiler of the default database, which can't compile one of the past.
        return self.get_compiler(self.moment.alias if self.moment else None).as_sql()

    def join(self, join: Any, *args: Any, **kwargs: Any) -> Any:
        """Join a table; the query's own one is that of its scope."""
        if self.scope is not None:
            narrow(self.scope, self, join)
        return super().join(join, *args, **kwargs)  # type: ignore[misc]

    def __reduce__(self) -> Any:
        return _unpickle_query, (live_class(self),), self.__getstate__()


def mixed(moment: Moment | None) -> str:
    """Return the text of the error for a query that would mix a moment, None if it is not known, with another one or the present."""
    what = "A queryset of the past" if moment is None else f"A queryset as of {moment}"
    return (
        f"{what} can't be combined with one of the present or of another moment. Read both as of the same revision, "
        "Model.history(revision=...), or evaluate one of them first, for example with list()."
    )


def past_query(query: Query, moment: Moment, scope: Scope | None = None) -> Any:
    """Return a copy of a query that reads as of a moment, with all that is part of it."""
    copy: Any = query.clone()
    copy.__class__ = _past_query_class(copy.__class__)
    copy.moment, copy.scope = moment, scope
    adopt(copy)
    return copy


def adopt(query: Any) -> None:
    """Let queries of the present that are parts of a query read as of its moment.

    For what a model's own manager or queryset puts into its queries: it can't say of which moment it speaks.
    """
    for part in _parts(query):
        if not isinstance(part, PastQueryMixin):
            setattr(part, _ADOPTED, True)
        adopt(part)


def is_adopted(query: Any) -> bool:
    """Return whether a query of the present goes with one of the past that it is a part of."""
    return hasattr(query, _ADOPTED)


def _parts(query: Any) -> Iterator[Any]:
    """Yield the queries inside a query that are not inside one of these."""
    yield from query.combined_queries
    conditions = [relation.condition for relation in query._filtered_relations.values()]
    group_by = query.group_by if isinstance(query.group_by, tuple) else ()
    places = [query.where, *query.annotations.values(), *query.select, *query.order_by]
    pending: list[Any] = [*places, *group_by, *conditions]
    while pending:
        item = pending.pop()
        if isinstance(item, QuerySet):
            yield item.query
        elif isinstance(item, Query):
            yield item
        elif isinstance(item, tuple | list):
            pending.extend(item)
        elif hasattr(item, "get_source_expressions"):
            pending.extend(item.get_source_expressions())
        elif hasattr(item, "children"):
            pending.extend(item.children)


@cache
def _past_query_class(live: Any) -> Any:
    if issubclass(live, PastQueryMixin):
        return live
    return past_class(PastQueryMixin, live)


def _unpickle_query(live: Any) -> Any:
    return object.__new__(_past_query_class(live))
