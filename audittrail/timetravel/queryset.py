"""Querysets of the past: ordinary ones of the ordinary model, that read as of one moment and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, partial, wraps
from typing import Any, NoReturn

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.db import models
from django.db.models.query import QuerySet, RawQuerySet

from audittrail.exceptions import MixedMomentsError, PastIsReadOnlyError
from audittrail.timetravel import machine
from audittrail.timetravel.along import Along, reading_along
from audittrail.timetravel.compiler import without_excluded
from audittrail.timetravel.moment import Moment, from_alias, live_alias
from audittrail.timetravel.past_class import live_class, own_members, past_class
from audittrail.timetravel.query import adopt, mixed, past_query
from audittrail.timetravel.scope import Scope
from audittrail.timetravel.steps import stepwise


class PastQuerySetMixin:
    """A queryset as of a moment: everything that reads works, everything that writes is refused."""

    model: type[models.Model]
    query: Any

    @property
    def moment(self) -> Moment:
        """The moment as of which the queryset reads."""
        found: Moment = self.query.moment
        return found

    def using(self, alias: Any) -> Any:
        """Return the queryset; raise `MixedMomentsError` for any other database than its own moment's."""
        if alias not in (None, self.moment.alias):
            raise MixedMomentsError(
                f"A queryset as of {self.moment} can't be read from database {alias!r}. Ask for the history there, "
                "as of a moment of that database."
            )
        return super().using(self.moment.alias)  # type: ignore[misc]

    def __or__(self, other: Any) -> Any:
        return QuerySet.__or__(self._joinable(), _joinable(other))

    def __xor__(self, other: Any) -> Any:
        return QuerySet.__xor__(self._joinable(), _joinable(other))

    def _joinable(self) -> Any:
        """Return the queryset, or, if it is a slice, all objects whose keys are in it: Django would ask the present for those."""
        if self.query.can_filter():
            return self
        keys = super().values("pk")  # type: ignore[misc]
        return self.model._base_manager.using(self.moment.alias).filter(pk__in=keys)

    def union(self, *others: Any, **options: Any) -> Any:
        """Return the union with querysets of the same moment; raise `MixedMomentsError` for others."""
        self._require_same_moment(others)
        return super().union(*others, **options)  # type: ignore[misc]

    def intersection(self, *others: Any) -> Any:
        """Return the intersection with querysets of the same moment; raise `MixedMomentsError` for others."""
        self._require_same_moment(others)
        return super().intersection(*others)  # type: ignore[misc]

    def difference(self, *others: Any) -> Any:
        """Return the difference from querysets of the same moment; raise `MixedMomentsError` for others."""
        self._require_same_moment(others)
        return super().difference(*others)  # type: ignore[misc]

    def prefetch_related(self, *lookups: Any) -> Any:
        """Return the queryset with prefetched relations; raise `MixedMomentsError` for `Prefetch` querysets of another moment."""
        for lookup in lookups:
            given = getattr(lookup, "querysets", None) or [getattr(lookup, "queryset", None)]
            self._require_same_moment(queryset for queryset in given if queryset is not None)
        return super().prefetch_related(*lookups)  # type: ignore[misc]

    def resolve_expression(self, *args: Any, **kwargs: Any) -> Any:
        """Return the query as a part of another one, which checks that it is of the same moment."""
        return self.query.resolve_expression(*args, **kwargs)

    resolve_expression.queryset_only = True  # type: ignore[attr-defined]

    def _values(self, *fields: Any, **expressions: Any) -> Any:
        clone = super()._values(*fields, **expressions)  # type: ignore[misc]
        if not fields:
            clone.query.select = tuple(without_excluded(column) for column in clone.query.select)
        return clone

    def __reduce__(self) -> Any:
        return _unpickle_queryset, (live_class(self),), self.__getstate__()

    def _require_same_moment(self, others: Iterable[Any]) -> None:
        for other in others:
            if isinstance(other, QuerySet) and moment_read(other) != self.moment:
                raise MixedMomentsError(mixed(self.moment))

    def _refuse(self, what: str) -> NoReturn:
        name = self.model.__name__
        raise PastIsReadOnlyError(
            f"{what} is not possible as of {self.moment}: the past is read-only. Use it on the present, "
            f"{name}.objects; to bring back what was, call restore() on this queryset."
        )


def _joinable(other: Any) -> Any:
    return other._joinable() if isinstance(other, PastQuerySetMixin) else other


def _refusal(name: str) -> Any:
    def refuse(self: PastQuerySetMixin, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: the past is read-only."""
        self._refuse(f"{name}()")

    refuse.__name__ = name
    return refuse


for _name in (
    "create", "get_or_create", "update_or_create", "bulk_create", "bulk_update", "update", "delete", "_update", "_raw_delete",
    "select_for_update", "acreate", "aget_or_create", "aupdate_or_create", "abulk_create", "abulk_update", "aupdate", "adelete",
):  # fmt: skip
    setattr(PastQuerySetMixin, _name, _refusal(_name))


def past_queryset(model: type[models.Model], moment: Moment) -> Any:
    """Return all objects of a model as of a moment, as the model's default manager gives them."""
    queryset = model._default_manager.db_manager(moment.alias).get_queryset()
    return queryset if isinstance(queryset, PastQuerySetMixin) else turned(queryset, moment)


def scoped_queryset(model: type[models.Model], moment: Moment, scope: Scope) -> Any:
    """Return the objects of a scope: all of them, whatever the model's default manager leaves out."""
    manager: Any = model._default_manager
    queryset = manager.db_manager(moment.alias).get_queryset()._chain()
    queryset._query = type(queryset._query)(model)
    turn(queryset, moment, scope)
    return queryset


def turned(queryset: Any, moment: Moment) -> Any:
    """Return a queryset that reads as of a moment what one of the present reads now."""
    copy = queryset._chain()
    turn(copy, moment)
    return copy


def turn(queryset: Any, moment: Moment, scope: Scope | None = None) -> None:
    """Let a queryset that nobody else has read as of a moment, with all that its manager has put into it.

    One that somebody else may keep is to be `turned`.
    """
    queryset.__class__ = past_queryset_class(queryset.__class__)
    queryset._db = moment.alias
    queryset._query = past_query(queryset._query, moment, scope)


def moment_read(queryset: Any) -> Moment | None:
    """Return the moment that a queryset reads as of, or None for one of the present."""
    if isinstance(queryset, PastQuerySetMixin):
        return queryset.moment
    # While somebody travels, an ordinary queryset reads the past.
    return from_alias(queryset.db) if machine.current() is not None else None


@cache
def past_queryset_class(live: Any) -> Any:
    """Return the class of the past querysets that belong to a class of present ones."""
    if issubclass(live, PastQuerySetMixin):
        return live
    own = own_members(live, QuerySet, adopting)
    return past_class(PastQuerySetMixin, live, own)


def adopting(
    method: Any, model: type[models.Model] | None = None, moment: Moment | None = None
) -> Any:
    """Return a model's own queryset or manager method for the past: what it asks itself is of the same moment, and so is its result.

    Takes model and moment, by default those of the queryset whose method it is.
    """

    @wraps(method)
    def adopted(*args: Any, **kwargs: Any) -> Any:
        point = moment or moment_read(args[0])
        assert point is not None
        for argument in (*args, *kwargs.values()):
            # What a manager of the past has from the manager below it is of its alias, and yet to be turned.
            if isinstance(argument, QuerySet) and point not in (
                moment_read(argument),
                from_alias(vars(argument)["_db"]),
            ):
                raise MixedMomentsError(mixed(point))
        going = Along(point, model or args[0].model)
        with reading_along(going):
            return _gone_along(method(*args, **kwargs), going)

    return markcoroutinefunction(adopted) if iscoroutinefunction(method) else adopted


def _gone_along(result: Any, going: Along) -> Any:
    """Return the result of a method with all querysets in it as of the moment along which it was called, and what runs later of it."""
    if type(result) in (list, tuple, set):
        parts = [_one_gone_along(part, going) for part in result]
        changed = any(new is not old for new, old in zip(parts, result, strict=True))
        return type(result)(parts) if changed else result
    if type(result) is dict:
        values = {key: _one_gone_along(value, going) for key, value in result.items()}
        return values if any(values[key] is not result[key] for key in result) else result
    return _one_gone_along(result, going)


def _one_gone_along(value: Any, going: Along) -> Any:
    if isinstance(value, PastQuerySetMixin):
        adopt(value.query)
    elif isinstance(value, QuerySet | RawQuerySet):
        # It asks a manager of a class, by values alone: evaluated later, it would read the present.
        alias = _alias_along(value, going.moment)
        return value if alias is None else value.using(alias)
    return stepwise(value, partial(reading_along, going), partial(_gone_along, going=going))


def _alias_along(queryset: Any, moment: Moment) -> str | None:
    if queryset._db is None:
        return machine.alias_along(queryset.model, queryset._hints)
    is_there = live_alias(queryset._db) == moment.using
    return moment.alias if is_there and machine.goes_along(queryset.model) else None


def _unpickle_queryset(live: Any) -> Any:
    return object.__new__(past_queryset_class(live))
