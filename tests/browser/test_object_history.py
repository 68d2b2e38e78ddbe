"""The way through the pages of an object's history: from one to the next, by keyboard, with filters, in every look."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessibility import faults, tab_to

ESWATINI = "/admin/registry/country/SZ/history/"
PROPOSALS = "/admin/registry/proposal/"


def proposal(page: Page) -> str:
    """Go to the history of a proposal with texts, JSON, comments and related subdivisions."""
    page.goto(PROPOSALS)
    page.get_by_role("link", name="Say what Eswatini was called before").click()
    page.get_by_role("link", name="History").click()
    return page.url


def test_eswatini_was_swaziland(open_demo) -> None:
    page = open_demo("support")
    page.goto("/admin/registry/country/SZ/change/")
    page.get_by_role("link", name="History").click()
    expect(page).to_have_url(re.compile("country/SZ/history/$"))
    entry = page.get_by_role("listitem").filter(has_text="take their new names")
    expect(entry.locator("del").first).to_have_text("Swaziland")
    expect(entry.locator("ins").first).to_have_text("Eswatini")
    oldest = page.get_by_role("listitem").filter(has_text="First load of the register")
    oldest.get_by_role("link", name="View as it was").click()
    expect(page.get_by_role("heading", name="Swaziland", exact=True)).to_be_visible()
    page.get_by_role("link", name="Compare with now").click()
    row = page.get_by_role("row").filter(has_text="Official name")
    expect(row.locator("del")).to_have_text("Kingdom of Swaziland")
    expect(row.locator("ins")).to_have_text("Kingdom of Eswatini")
    page.get_by_text("fields have not changed").click()
    expect(page.get_by_text("SWZ")).to_be_visible()


def test_two_entries_are_picked_by_keyboard_and_compared(open_demo) -> None:
    page = open_demo("support")
    page.goto(ESWATINI)
    froms = page.locator("input[name=from]")
    tos = page.locator("input[name=to]")
    tab_to(page, tos.first)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    # The earlier moment stays below the later one.
    expect(tos.nth(2)).to_be_checked()
    expect(froms.nth(3)).to_be_checked()
    page.get_by_role("button", name="Compare the two picked").click()
    expect(page).to_have_url(re.compile(r"compare/\?(to=36&from=28|from=28&to=36)$"))
    expect(page.get_by_role("row").filter(has_text="Swaziland")).to_have_count(2)


def test_filters(open_demo) -> None:
    page = open_demo("admin")
    proposal(page)
    page.get_by_text("Filter the history").first.click()
    page.get_by_label("Field").select_option(label="Status")
    page.get_by_label("Operation").select_option("U")
    page.get_by_role("button", name="Filter", exact=True).click()
    expect(page.locator(".audittrail-entry")).to_have_count(2)
    page.get_by_role("link", name="Clear all filters").click()
    expect(page.locator(".audittrail-entry")).to_have_count(4)


@pytest.mark.parametrize("tail", ["", "{version}/", "compare/?from={version}", "?operation=D"])
def test_pages_in_every_look(open_demo, tail) -> None:
    page = open_demo("admin")
    base = proposal(page)
    version = page.locator("input[name=from]").last.get_attribute("value")
    page.goto(base + tail.format(version=version))
    assert faults(page) == []
