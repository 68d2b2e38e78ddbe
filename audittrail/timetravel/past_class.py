"""Classes of the past made from those of the present, whatever those are made of: objects can change from one into the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, partial, wraps
from inspect import isroutine
from types import FunctionType, MethodType
from typing import Any, Final

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.utils.functional import cached_property as django_cached_property


def past_class(
    mixin: type[Any], live: type[Any], namespace: Mapping[str, Any] | None = None
) -> Any:
    """Return a subclass of a class of the present whose methods are looked for in a mixin first, then in the live class.

    Its only base is the live class. Python lets an object change its class only if both lay out their objects alike, and with the mixin
    as the first base that depends on what the live class is made of: one that begins with `Generic`, or has two parents, may not do.
    """

    def mro(cls: type[Any]) -> tuple[type[Any], ...]:
        return (cls, mixin, *live.__mro__)

    kind: Any = type(type(live).__name__, (type(live),), {"mro": mro})
    return kind(
        f"Past{live.__name__}", (live,), {**(namespace or {}), "__module__": live.__module__}
    )


def live_class(past: Any) -> type[Any]:
    """Return the class of the present that the class of an object of the past was made from."""
    found: type[Any] = type(past).__mro__[2]
    return found


#: Where Django makes the classes of managers of relations, whose methods know the moment of their object.
_RELATIONS: Final = (
    "django.db.models.fields.related_descriptors",
    "django.contrib.contenttypes.fields",
)


def own_members(live: type[Any], base: type[Any], adopted: Callable[[Any], Any]) -> dict[str, Any]:
    """Return what a class has beside Django's base class that works out what it gives, methods above all, each adopted by a function."""
    found: dict[str, Any] = {}
    for klass in reversed(live.__mro__):
        for name, member in vars(klass).items():
            if hasattr(base, name) or name.startswith("__"):
                continue
            if isinstance(member, FunctionType) and member.__module__ not in _RELATIONS:
                found[name] = adopted(member)
            elif isinstance(member, property) and member.fget is not None:
                found[name] = property(adopted(member.fget), member.fset, member.fdel)
            elif _works_out(member):
                found[name] = _OwnAttribute(member, name, adopted)
            else:
                found.pop(name, None)
    return found


#: Properties whose values are kept in the object that has them.
_CACHED: Final = (cached_property, django_cached_property)


class _OwnAttribute:
    """A class method, a static method, a cached property or the like, adopted as methods are."""

    def __init__(self, member: Any, name: str, adopted: Callable[[Any], Any]) -> None:
        self.member, self.name, self.adopted = member, name, adopted

    def __get__(self, holder: Any, owner: type[Any]) -> Any:
        if holder is None:
            return self.member.__get__(None, owner)
        given = self.adopted(self.member.__get__)(holder, owner)
        if isroutine(given) or isinstance(given, partial):
            return MethodType(self.adopted(_called_by(given)), holder)
        if isinstance(self.member, _CACHED):
            # It has kept what it gave before that was adopted.
            vars(holder)[self.name] = given
        return given


def _works_out(member: Any) -> bool:
    kind = type(member)
    return not isinstance(member, FunctionType) and hasattr(kind, "__get__") and not hasattr(kind, "__set__")  # fmt: skip


def _called_by(function: Any) -> Any:
    @wraps(function)
    def called(holder: Any, *args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return markcoroutinefunction(called) if iscoroutinefunction(function) else called


def forget_cached(holder: Any) -> None:
    """Take from a copy of an object what cached properties have kept in it: that may be of the present, or of another moment."""
    for klass in type(holder).__mro__:
        for name, member in vars(klass).items():
            if isinstance(member, _CACHED):
                vars(holder).pop(name, None)
