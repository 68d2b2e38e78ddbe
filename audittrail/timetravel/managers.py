"""Managers of the past: those of the ordinary model, whose querysets read as of one moment."""

from __future__ import annotations

from copy import copy
from functools import cache
from typing import Any

from django.db import models
from django.db.models.manager import BaseManager

from audittrail.timetravel.moment import Moment, from_alias
from audittrail.timetravel.past_class import past_class
from audittrail.timetravel.queryset import adopting, turned


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
    for name, value in list(vars(manager).items()):
        if isinstance(value, BaseManager):
            if id(value) not in made:
                made[id(value)] = follower = copy(value)
                follower._db, follower._hints = manager._db, manager._hints  # type: ignore[attr-defined]
                past_manager(follower, made)
            setattr(manager, name, made[id(value)])
    return manager


class _PastManagerMixin:
    """A manager whose querysets read as of the moment that it names."""

    _db: str | None

    def get_queryset(self) -> Any:
        """Return the queryset of the manager as of its moment."""
        queryset = super().get_queryset()  # type: ignore[misc]
        moment = from_alias(self._db)
        return queryset if moment is None else turned(queryset, moment)


@cache
def _past_manager_class(live: Any) -> Any:
    if issubclass(live, _PastManagerMixin):
        return live
    return past_class(_PastManagerMixin, live)
