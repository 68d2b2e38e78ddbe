"""The pages that audittrail adds to the admin: their registry, their URLs, and what holds for all of them.

The module `view` of a page's folder adds the page by a decorator; nothing else has to know of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, update_wrapper
from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules
from typing import Any, TypeVar

from django.contrib.admin import AdminSite, ModelAdmin
from django.http import Http404, HttpRequest, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.template.response import SimpleTemplateResponse
from django.urls import URLPattern, path, register_converter
from django.urls.converters import IntConverter
from django.utils.translation import gettext as _

from audittrail.admin.layout.refusals import View, refusing
from audittrail.capture import tracking
from audittrail.exceptions import NotGrantedError
from audittrail.revisions import beyond_python

V = TypeVar("V", bound=View)

SAFE = ("GET", "HEAD")


class NumberConverter(IntConverter):
    """A number of a revision or a version in an address; those of imported ones are negative."""

    regex = "-?[0-9]+"


register_converter(NumberConverter, "audittrail_number")


@dataclass(frozen=True)
class PageRoute:
    """A page by its route below the model's or the site's URLs, and the name of its URL."""

    route: str
    name: str
    view: View
    methods: tuple[str, ...]
    #: What the menu of the admin calls it, None for a page that is not in the menu.
    menu: Any = None

    def pattern(self, name: str, site: AdminSite, owner: Any) -> URLPattern:
        """Return the URL pattern of this page for a site or one of its ModelAdmins."""

        def view(request: HttpRequest, **captured: Any) -> HttpResponseBase:
            return self.answer(site, owner, request, **captured)

        update_wrapper(view, self.view)
        # The time machine refuses pages that write, since they show and change the present.
        view.audittrail_writes = "POST" in self.methods  # type: ignore[attr-defined]
        return path(self.route, _protected(site, view), name=name)

    def answer(
        self, site: AdminSite, owner: Any, request: HttpRequest, **captured: Any
    ) -> HttpResponseBase:
        """Answer a request, unless its method or the model is not for this page."""
        if request.method not in self.methods:
            return HttpResponseNotAllowed(self.methods)
        if isinstance(owner, ModelAdmin) and not tracking.is_tracked(owner.model):
            raise Http404(_("%(name)s has no history.") % {"name": owner.opts.verbose_name})
        request.current_app = site.name
        return answered(self.view, owner, request, **captured)


def answered(view: View, *args: Any, **kwargs: Any) -> HttpResponseBase:
    """Return what the view of a page answers; what Python has no values for is read as text, also by its template."""
    with beyond_python.as_texts():
        response = view(*args, **kwargs)
    if isinstance(response, SimpleTemplateResponse):
        render = response.render

        def rendered() -> SimpleTemplateResponse:
            with beyond_python.as_texts():
                return render()

        response.render = rendered  # type: ignore[method-assign]
    return response


_model_pages: list[PageRoute] = []
_site_pages: list[PageRoute] = []
_history_views: list[View] = []


def model_page(route: str, name: str, *, writes: bool = False) -> Callable[[V], V]:
    """Add a page to every registered model: a decorator for `view(model_admin, request, **captured)`.

    The URL is named `<app>_<model>_<name>`. The view runs inside the site's `admin_view` and asks for
    its permissions itself; `writes` lets it take POST.
    """
    return _adding_to(_model_pages, route, name, writes)


def site_page(route: str, name: str, *, writes: bool = False, menu: Any = None) -> Callable[[V], V]:
    """Add a page to every AdminSite: a decorator for `view(site, request, **captured)`; see `model_page`.

    By `menu`, its name there, it stands in the menu of whoever may see the history of some model.
    """
    return _adding_to(_site_pages, route, name, writes, menu)


def history_page(view: V) -> V:
    """Make `view(model_admin, request, object_id, extra_context)` what the History button of tracked models leads to."""
    _history_views.append(refusing(view, (NotGrantedError,)))
    return view


def history_view(model_admin: ModelAdmin[Any]) -> View | None:
    """Return the view of a model's own History page, None to leave Django's in place."""
    load()
    return _history_views[0] if _history_views and tracking.is_tracked(model_admin.model) else None


def model_urls(model_admin: ModelAdmin[Any]) -> list[URLPattern]:
    """Return the URL patterns of the pages of a registered model."""
    load()
    prefix = f"{model_admin.opts.app_label}_{model_admin.opts.model_name}"
    site = model_admin.admin_site
    return [page.pattern(f"{prefix}_{page.name}", site, model_admin) for page in _model_pages]


def site_urls(site: AdminSite) -> list[URLPattern]:
    """Return the URL patterns of the pages of a site."""
    load()
    return [page.pattern(page.name, site, site) for page in _site_pages]


def menu() -> list[PageRoute]:
    """Return the pages of a site that stand in its menu."""
    load()
    return [page for page in _site_pages if page.menu is not None]


@cache
def load() -> None:
    """Import the module `view` of each folder that has one, which adds its pages."""
    package = import_module("audittrail.admin")
    for folder in sorted(iter_modules(package.__path__), key=lambda found: found.name):
        name = f"{package.__name__}.{folder.name}.view"
        if folder.ispkg and find_spec(name) is not None:
            import_module(name)


def _adding_to(
    pages: list[PageRoute], route: str, name: str, writes: bool, menu: Any = None
) -> Callable[[V], V]:
    methods = (*SAFE, "POST") if writes else SAFE

    def add(view: V) -> V:
        pages.append(PageRoute(route, name, refusing(view, (NotGrantedError,)), methods, menu))
        return view

    return add


def _protected(site: AdminSite, view: View) -> View:
    """Return the view behind the site's login, as the site itself wraps its own."""

    def wrapper(*args: Any, **kwargs: Any) -> HttpResponseBase:
        return site.admin_view(view)(*args, **kwargs)

    from django.urls import reverse_lazy

    # Django's LoginRequiredMiddleware reads these attributes.
    wrapper.admin_site = site  # type: ignore[attr-defined]
    wrapper.login_url = reverse_lazy("admin:login", current_app=site.name)  # type: ignore[attr-defined]
    return update_wrapper(wrapper, view)
