"""Managers of the past: those of the ordinary model, whose querysets read as of one moment."""

from __future__ import annotations

from copy import copy
from functools import wraps
from typing import Any, Final

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.db import models
from django.db.models.manager import BaseManager

from audittrail.timetravel.along import Along, reading_along
from audittrail.timetravel.moment import Moment, from_alias
from audittrail.timetravel.past_class import forget_cached, own_members, past_class
from audittrail.timetravel.queryset import PastQuerySetMixin, adopting, turned


def past_manager_method(model: type[models.Model], moment: Moment, name: str) -> Any:
    """Return a method, or another attribute, of a model's default manager whose querysets read as of a moment."""
    found = getattr(model._default_manager.db_manager(moment.alias), name)
    return adopting(found, model, moment) if callable(found) else found


def past_manager(manager: Any, made: dict[int, Any] | None = None) -> Any:
    """Return a manager that nobody else has, and that names the alias of a moment, with querysets that read as of it.

    Managers that it has itself, to ask them, read so as well; those that are made already are given by the `id` of what they are made from.
    """
    made = {} if made is None else made
    manager.__class__ = _past_manager_class(manager.__class__)
    forget_cached(manager)
    for name, value in list(vars(manager).items()):
        if isinstance(value, BaseManager):
            if id(value) not in made:
                made[id(value)] = follower = copy(value)
                follower._db, follower._hints = manager._db, manager._hints  # type: ignore[attr-defined]
                past_manager(follower, made)
            setattr(manager, name, made[id(value)])
    return manager


def past_related_manager(manager: Any, moment: Moment) -> Any:
    """Return the manager of what is related to an object of the past, made for that, as one whose querysets read as of its moment."""
    manager._db = moment.alias
    return past_manager(manager)


class _PastManagerMixin:
    """A manager whose querysets read as of the moment that it names, and what its own methods ask does as well."""

    _db: str | None
    model: type[models.Model]

    def get_queryset(self) -> Any:
        """Return the queryset of the manager as of its moment."""
        moment = from_alias(self._db)
        if moment is None:
            return super().get_queryset()  # type: ignore[misc]
        with reading_along(Along(moment, self.model)):
            queryset = super().get_queryset()  # type: ignore[misc]
        # What was prefetched stays what it is.
        return queryset if isinstance(queryset, PastQuerySetMixin) else turned(queryset, moment)


#: The attribute of a manager's class with the class of past managers made from it. Django makes classes for the managers of
#: relations, some for a single use, which a table of all of them would keep.
_PAST: Final = "_audittrail_past_class"


def _past_manager_class(live: Any) -> Any:
    if issubclass(live, _PastManagerMixin):
        return live
    if _PAST not in vars(live):
        own = own_members(live, models.Manager, _adopted)
        if hasattr(live, "get_prefetch_querysets"):
            own["get_prefetch_querysets"] = _adopted(live.get_prefetch_querysets)
            own["__call__"] = _calling(live.__call__)
        setattr(live, _PAST, past_class(_PastManagerMixin, live, own))
    return vars(live)[_PAST]


def _adopted(method: Any) -> Any:
    @wraps(method)
    def adopted(self: Any, *args: Any, **kwargs: Any) -> Any:
        moment = from_alias(self._db)
        going = method if moment is None else adopting(method, self.model, moment)
        return going(self, *args, **kwargs)

    return markcoroutinefunction(adopted) if iscoroutinefunction(method) else adopted


def _calling(live: Any) -> Any:
    @wraps(live)
    def call(self: Any, **kwargs: Any) -> Any:
        """Return a manager of the same relation that is made from another manager of the model."""
        manager, moment = live(self, **kwargs), from_alias(self._db)
        return manager if moment is None else past_related_manager(manager, moment)

    return call
