"""Cached values while somebody travels: kept apart, so that nobody finds the past in the present or the other way round.

Each moment has keys of its own in every cache of the project. Sessions that are kept in a cache stay where they are.
"""

from __future__ import annotations

from typing import Any, Final

from django.core.cache.backends.base import BaseCache

from audittrail.timetravel import machine

#: How the keys of Django's sessions begin.
_SESSIONS: Final = "django.contrib.sessions"


class KeyFunction:
    """The attribute of caches that makes their keys, which adds the moment of who travels."""

    def __get__(self, cache: Any, owner: Any = None) -> Any:
        if cache is None:
            return self
        live = cache.__dict__["key_func"]
        journey = machine.current()
        if journey is None:
            return live

        def key_func(key: Any, prefix: str, version: Any) -> Any:
            if not str(key).startswith(_SESSIONS):
                key = f"{journey.moment.alias}:{key}"
            return live(key, prefix, version)

        return key_func

    def __set__(self, cache: Any, value: Any) -> None:
        cache.__dict__["key_func"] = value


def install() -> None:
    """Extend Django's caches, and all that are derived from them."""
    caches: Any = BaseCache
    caches.key_func = KeyFunction()
