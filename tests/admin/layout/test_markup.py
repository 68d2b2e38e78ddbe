"""Pages work under `default-src 'self'`, and what people have written is text in them, whatever it looks like."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import get_resolver

from audittrail import history
from audittrail.admin.layout import pages
from tests.admin.hostile import TEXTS
from tests.admin.reading import REVISIONS, forbidden
from tests.builders.sending import newest
from tests.testapp.models import Country, Customer, Order, Tag

pytestmark = pytest.mark.django_db(transaction=True)

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "rect", "source", "wbr", "path"}  # fmt: skip


class Tags(HTMLParser):
    """Check that elements are closed in the order in which they were opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> at {self.getpos()}")


def addresses() -> dict[str, str]:
    """Make something for every page to show, and return the addresses of all pages of GET by their names."""
    customer = Customer.objects.create(name="c", email="c@example.com")
    order = Order.objects.create(customer=customer, reference="r")
    tag = Tag.objects.create(name="gone")
    created = newest()
    order.reference = "rr"
    order.save()
    version = Order.history.versions.filter(pk__isnull=False).latest("version").version  # type: ignore[attr-defined]
    tag.delete()
    values = {
        "object_id": str(order.pk),
        "version": str(version),
        "pk": str(created.pk),
    }
    pages.load()
    found = {}
    for page in pages._site_pages:
        found[page.name] = f"/admin/{page.route}"
    for page in pages._model_pages:
        found[f"testapp_order_{page.name}"] = f"/admin/testapp/order/{page.route}"
    found["history"] = f"/admin/testapp/order/{order.pk}/history/"
    found["index"] = "/admin/"
    found["user"] = f"/admin/auth/user/{User.objects.get(username='root').pk}/change/"
    return {
        name: re.sub(r"<(?:\w+:)?(\w+)>", lambda hole: values[hole[1]], route)
        for name, route in found.items()
    }


def test_no_page_has_inline_scripts_styles_or_handlers(as_superuser) -> None:
    for name, address in addresses().items():
        response = as_superuser.get(address)
        assert response.status_code in (200, 302), (name, response.status_code)
        if response.status_code == 200 and response["Content-Type"].startswith("text/html"):
            assert forbidden(response) == [], name


def test_elements_are_nested_and_ids_are_unique(as_superuser) -> None:
    for name, address in addresses().items():
        response = as_superuser.get(address)
        if response.status_code == 200 and response["Content-Type"].startswith("text/html"):
            tags = Tags()
            tags.feed(response.content.decode())
            assert tags.faults == [], name
            assert tags.open == [], name
            assert sorted(tags.ids) == sorted(set(tags.ids)), name


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: text[:12])
def test_hostile_values_are_text(as_superuser, text) -> None:
    user = User.objects.create(username=text[:150])
    with history.context(user=user, reason=text, method=text, path=text, note={text[:50]: [text]}):
        Tag.objects.create(name="a")
    for address in (REVISIONS, "/admin/", f"{REVISIONS}?q=a&reason={text[:100]}"):
        response = as_superuser.get(address)
        html = response.content.decode()
        assert response.status_code == 200
        assert forbidden(response) == []
        for raw in ("<script>alert", "<img src=x"):
            assert raw not in html
        # No text is ever taken for a template.
        assert "42" not in re.findall(r"<bdi[^>]*>([^<]*)</bdi>", html)


def test_pages_are_named_as_agreed() -> None:
    names = set(get_resolver("tests.admin.sites").namespace_dict["admin"][1].reverse_dict)
    for name in ("audittrail_revisions", "audittrail_revisions_export"):
        assert name in names


def test_null_bytes_in_addresses_and_forms_find_nothing_and_do_no_harm(as_superuser) -> None:
    tag = Tag.objects.create(name="a")
    number = newest().pk
    Tag.objects.update(name="b")
    country = Country.objects.create(code="AA", name="x")
    of_tag, null = f"/admin/testapp/tag/{tag.pk}/audittrail/", "a\0"
    for address, names in {
        REVISIONS: (
            "q",
            "user",
            "since",
            "model",
            "object",
            "operation",
            "reason",
            "source",
            "before",
            "database",
        ),
        f"{REVISIONS}{number}/": ("model", "before", "database"),
        f"{REVISIONS}export/": ("q", "format"),
        of_tag: ("user", "since", "field", "operation", "before"),
        f"{of_tag}compare/": ("from", "to"),
        f"{of_tag}{number}/restore/": ("fields", "related"),
        "/admin/testapp/tag/audittrail/deleted/": ("q", "user", "since", "before"),
        "/admin/testapp/tag/audittrail/deleted/undelete/": ("pk", "cascade"),
        "/admin/testapp/country/audittrail/deleted/": ("q",),
        "/admin/testapp/country/audittrail/deleted/undelete/": ("pk",),
        f"/admin/testapp/country/{country.pk}%00/history/": ("user",),
        f"/admin/testapp/country/{country.pk}%00/audittrail/{number}/": ("user",),
        "/admin/audittrail/time-machine/": ("next",),
    }.items():
        for name in names:
            response = as_superuser.get(address, {name: null})
            assert response.status_code < 500, (address, name)
    for address in (
        f"{of_tag}{number}/restore/",
        f"{REVISIONS}{number}/undo/",
        "/admin/audittrail/time-machine/",
    ):
        names = (
            "reason",
            "digest",
            "options",
            "fields",
            "on_conflict",
            "revision",
            "date",
            "next",
            "database",
        )
        response = as_superuser.post(address, dict.fromkeys(names, null))
        assert response.status_code < 500, address
