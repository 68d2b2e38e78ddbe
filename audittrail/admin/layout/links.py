"""The addresses of pages, and the links that lead from one to another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.admin.utils import quote
from django.db import DEFAULT_DB_ALIAS
from django.urls import NoReverseMatch, reverse

from audittrail.revisions.models import BaseRevision
from audittrail.timetravel.moment import live_alias


@dataclass(frozen=True)
class Link:
    """A link of a page: its text, where it leads (None: nowhere, the page itself), and a CSS class."""

    text: Any
    url: str | None = None
    style: str = ""


def site_url(site: AdminSite, name: str, *args: Any, **parameters: Any) -> str | None:
    """Return the address of a page of a site by the name of its URL, None if the site has no such page.

    Parameters become the query string; those that are None are left out.
    """
    try:
        address = reverse(f"admin:{name}", args=args, current_app=site.name)
    except NoReverseMatch:
        return None
    given = {key: value for key, value in parameters.items() if value is not None}
    return f"{address}?{urlencode(given, doseq=True)}" if given else address


def model_url(model_admin: ModelAdmin[Any], name: str, *args: Any, **parameters: Any) -> str | None:
    """Return the address of a page of a model (`changelist`, `audittrail_deleted`), see `site_url`."""
    prefix = f"{model_admin.opts.app_label}_{model_admin.opts.model_name}"
    return site_url(model_admin.admin_site, f"{prefix}_{name}", *args, **parameters)


def object_url(
    model_admin: ModelAdmin[Any], name: str, pk: Any, *args: Any, **parameters: Any
) -> str | None:
    """Return the address of a page of an object (`change`, `history`, `audittrail_compare`), see `site_url`."""
    return model_url(model_admin, name, quote(pk), *args, **parameters)


#: Set on methods of Django's classes that we have extended.
EXTENDED: Final = "_shows_history"


def has_own_history(model_admin: ModelAdmin[Any]) -> bool:
    """Return whether the History button of a ModelAdmin leads to a page of its own, and not, or not only, to ours."""
    return not hasattr(type(model_admin).history_view, EXTENDED)


def history_url(model_admin: ModelAdmin[Any] | None, pk: Any) -> str | None:
    """Return the address of the history of an object, None for one of a model that has no ModelAdmin of its own."""
    if model_admin is None:
        return None
    name = "audittrail_history" if has_own_history(model_admin) else "history"
    return object_url(model_admin, name, pk)


def revision_url(
    site: AdminSite, revision: BaseRevision, name: str = "audittrail_revision"
) -> str | None:
    """Return the address of a page of a revision; one of another database than the default says so."""
    return site_url(site, name, revision.pk, database=database_parameter(revision._state.db))


def database_parameter(alias: str | None) -> str | None:
    """Return how an address names the database of a revision: not at all if it is the default one."""
    database = live_alias(alias or DEFAULT_DB_ALIAS)
    return None if database == DEFAULT_DB_ALIAS else database
