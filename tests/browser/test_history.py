"""The history of one object on the demo's data: its timeline, comparing two moments, and the object as it was."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.accessibility import faults

ESWATINI = "/admin/registry/country/SZ/"
FIRST = "First load of the register"


def test_eswatini_was_called_swaziland(open_demo) -> None:
    page = open_demo("support")
    page.goto(f"{ESWATINI}change/")
    page.get_by_role("link", name="History").first.click()
    expect(page.get_by_text("Kingdom of Swaziland").first).to_be_visible()
    expect(
        page.get_by_text("Eswatini and North Macedonia take their new names").first
    ).to_be_visible()
    assert faults(page) == []


def test_2018_is_compared_with_today(demo, open_demo) -> None:
    page = open_demo("support")
    page.goto(f"{ESWATINI}audittrail/compare/?from={demo.revision(FIRST)}")
    expect(page.get_by_role("heading", name="What has changed")).to_be_visible()
    expect(page.locator("del").filter(has_text="Swaziland").first).to_be_visible()
    expect(page.locator("ins").filter(has_text="Eswatini").first).to_be_visible()
    assert faults(page) == []


def test_two_picked_entries_are_compared(open_demo) -> None:
    page = open_demo("support")
    page.goto(f"{ESWATINI}history/")
    page.get_by_role("button", name="Compare the two picked").click()
    assert "/audittrail/compare/?" in page.url
    expect(page.get_by_role("heading", name="Compare").first).to_be_visible()


def test_the_object_is_shown_as_it_was(demo, open_demo) -> None:
    page = open_demo("support")
    page.goto(f"{ESWATINI}audittrail/{demo.revision(FIRST)}/")
    expect(page.get_by_text("Kingdom of Swaziland").first).to_be_visible()
    assert faults(page) == []


def test_a_proposal_shows_its_text_lists_and_comments(open_demo, demo) -> None:
    ((number,),) = demo.query("SELECT id FROM registry_proposal WHERE country_id = 'SZ'")
    page = open_demo("editor")
    page.goto(f"/admin/registry/proposal/{number}/history/")
    expect(page.get_by_text("Two years are enough; who takes it out again?").first).to_be_visible()
    assert faults(page) == []


def test_a_deleted_object_keeps_its_history(open_demo) -> None:
    page = open_demo("support")
    page.goto("/admin/registry/country/LI/history/")
    expect(page.get_by_text("This object was deleted.")).to_be_visible()
    assert faults(page) == []


@pytest.mark.parametrize("path", ["history/", "audittrail/compare/"])
def test_history_needs_the_permission_to_view(open_demo, path) -> None:
    request = open_demo("trainee").request
    assert request.get(f"{ESWATINI}{path}").status == 403
    assert request.post(f"{ESWATINI}{path}").status in (403, 405)
