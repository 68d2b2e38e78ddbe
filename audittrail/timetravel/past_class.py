"""Classes of the past made from those of the present, whatever those are made of: objects can change from one into the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any, Final


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
    """Return the methods and properties that a class has beside those of Django's base class, each adopted by a function."""
    found: dict[str, Any] = {}
    for klass in reversed(live.__mro__):
        for name, member in vars(klass).items():
            if hasattr(base, name) or name.startswith("__"):
                continue
            if isinstance(member, FunctionType) and member.__module__ not in _RELATIONS:
                found[name] = adopted(member)
            elif isinstance(member, property) and member.fget is not None:
                found[name] = property(adopted(member.fget), member.fset, member.fdel)
            else:
                found.pop(name, None)
    return found
