"""Every AdminSite and ModelAdmin has the pages, without a line in the project."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest
from django.contrib import admin
from django.http import HttpResponse
from django.urls import resolve, reverse

from audittrail.admin.integration import installation
from audittrail.admin.layout import pages
from tests.structure.tree import ROOT
from tests.testapp.models import Tag

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def extra_pages(monkeypatch: Any) -> None:
    """Add a page to models, one to sites, and a History page, in place of those that there are."""
    pages.load()
    for name in ("_model_pages", "_site_pages", "_history_views"):
        monkeypatch.setattr(pages, name, [])
    pages.model_page("<path:object_id>/history/probe/", "audittrail_probe")(
        lambda model_admin, request, object_id: HttpResponse(
            f"{model_admin.opts.label} {object_id}"
        )
    )
    pages.site_page("audittrail/probe/", "audittrail_probe")(
        lambda site, request: HttpResponse(site.name)
    )
    pages.history_page(
        lambda model_admin, request, object_id, extra_context: HttpResponse(
            f"history of {object_id} {extra_context}"
        )
    )


def urls_of(site: admin.AdminSite) -> Any:
    """Return a URL configuration with the site's present URLs."""
    from django.urls import path

    module: Any = ModuleType("urls_of_a_test")
    module.urlpatterns = [path("site/", site.urls)]
    return module


def test_a_site_made_now_has_the_pages(extra_pages: None, settings: Any, as_superuser: Any) -> None:
    site = admin.AdminSite(name="late")
    site.register(Tag)
    settings.ROOT_URLCONF = urls_of(site)
    page = as_superuser.get("/site/audittrail/probe/")
    assert page.content == b"late"
    page = as_superuser.get("/site/testapp/tag/4_2F2/history/probe/")
    assert page.content == b"testapp.Tag 4_2F2"
    assert (
        reverse("late:testapp_tag_audittrail_probe", args=[1])
        == "/site/testapp/tag/1/history/probe/"
    )


def test_pages_ask_for_a_login_and_refuse_other_methods(
    extra_pages: None, settings: Any, client: Any, as_superuser: Any
) -> None:
    site = admin.AdminSite(name="late")
    site.register(Tag)
    settings.ROOT_URLCONF = urls_of(site)
    for path in ("/site/audittrail/probe/", "/site/testapp/tag/1/history/probe/"):
        assert client.get(path).status_code == 302
        assert as_superuser.post(path).status_code == 405
        assert as_superuser.head(path).status_code == 200


def test_an_untracked_model_keeps_the_history_of_django(
    extra_pages: None, settings: Any, as_superuser: Any
) -> None:
    site = admin.AdminSite(name="late")
    site.register(Tag)
    settings.ROOT_URLCONF = urls_of(site)
    tag = Tag.objects.create(name="a")
    url = f"/site/testapp/tag/{tag.pk}/history/"
    assert as_superuser.get(url).content.startswith(b"history of")
    settings.AUDITTRAIL_EXCLUDE = ["testapp.Tag"]
    assert b"Change history" in as_superuser.get(url).content
    assert as_superuser.get(f"{url}probe/").status_code == 404


def test_a_custom_site_and_its_model_admins_keep_what_is_their_own(as_superuser: Any) -> None:
    assert as_superuser.get("/support/hello/").content == b"hello"
    index = as_superuser.get("/support/")
    assert index.context["greeting"] == "Welcome"
    assert index.status_code == 200
    assert as_superuser.get("/support/testapp/tag/").context["title"] == "All the tags"


@pytest.mark.parametrize("site", ["admin", "support", "themed"])
def test_the_index_of_every_site_has_the_recent_changes_once(as_superuser: Any, site: str) -> None:
    Tag.objects.create(name="a")
    page = as_superuser.get(f"/{site}/").content.decode()
    assert page.count('id="audittrail-recent-title"') == 1


def test_installing_twice_extends_once() -> None:
    before = admin.AdminSite.get_urls, admin.ModelAdmin.change_view
    installation.install()
    assert (admin.AdminSite.get_urls, admin.ModelAdmin.change_view) == before


def test_django_pages_stay_where_they_are() -> None:
    assert resolve("/admin/testapp/tag/add/").url_name == "testapp_tag_add"
    assert resolve("/admin/testapp/tag/1/history/").url_name == "testapp_tag_history"
    assert resolve("/admin/testapp/tag/a/b/change/").url_name == "testapp_tag_change"


PROGRAM = """
import django
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["django.contrib.admin.apps.SimpleAdminConfig", "django.contrib.auth",
        "django.contrib.contenttypes", "django.contrib.messages", "django.contrib.sessions", "audittrail"],
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "none"}},
)
django.setup()
from django.contrib.admin import AdminSite
print(getattr(AdminSite.get_urls, "_shows_history", False))
"""


def test_a_project_without_autodiscover_has_the_pages_too() -> None:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert run.stdout == "True\n"


def test_the_menu_of_the_admin_has_the_pages(as_superuser: Any, staff: Any, log_in: Any) -> None:
    for path in ("/admin/", "/support/", "/admin/testapp/tag/", "/support/testapp/customer/"):
        page = as_superuser.get(path)
        site = path.split("/")[1]
        menu = {app["app_label"]: app for app in page.context["available_apps"]}["audittrail"]
        assert f"/{site}/audittrail/revisions/" in [entry["admin_url"] for entry in menu["models"]]
    page = log_in(staff("outsider")).get("/admin/")
    assert "audittrail" not in {app["app_label"] for app in page.context["available_apps"]}
