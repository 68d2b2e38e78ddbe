"""Classes of the past made from those of the present, whatever those are made of: objects can change from one into the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


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
