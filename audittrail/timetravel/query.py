"""Querysets of the past: ordinary ones of the ordinary model, that read as of one moment and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, NoReturn

from django.db import connections, models
from django.db.models.query import QuerySet
from django.db.models.sql import Query

from audittrail.exceptions import MixedMomentsError, PastIsReadOnlyError
from audittrail.timetravel.moment import Moment


@dataclass(frozen=True)
class Scope:
    """Which rows of one table a query sees instead of all: those that the given query finds."""

    table: str
    query: str


class PastQueryMixin:
    """A query that can only be compiled for the moment that it was made for."""

    moment: Moment
    scope: Scope | None

    def get_compiler(
        self, using: Any = None, connection: Any = None, elide_empty: bool = True
    ) -> Any:
        """Return the compiler; raise `MixedMomentsError` for the present or another moment."""
        if connection is None:
            # Django asks for the default database to show a query's SQL.
            connection = connections[self.moment.alias if using is None else using]
        self._refuse_other(connection)
        if self.scope is not None and connection.scope != self.scope:
            connection = connection.scoped(self.scope)
        compiler = super().get_compiler(None, connection, elide_empty)  # type: ignore[misc]
        compiler.using = connection.alias
        return compiler

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        """Return the SQL of the query inside another one."""
        self._refuse_other(connection)
        if self.scope is not None and connection.scope != self.scope:
            raise MixedMomentsError(
                "The changed or deleted rows can't be a part of another query. Evaluate them first, "
                "for example with list(queryset.values_list('pk', flat=True))."
            )
        return super().as_sql(compiler, connection)  # type: ignore[misc]

    def sql_with_params(self) -> Any:
        """Return the SQL and its parameters, without the clause that turns it to the past."""
        return self.get_compiler(self.moment.alias).as_sql()

    def combine(self, rhs: Any, connector: str) -> None:
        """Combine with a query of the same moment."""
        if getattr(rhs, "moment", None) != self.moment or getattr(rhs, "scope", None) != self.scope:
            raise MixedMomentsError(_MIXED.format(self.moment))
        super().combine(rhs, connector)  # type: ignore[misc]

    def __reduce__(self) -> Any:
        live = type(self).__mro__[2]
        return _unpickle_query, (live,), self.__dict__

    def _refuse_other(self, connection: Any) -> None:
        if getattr(connection, "moment", None) != self.moment:
            raise MixedMomentsError(_MIXED.format(self.moment))


_MIXED = (
    "A queryset as of {} can't be combined with one of the present or of another moment. "
    "Read both as of the same revision, or evaluate one of them first."
)


class PastQuerySetMixin:
    """A queryset as of a moment: everything that reads works, everything that writes is refused."""

    query: Any
    _db: Any

    @property
    def moment(self) -> Moment:
        """The moment as of which the queryset reads."""
        found: Moment = self.query.moment
        return found

    def using(self, alias: Any) -> Any:
        """Return the queryset; raise `MixedMomentsError` for any other database than its own moment's."""
        if alias not in (None, self.moment.alias):
            raise MixedMomentsError(
                f"A queryset as of {self.moment} can't be read from database {alias!r}; ask for the history there, "
                "as of a revision of that database."
            )
        return super().using(self.moment.alias)  # type: ignore[misc]

    def _other(self, other: Any) -> None:
        query = getattr(other, "query", None)
        if getattr(query, "moment", None) != self.moment or query.scope != self.query.scope:
            raise MixedMomentsError(_MIXED.format(self.moment))

    def __or__(self, other: Any) -> Any:
        self._other(other)
        return super().__or__(other)  # type: ignore[misc]

    def __and__(self, other: Any) -> Any:
        self._other(other)
        return super().__and__(other)  # type: ignore[misc]

    def __xor__(self, other: Any) -> Any:
        self._other(other)
        return super().__xor__(other)  # type: ignore[misc]

    # Python asks the more special class first: live | past arrives here.
    def __ror__(self, other: Any) -> Any:
        self._other(other)
        return NotImplemented

    def __rand__(self, other: Any) -> Any:
        self._other(other)
        return NotImplemented

    def __rxor__(self, other: Any) -> Any:
        self._other(other)
        return NotImplemented

    def select_for_update(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: the past can't be locked."""
        self._refuse("select_for_update()")

    def __reduce__(self) -> Any:
        live = type(self).__mro__[2]
        return _unpickle_queryset, (live,), self.__getstate__()  # type: ignore[attr-defined]

    def _refuse(self, what: str) -> NoReturn:
        raise PastIsReadOnlyError(
            f"{what} is not possible as of {self.moment}: the past is read-only. Use it on the present, "
            f"{self.model.__name__}.objects."  # type: ignore[attr-defined]
        )


def _refusal(name: str) -> Any:
    def refuse(self: Any, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: the past is read-only."""
        self._refuse(f"{name}()")

    refuse.__name__ = name
    return refuse


for _name in (
    "create", "get_or_create", "update_or_create", "bulk_create", "bulk_update", "update", "delete", "_raw_delete",
    "acreate", "aget_or_create", "aupdate_or_create", "abulk_create", "abulk_update", "aupdate", "adelete",
):  # fmt: skip
    setattr(PastQuerySetMixin, _name, _refusal(_name))


def past_queryset(model: type[models.Model], moment: Moment, scope: Scope | None = None) -> Any:
    """Return all objects of a model as of a moment, as the model's default manager gives them.

    Takes a scope to see only some rows of one table.
    """
    queryset = model._default_manager.db_manager(moment.alias).get_queryset().using(moment.alias)
    queryset.__class__ = past_queryset_class(type(queryset))
    query: Any = queryset.query.clone()
    query.__class__ = past_query_class(type(query))
    query.moment, query.scope = moment, scope
    queryset.query = query
    return queryset


@cache
def past_queryset_class(live: type[QuerySet[Any]]) -> type[Any]:
    """Return the class of the past querysets that belong to a class of present ones."""
    return type(f"Past{live.__name__}", (PastQuerySetMixin, live), {"__module__": live.__module__})


@cache
def past_query_class(live: type[Query]) -> type[Any]:
    """Return the class of the past queries that belong to a class of present ones."""
    return type(f"Past{live.__name__}", (PastQueryMixin, live), {"__module__": live.__module__})


def _unpickle_queryset(live: type[QuerySet[Any]]) -> Any:
    return object.__new__(past_queryset_class(live))


def _unpickle_query(live: type[Query]) -> Any:
    return object.__new__(past_query_class(live))
