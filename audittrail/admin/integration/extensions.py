"""Add to pages that Django's admin already has: links on lists and forms, recent activity on the index.

A site's templates are never replaced: a response gets a template of ours that extends the one that it had.
"""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.admin.utils import unquote
from django.contrib.auth import get_user_model
from django.http import HttpRequest
from django.template.backends.django import Template
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from audittrail.admin.display.authors import authors
from audittrail.admin.display.times import RevisionTime
from audittrail.admin.layout import pages
from audittrail.admin.layout.links import (
    Link,
    has_own_history,
    history_url,
    model_url,
    revision_url,
    site_url,
)
from audittrail.admin.layout.responses import PARENT
from audittrail.admin.lists.searching import Search
from audittrail.admin.permissions.models import may_view, may_view_any
from audittrail.admin.permissions.readers import reader
from audittrail.capture import tracking
from audittrail.revisions.models import revision_model

RECENT_CHANGES = "audittrail_recent"

#: Revisions in the panel of recent changes.
RECENT = 5


def extend(
    response: Any, template_name: str, context: dict[str, Any], variable: str = PARENT
) -> Any:
    """Let a response be rendered by a template that begins with `{% extends audittrail_parent %}`.

    What is no unrendered TemplateResponse of Django's template language is left alone.
    """
    if (
        not isinstance(response, TemplateResponse)
        or response.is_rendered
        or response.context_data is None
    ):
        return response
    parent = response.resolve_template(response.template_name)
    if not isinstance(parent, Template):
        return response
    response.context_data = {**response.context_data, variable: parent, **context}
    response.template_name = template_name
    return response


def extend_changelist(model_admin: ModelAdmin[Any], request: HttpRequest, response: Any) -> Any:
    """Add a link to the deleted objects of the model."""
    url = model_url(model_admin, "audittrail_deleted")
    if (
        url is None
        or not tracking.is_tracked(model_admin.model)
        or not may_view(request, model_admin)
    ):
        return response
    links = [Link(_("Deleted objects"), url, "audittrail-deletedlink")]
    return extend(response, "audittrail/admin/changelist.html", {"audittrail_links": links})


def extend_change_form(
    model_admin: ModelAdmin[Any], request: HttpRequest, object_id: str, response: Any
) -> Any:
    """Add to a user's own page a link to everything that the user committed, and one to our history where History leads elsewhere."""
    site, pk = model_admin.admin_site, unquote(object_id)
    links = []
    if has_own_history(model_admin) and tracking.is_tracked(model_admin.model):
        url = history_url(model_admin, pk)
        links.append(Link(_("Audit trail"), url, "audittrail-historylink"))
    if issubclass(model_admin.model, get_user_model()) and may_view_any(site, request):
        url = site_url(site, "audittrail_revisions", user=pk)
        links.append(Link(_("Everything they changed"), url, "audittrail-revisionslink"))
    links = [link for link in links if link.url is not None]
    if not links:
        return response
    return extend(response, "audittrail/admin/change_form.html", {"audittrail_links": links})


def extend_app_list(
    site: AdminSite, request: HttpRequest, app_label: str | None, apps: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Add the pages of the menu to the list of apps, last, as one of them."""
    revision = revision_model()
    label = revision._meta.app_label
    if app_label not in (None, label) or not may_view_any(site, request):
        return apps
    entries = [
        {
            "model": revision,
            "name": page.menu,
            "object_name": page.name,
            "perms": {"add": False, "change": False, "delete": False, "view": True},
            "admin_url": url,
            "add_url": None,
            "view_only": True,
        }
        for page in pages.menu()
        if (url := site_url(site, page.name)) is not None
    ]
    if not entries:
        return apps
    for app in apps:
        if app["app_label"] == label:
            app["models"] = [*entries, *app["models"]]
            return apps
    return [
        *apps,
        {
            "name": revision._meta.app_config.verbose_name,
            "app_label": label,
            "app_url": entries[0]["admin_url"],
            "has_module_perms": True,
            "models": entries,
        },
    ]


def extend_index(site: AdminSite, request: HttpRequest, response: Any) -> Any:
    """Add the recent changes that the user may see."""
    url = site_url(site, "audittrail_revisions")
    is_extended = RECENT_CHANGES in (getattr(response, "context_data", None) or ())
    if url is None or is_extended or not may_view_any(site, request):
        return response
    reading = reader(site, request)
    if reading is None or not reading.visible:
        return response
    revisions = reading.revisions
    entries = Search(reading, revisions, revisions).recent(RECENT)
    known = authors(site, request, [entry.revision for entry in entries])
    recent = [
        {
            "url": revision_url(site, entry.revision),
            "when": RevisionTime(entry.revision.committed_at),
            "author": known.get(entry.revision.author_key),
            "reason": entry.revision.reason,
            "touches": entry.changes,
        }
        for entry in entries
    ]
    context = {RECENT_CHANGES: recent, "audittrail_revisions_url": url}
    return extend(response, "audittrail/admin/index.html", context)
