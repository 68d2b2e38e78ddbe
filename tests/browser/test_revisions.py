"""The revision browser on the demo's data: filters, the chart, exports, and what each role sees."""

from __future__ import annotations

import csv
import json
import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessibility import faults, tab_to

REVISIONS = "/admin/audittrail/revisions/"
NAMING = "Eswatini and North Macedonia take their new names"


def reasons(page: Page) -> str:
    return page.locator(".audittrail-table").inner_text()


def test_it_can_be_read_in_every_look(open_demo) -> None:
    page = open_demo("admin")
    page.goto(REVISIONS)
    expect(page.get_by_text(NAMING)).to_be_visible()
    page.get_by_text("More filters").click()
    page.get_by_text("As a table").click()
    assert faults(page) == []


@pytest.mark.parametrize("width", [1280, 390])
def test_filters_keep_to_their_columns(open_demo, width: int) -> None:
    page = open_demo("admin")
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(REVISIONS)
    page.get_by_text("More filters").click()
    columns = page.locator(".audittrail-filters__field").all()
    assert len(columns) >= 9
    for column in columns:
        around, field = column.bounding_box(), column.locator("input, select").bounding_box()
        assert field["x"] >= around["x"]
        assert field["x"] + field["width"] <= around["x"] + around["width"]


def test_filters_are_used_and_removed(open_demo) -> None:
    page = open_demo("admin")
    page.goto(REVISIONS)
    page.get_by_label("User", exact=True).fill("editor")
    page.get_by_role("button", name="Filter", exact=True).click()
    expect(page.get_by_text(NAMING)).to_have_count(0)
    expect(page.get_by_role("link", name="editor", exact=True).first).to_be_visible()
    page.get_by_text("More filters").click()
    page.get_by_label("Operation").select_option("D")
    page.get_by_label("Model").select_option("registry.country")
    page.get_by_role("button", name="Filter", exact=True).click()
    expect(page.locator(".audittrail-table tbody tr")).to_have_count(1)
    page.get_by_role("link", name=re.compile("Remove the filter.*editor")).click()
    expect(page).not_to_have_url(re.compile("user="))
    page.get_by_role("link", name="Clear all filters").first.click()
    expect(page.get_by_text(NAMING)).to_be_visible()


def test_filters_by_keyboard(open_demo) -> None:
    page = open_demo("auditor")
    page.goto(REVISIONS)
    tab_to(page, page.get_by_label("Search", exact=True))
    page.keyboard.type("Macedonia")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=Macedonia**")
    expect(page.get_by_text(NAMING)).to_be_visible()
    assert page.locator(".audittrail-table tbody tr").count() == 1


def test_wrong_filters_are_explained(open_demo) -> None:
    page = open_demo("admin")
    page.goto(f"{REVISIONS}?since=2020-01-01T00:00&until=2019-01-01T00:00")
    expect(page.get_by_text("The end must be later than the beginning.")).to_be_visible()
    assert faults(page) == []
    page.goto(f"{REVISIONS}?q=nothing+is+called+so")
    expect(page.get_by_text("No revision fits these filters.")).to_be_visible()
    assert faults(page) == []


def test_a_bar_of_the_chart_is_a_filter(open_demo) -> None:
    page = open_demo("admin")
    page.goto(REVISIONS)
    bars = page.get_by_role("region", name="Activity").get_by_role("link")
    before = page.locator(".audittrail-table tbody tr").count()
    bars.first.click()
    page.wait_for_url("**since=**")
    assert 0 < page.locator(".audittrail-table tbody tr").count() < before


def test_what_is_filtered_can_be_exported(open_demo) -> None:
    page = open_demo("admin")
    page.goto(f"{REVISIONS}?user=editor")
    shown = page.locator(".audittrail-table tbody tr").count()
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    with download.value.path().open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    with page.expect_download() as download:
        page.get_by_role("link", name="JSON").click()
    objects = json.loads(download.value.path().read_text(encoding="utf-8"))
    assert len(rows) == len(objects) == shown > 5


def test_support_sees_the_register_alone(open_demo) -> None:
    page = open_demo("support")
    page.goto(REVISIONS)
    expect(page.get_by_text(NAMING)).to_be_visible()
    assert "Users of the register" not in reasons(page)
    page.goto(f"{REVISIONS}?q=Users+of+the+register")
    expect(page.get_by_text("No revision fits these filters.")).to_be_visible()


@pytest.mark.parametrize("path", [REVISIONS, f"{REVISIONS}export/?format=csv"])
def test_who_may_see_nothing_is_refused(open_demo, visits, path) -> None:
    page = open_demo("trainee")
    with visits.expecting("status of 403"):
        page.goto(path)
    assert page.request.post(path).status == 403
