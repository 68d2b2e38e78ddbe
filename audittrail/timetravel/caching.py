"""Cached values while somebody travels: kept apart, so that nobody finds the past in the present or the other way round.

Each moment has keys of its own in every cache of the project. Sessions that are kept in a cache stay where they are.
"""

from __future__ import annotations

from functools import wraps
from typing import Any, Final

from django.apps import apps
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
    """Extend Django's caches, and all that are derived from them, and the sites that Django keeps in its process."""
    caches: Any = BaseCache
    caches.key_func = KeyFunction()
    if apps.is_installed("django.contrib.sites"):
        from django.contrib.sites.models import SiteManager

        manager: Any = SiteManager
        if not hasattr(manager.get_current, "__wrapped__"):
            manager.get_current = _in_the_present(manager.get_current)


def _in_the_present(live: Any) -> Any:
    @wraps(live)
    def get_current(self: Any, *args: Any, **kwargs: Any) -> Any:
        with machine.in_the_present():
            return live(self, *args, **kwargs)

    return get_current
