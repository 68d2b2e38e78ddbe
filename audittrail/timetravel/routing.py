"""The ways of the ORM while somebody travels: which database a queryset is sent to, whenever and with whatever it was made.

Routers are asked only by querysets that name no database. Those that do (`using()`, as ModelAdmins of several databases have it)
go to the moment of that database. What belongs to objects of the present, and what stays there, passes the `guard`.
"""

from __future__ import annotations

from functools import wraps
from typing import Any, Final

from django.db import models
from django.db.models.fields import related_descriptors
from django.db.models.query import QuerySet, RawQuerySet
from django.db.models.sql import compiler

from audittrail.timetravel import machine
from audittrail.timetravel.moment import from_alias

_MARK: Final = "audittrail_routed"

#: Set on the query of a queryset that is read in the present because it belongs to an object of the present.
_PRESENT: Final = "audittrail_present"

_WRITING: Final = (
    compiler.SQLInsertCompiler,
    compiler.SQLUpdateCompiler,
    compiler.SQLDeleteCompiler,
)


def install() -> None:
    """Extend Django's classes, once."""
    queryset: Any = QuerySet
    if hasattr(queryset.db.fget, _MARK):
        return
    raw: Any = RawQuerySet
    queryset.db = _marked_property(_database(queryset.db.fget), queryset.db)
    queryset.resolve_expression = _becoming_a_part(queryset.resolve_expression)
    raw.db = _marked_property(_database_of_raw(raw.db.fget), raw.db)
    compiler.SQLCompiler.execute_sql = _executing(compiler.SQLCompiler.execute_sql)  # type: ignore[method-assign]
    for descriptor in (
        related_descriptors.ForwardManyToOneDescriptor,
        related_descriptors.ReverseOneToOneDescriptor,
    ):
        descriptor.__set__ = _relating(descriptor.__set__)  # type: ignore[method-assign]


def _marked_property(getter: Any, live: property) -> property:
    setattr(getter, _MARK, True)
    return property(getter, doc=live.__doc__)


def _database(live: Any) -> Any:
    @wraps(live)
    def db(self: Any) -> Any:
        alias = live(self)
        # Also for one that may write, as get_or_create() does: what it finds is of the past, and writing refuses by itself.
        if machine.current() is None or from_alias(alias) is not None:
            return alias
        if machine.belongs_to_the_present(self._hints):
            setattr(self._query, _PRESENT, True)
            return alias
        return machine.alias_for(self.model, self._hints, alias) or alias

    return db


def _becoming_a_part(live: Any) -> Any:
    @wraps(live)
    def resolve_expression(self: Any, *args: Any, **kwargs: Any) -> Any:
        query = live(self, *args, **kwargs)
        if machine.current() is not None and query._db is not None:
            # Django compares the database of a part with that of the whole query, and refuses to mix two.
            query._db = self.db
        return query

    resolve_expression.queryset_only = True  # type: ignore[attr-defined]
    return resolve_expression


def _database_of_raw(live: Any) -> Any:
    @wraps(live)
    def db(self: Any) -> Any:
        alias = live(self)
        if machine.current() is None or from_alias(alias) is not None:
            return alias
        return machine.alias_for(self.model, {}, alias) or alias

    return db


def _executing(live: Any) -> Any:
    @wraps(live)
    def execute_sql(self: Any, *args: Any, **kwargs: Any) -> Any:
        if (
            machine.current() is None
            or isinstance(self, _WRITING)
            or not _is_for_the_present(self.query)
        ):
            return live(self, *args, **kwargs)
        with machine.unwatched():
            return live(self, *args, **kwargs)

    return execute_sql


def _is_for_the_present(query: Any) -> bool:
    inner = getattr(query, "inner_query", query)
    if hasattr(inner, _PRESENT):
        return True
    return inner.model is not None and machine.is_bookkeeping(inner.model)


def _relating(live: Any) -> Any:
    @wraps(live)
    def set_related(self: Any, instance: Any, value: Any) -> None:
        # Django asks where a new object would be written as soon as it is related, and pages of the past may make one to show it.
        if isinstance(value, models.Model) and machine.current() is not None:
            alias = value._state.db or instance._state.db
            for side in (instance, value):
                alias = alias or machine.alias_for(type(side), {})
            instance._state.db = instance._state.db or alias
            value._state.db = value._state.db or alias
        live(self, instance, value)

    return set_related
