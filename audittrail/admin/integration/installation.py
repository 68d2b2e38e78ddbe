"""Put the pages of history into every AdminSite and ModelAdmin, whoever made it and whenever.

A few methods of Django's two classes are extended, once: so sites and model admins of the project's own have the pages as
well, without a line in it. A response is only given more, by a template that extends the one that it has.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.admin.options import BaseModelAdmin

from audittrail.admin.integration import extensions
from audittrail.admin.layout import pages
from audittrail.admin.layout.links import EXTENDED
from audittrail.admin.permissions.rows import extended_get_queryset


def install() -> None:
    """Extend Django's AdminSite and ModelAdmin; a second call does nothing."""
    for owner, name, extended in (
        (AdminSite, "get_urls", _site_urls),
        (AdminSite, "index", _index),
        (AdminSite, "get_app_list", _app_list),
        (ModelAdmin, "get_urls", _model_urls),
        (ModelAdmin, "history_view", _history_view),
        (ModelAdmin, "changelist_view", _changelist_view),
        (ModelAdmin, "change_view", _change_view),
        (BaseModelAdmin, "get_queryset", extended_get_queryset),
    ):
        _extend(owner, name, extended)


def _extend(owner: type[Any], name: str, extended: Callable[..., Any]) -> None:
    original = getattr(owner, name)
    if not hasattr(original, EXTENDED):
        method = wraps(original)(extended(original))
        setattr(method, EXTENDED, True)
        setattr(owner, name, method)


def _site_urls(original: Callable[..., Any]) -> Callable[..., Any]:
    def get_urls(self: AdminSite) -> list[Any]:
        # The class of a theme's site may define `index` without calling Django's, so that class is extended as well.
        _extend(type(self), "index", _index)
        # Ours come first, since the last of Django's patterns of a site matches every address.
        return [*pages.site_urls(self), *original(self)]

    return get_urls


def _model_urls(original: Callable[..., Any]) -> Callable[..., Any]:
    def get_urls(self: ModelAdmin[Any]) -> list[Any]:
        # Ours come first, since the last of Django's patterns of a model takes every address for the key of an object.
        return [*pages.model_urls(self), *original(self)]

    return get_urls


def _history_view(original: Callable[..., Any]) -> Callable[..., Any]:
    def history_view(
        self: ModelAdmin[Any], request: Any, object_id: str, extra_context: Any = None
    ) -> Any:
        view = pages.history_view(self)
        if view is None:
            return original(self, request, object_id, extra_context)
        request.current_app = self.admin_site.name
        return pages.answered(view, self, request, object_id, extra_context)

    return history_view


def _app_list(original: Callable[..., Any]) -> Callable[..., Any]:
    def get_app_list(self: AdminSite, request: Any, app_label: str | None = None) -> Any:
        return extensions.extend_app_list(
            self, request, app_label, original(self, request, app_label)
        )

    return get_app_list


def _index(original: Callable[..., Any]) -> Callable[..., Any]:
    def index(self: AdminSite, request: Any, extra_context: Any = None) -> Any:
        return extensions.extend_index(self, request, original(self, request, extra_context))

    return index


def _changelist_view(original: Callable[..., Any]) -> Callable[..., Any]:
    def changelist_view(self: ModelAdmin[Any], request: Any, extra_context: Any = None) -> Any:
        response = original(self, request, extra_context)
        return extensions.extend_changelist(self, request, response)

    return changelist_view


def _change_view(original: Callable[..., Any]) -> Callable[..., Any]:
    def change_view(
        self: ModelAdmin[Any],
        request: Any,
        object_id: str,
        form_url: str = "",
        extra_context: Any = None,
    ) -> Any:
        response = original(self, request, object_id, form_url, extra_context)
        return extensions.extend_change_form(self, request, object_id, response)

    return change_view
