"""Hostile values are shown as text, on every page, and no page grows with them."""

from __future__ import annotations

import csv
from typing import Any
from urllib.parse import quote as url_quote

import pytest
from django.contrib.admin.utils import quote
from playwright.sync_api import Page, expect

from tests.browser import hostile
from tests.browser.accessibility import overflow
from tests.builders.sending import newest
from tests.testapp.models import Customer, Order

pytestmark = pytest.mark.django_db(transaction=True)

#: More than any page needs; a value alone may have a megabyte.
LONGEST = 500_000
#: Versions alone are shown whole, as long as they have no more than two megabytes.
WHOLE = 2_000_000 + LONGEST
REVISIONS = "audittrail/revisions/"
MACHINE = "audittrail/time-machine/"
#: What is wrong, by the paths of pages.
Faults = dict[str, list[str]]
#: Pages that show nothing of what people have written.
SILENT = {MACHINE}


def below(obj: Any, tail: str = "") -> str:
    """Return the path of the history of an object, or of a page below it."""
    meta = obj._meta
    return f"{meta.app_label}/{meta.model_name}/{url_quote(quote(str(obj.pk)))}/audittrail/{tail}"


def faults(page: Page, paths: list[str], longest: int = LONGEST) -> Faults:
    """Open pages of the admin and return what is wrong with those where something is."""
    found: Faults = {}
    for path in paths:
        response = page.goto(f"/admin/{path}")
        assert response is not None and response.status == 200, (path, response)
        found[path] = hostile.check(page, longest)
        if path not in SILENT and not hostile.are_shown(page):
            found[path].append("shows none of them")
    return {path: wrong for path, wrong in found.items() if wrong}


def test_lists_of_revisions_show_them_as_text(open_page) -> None:
    hostile.make()
    page = open_page("superuser")
    wrong: Faults = {}
    paths = [
        "",
        REVISIONS,
        f"{REVISIONS}?q={url_quote(hostile.ALL)}&reason={url_quote(hostile.ALL)}",
    ]
    wrong |= faults(page, paths)
    page.goto(f"/admin/{REVISIONS}")
    expect(page.get_by_text(hostile.MARKUP).first).to_be_visible()
    expect(page.get_by_text("{{ request.user.password }}").first).to_be_visible()
    assert wrong == {}


def test_pages_of_an_object_show_them_as_text(open_page) -> None:
    made = hostile.make()
    page = open_page("superuser")
    wrong: Faults = {}
    for name in ("customer", "document", "order", "specimen", "country", "note", "gone"):
        base = below(made[name])
        wrong |= faults(page, [f"{base}compare/", base])
        picks = page.locator("input[name=from]").evaluate_all("all => all.map(one => one.value)")
        moments = f"{base}compare/?from={picks[-1]}&to={picks[0]}"
        wrong |= faults(page, [moments, f"{base}{picks[-1]}/restore/"])
        wrong |= faults(page, [f"{base}{pick}/" for pick in picks], WHOLE)
    assert wrong == {}


def test_pages_of_revisions_show_them_as_text(open_page) -> None:
    hostile.make()
    page = open_page("superuser")
    wrong: Faults = {}
    for number in hostile.revisions():
        base = f"{REVISIONS}{number}/"
        wrong |= faults(
            page, [base, *(f"{base}{name}/" for name in ("undo", "restore", "roll-back"))]
        )
    assert wrong == {}


def test_lists_of_what_is_deleted_show_them_as_text(open_page) -> None:
    hostile.make()
    page = open_page("superuser")
    wrong: Faults = {}
    for model in ("document", "country", "organization", "person", "product"):
        base = f"testapp/{model}/audittrail/deleted/"
        wrong |= faults(page, [f"{base}?q={url_quote(hostile.ALL)}", base])
        key = page.locator("input[name=pk]").first.input_value()
        wrong |= faults(page, [f"{base}undelete/?pk={url_quote(key)}"])
    assert wrong == {}


def test_what_is_said_afterwards_is_text(open_page) -> None:
    made = hostile.make()
    page = open_page("superuser")
    page.goto(f"/admin/testapp/document/audittrail/deleted/undelete/?pk={made['gone'].pk}")
    page.get_by_label("Reason").fill(hostile.ALL)
    page.get_by_role("button", name="Undelete", exact=True).click()
    expect(page.locator(".messagelist")).to_contain_text(hostile.MARKUP)
    assert hostile.check(page, LONGEST) == []


def test_the_past_shows_them_as_text(open_page) -> None:
    made = hostile.make()
    page = open_page("superuser")
    wrong: Faults = {}
    page.goto(f"/admin/{REVISIONS}{hostile.revisions()[2]}/")
    page.get_by_role("button", name="Travel here").click()
    expect(page.get_by_role("region", name="Time machine")).to_be_visible()
    paths = ["", MACHINE, "testapp/customer/", below(made["customer"])]
    wrong |= faults(page, paths)
    assert wrong == {}


def test_no_cell_of_an_export_is_a_formula(open_page) -> None:
    hostile.make()
    page = open_page("superuser")
    page.goto("/admin/audittrail/revisions/")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    # A reason of a megabyte is not cut short.
    csv.field_size_limit(2 * len(hostile.MUCH))
    with download.value.path().open(newline="", encoding="utf-8-sig") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert any(hostile.FORMULA in cell for cell in cells)
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))] == []


@pytest.mark.parametrize("width", [390, 1280])
def test_what_breaks_nowhere_fits_the_preview_that_brings_it_back(open_page, width: int) -> None:
    order = Order.objects.create(
        customer=Customer.objects.create(name="Ada"), reference="W" * 20, details={"a": "W" * 900}
    )
    customer = order.customer
    Customer.objects.filter(pk=customer.pk).update(name="W" * 100)
    picked = newest().pk
    Customer.objects.filter(pk=customer.pk).update(name="Bea")
    page = open_page("superuser", viewport={"width": width, "height": 900})
    page.goto(f"/admin/{below(customer, f'{picked}/restore/')}")
    expect(page.get_by_text("It was called")).to_be_visible()
    assert overflow(page) == []
    label = page.get_by_role("rowheader", name="Name").locator("label")
    assert label.evaluate("one => one.getBoundingClientRect().height") < 40, (
        "its word is not broken"
    )


def test_the_indentation_of_a_structure_is_seen_where_pages_run_from_the_right(open_page) -> None:
    customer = Customer.objects.create(name="Ada")
    order = Order.objects.create(
        customer=customer, reference="A1", details={"deep": {"considerably": 1}}
    )
    order.details = {"deep": {"considerably": 2}}
    order.save()
    page = open_page("superuser", locale="ar")
    page.goto(f"/admin/{below(order)}")
    assert page.evaluate("document.documentElement.dir") == "rtl"
    words = page.locator(".audittrail-words").first
    outer, inner = words.evaluate(
        """one => ["deep:", "considerably: 2"].map(text => {
            const walker = document.createTreeWalker(one, NodeFilter.SHOW_TEXT);
            while (walker.nextNode()) {
                const start = walker.currentNode.data.indexOf(text);
                if (start < 0) continue;
                const range = document.createRange();
                range.setStart(walker.currentNode, start);
                range.setEnd(walker.currentNode, start + text.length);
                return range.getBoundingClientRect().left;
            }
        })"""
    )
    assert outer < inner
