"""Let every view of every AdminSite travel: those of Django, of the project and our own."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.admin.options import InlineModelAdmin
from django.contrib.admin.sites import all_sites
from django.http import HttpRequest
from django.urls import URLPattern, URLResolver

from audittrail.admin.time_machine import adjustments, chosen, read_only
from audittrail.admin.time_machine.trip import Trip

_MARK: Final = "_lets_travel"

#: Views that stay in the present while somebody travels, by the names of their URLs: with the banner, and without.
PRESENT: Final = frozenset({"password_change", "password_change_done", "audittrail_time_machine"})
UNTOUCHED: Final = frozenset({"login", "logout", "jsi18n"})


def install() -> None:
    """Extend Django's AdminSite and ModelAdmin, and all that are made of them; a second call does nothing."""
    site: Any = AdminSite
    if hasattr(site.urls.fget, _MARK):
        return
    site.urls = _travelling_urls(site.urls)
    for owner in (ModelAdmin, InlineModelAdmin):
        made: Any = owner
        made.__init__ = _extending(made.__init__)
    read_only.extend_user()
    adjustments.install()
    for known in all_sites:
        _extend(known)


def _extend(site: AdminSite) -> None:
    read_only.extend_site(type(site))
    for model_admin in site._registry.values():
        read_only.extend_model_admin(type(model_admin))


def _extending(original: Callable[..., None]) -> Callable[..., None]:
    @wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        read_only.extend_model_admin(type(self))
        original(self, *args, **kwargs)

    return __init__


def _travelling_urls(original: property) -> property:
    def urls(self: AdminSite) -> Any:
        _extend(self)
        patterns, app_name, namespace = original.__get__(self)
        return _patterns(self, patterns), app_name, namespace

    setattr(urls, _MARK, True)
    return property(urls, doc=original.__doc__)


def _patterns(site: AdminSite, patterns: Any) -> list[Any]:
    """Return URL patterns with their views replaced; the given ones may be used outside of the site as well."""
    return [_pattern(site, pattern) for pattern in patterns]


def _pattern(site: AdminSite, pattern: Any) -> Any:
    if isinstance(pattern, URLResolver):
        return URLResolver(
            pattern.pattern,
            _patterns(site, pattern.url_patterns),
            pattern.default_kwargs,
            pattern.app_name,
            pattern.namespace,
        )
    if isinstance(pattern, URLPattern) and pattern.name not in UNTOUCHED:
        view = _view(site, pattern.callback, pattern.name in PRESENT)
        return URLPattern(pattern.pattern, view, pattern.default_args, pattern.name)
    return pattern


def _view(site: AdminSite, view: Callable[..., Any], is_present: bool) -> Callable[..., Any]:
    travelled: Callable[..., Any]
    if iscoroutinefunction(view):

        @wraps(view)
        async def travelled(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            moment = await sync_to_async(_prepare)(site, request)
            if moment is None:
                return await view(request, *args, **kwargs)
            trip = Trip(site, request, moment)
            if is_present:
                return trip.finished(await view(request, *args, **kwargs))
            return await trip.aanswer(view, args, kwargs)

    else:

        @wraps(view)
        def travelled(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            moment = _prepare(site, request)
            if moment is None:
                return view(request, *args, **kwargs)
            trip = Trip(site, request, moment)
            if is_present:
                return trip.finished(view(request, *args, **kwargs))
            return trip.answer(view, args, kwargs)

    return travelled


def _prepare(site: AdminSite, request: HttpRequest) -> chosen.Chosen | None:
    """Return where a request travels; its session and its user are of the present, and found before."""
    moment = chosen.chosen(request)
    if moment is None or not site.has_permission(request):
        return None
    known: Any = request
    if not hasattr(known, "_acached_user"):
        known._acached_user = known.user
    return moment
