"""Answer with a page: its context, its template, and templates of the project that take its place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import django
from django.apps import apps
from django.contrib.admin import AdminSite, ModelAdmin
from django.http import HttpRequest
from django.template import engines
from django.template.backends.django import Template
from django.template.loader_tags import ExtendsNode
from django.template.response import TemplateResponse
from django.utils.text import Truncator, capfirst
from django.utils.translation import gettext as _

from audittrail.admin.layout.links import Link, model_url, object_url, site_url

FOLDER = "audittrail/admin"

#: The name of the template that a template of ours extends, where it depends on the response.
PARENT = "audittrail_parent"


def page_response(
    owner: ModelAdmin[Any] | AdminSite,
    request: HttpRequest,
    page: str,
    context: dict[str, Any],
    *,
    status: int | None = None,
) -> TemplateResponse:
    """Return a page of a site, or of a model of it, from its template.

    The context needs a `title`; `breadcrumbs` (Links after Home, the page itself excepted) and `tools` (Links beside the
    title) are optional. That of a page of a model has `opts` and `model_admin` as well.
    """
    if isinstance(owner, AdminSite):
        whole = complete(owner, request, context)
        return TemplateResponse(request, f"{FOLDER}/{page}.html", whole, status=status)
    given = {"opts": owner.opts, "model_admin": owner, **context}
    whole = complete(owner.admin_site, request, given)
    return TemplateResponse(request, templates(owner, page), whole, status=status)


def put_into_own_template(
    response: TemplateResponse, model_admin: ModelAdmin[Any], page: str
) -> TemplateResponse:
    """Put a page into the content of a response that has a template of the project's; one that extends ours has the page already."""
    parent = response.resolve_template(response.template_name)
    if isinstance(parent, Template) and not extends_ours(parent):
        context = {PARENT: parent, "audittrail_base": f"{FOLDER}/page_within.html"}
        response.context_data = {**(response.context_data or {}), **context}
        response.template_name = templates(model_admin, page)
    return response


def extends_ours(found: Any) -> bool:
    """Return whether a template of Django's language extends one of ours, directly or by others."""
    name: Any = found.origin.template_name
    while isinstance(name, str):
        if name.startswith(f"{FOLDER}/"):
            return True
        template: Any = found.template
        extending = template.nodelist.get_nodes_by_type(ExtendsNode)
        name = extending[0].parent_name.var if extending else None
        if isinstance(name, str):
            found = engines[found.backend.name].get_template(name)
    return False


def templates(model_admin: ModelAdmin[Any], page: str) -> list[str]:
    """Return the names of a page's templates for a model, the most special first, as Django's admin has them."""
    app_label, model_name = model_admin.opts.app_label, model_admin.opts.model_name
    return [
        f"{FOLDER}/{app_label}/{model_name}/{page}.html",
        f"{FOLDER}/{app_label}/{page}.html",
        f"{FOLDER}/{page}.html",
    ]


def model_breadcrumbs(model_admin: ModelAdmin[Any]) -> list[Link]:
    """Return the way to a model's list: its app, and the list itself."""
    opts = model_admin.opts
    return [
        Link(
            opts.app_config.verbose_name,
            site_url(model_admin.admin_site, "app_list", opts.app_label),
        ),
        Link(capfirst(opts.verbose_name_plural), model_url(model_admin, "changelist")),
    ]


def object_breadcrumbs(
    model_admin: ModelAdmin[Any], pk: Any, text: object, *, exists: bool = True
) -> list[Link]:
    """Return the way to an object: as far as its change form, to which there is no link if it is deleted."""
    url = object_url(model_admin, "change", pk) if exists else None
    return [*model_breadcrumbs(model_admin), Link(Truncator(str(text)).words(18), url)]


def complete(site: AdminSite, request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Return the context of a page with what every page of its site has."""
    return {
        **site.each_context(request),
        # Django logs each variable that a template looks for in vain.
        **dict.fromkeys(("subtitle", "breadcrumb", "opts", "error", "further")),
        "tools": (),
        "audittrail_base": f"{FOLDER}/page.html",
        **context,
        "breadcrumbs": _all_breadcrumbs(site, context.get("breadcrumbs", ())),
        # From Django 6.1 on its own templates show breadcrumbs as a list; ours follow.
        "breadcrumbs_are_a_list": django.VERSION >= (6, 1),
        # If the context has a model, django-unfold shows its name in place of the title, so the page has to show the title itself.
        "has_no_title": apps.is_installed("unfold") and "opts" in context,
    }


def _all_breadcrumbs(site: AdminSite, given: Sequence[Link]) -> list[Link]:
    return [Link(_("Home"), site_url(site, "index")), *given]
