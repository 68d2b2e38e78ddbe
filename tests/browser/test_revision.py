"""The page of a revision on the demo's data: what it shows, where it leads, and to whom."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.accessibility import faults

EVERYWHERE = "Subdivisions revised all over the world"
USERS = "Users of the register"


def test_a_release_is_opened_from_the_list(open_demo) -> None:
    page = open_demo("admin")
    page.goto("/admin/audittrail/revisions/?q=world")
    page.locator(".audittrail-table tbody tr").get_by_role("link").first.click()
    expect(page.get_by_role("heading", name=re.compile("^Revision "))).to_be_visible()
    expect(page.get_by_text(EVERYWHERE)).to_be_visible()
    expect(page.get_by_text("South Korea")).to_be_visible()
    page.get_by_text("Everything that was recorded with it").click()
    expect(page.get_by_text("22.1.10", exact=True)).to_be_visible()
    assert faults(page) == []


def test_its_changes_are_paged_by_model(demo, open_demo) -> None:
    page = open_demo("admin")
    page.goto(f"/admin/audittrail/revisions/{demo.revision(EVERYWHERE)}/")
    page.get_by_role("link", name="All changes of Subdivisions").click()
    page.wait_for_url("**model=**")
    rows = page.locator(".audittrail-changes__row")
    first, number = rows.first.inner_text(), rows.count()
    page.get_by_role("link", name="Next", exact=True).click()
    expect(rows.first).not_to_have_text(first, use_inner_text=True)
    expect(rows).to_have_count(number)
    assert faults(page) == []
    page.get_by_role("link", name="All changes of this revision").click()
    expect(page.get_by_text("South Korea")).to_be_visible()


def test_neighbours_lead_back_and_forth(demo, open_demo) -> None:
    page = open_demo("support")
    page.goto(f"/admin/audittrail/revisions/{demo.revision(EVERYWHERE)}/")
    title = page.title()
    page.get_by_role("link", name="Newer revision").click()
    expect(page).not_to_have_title(title)
    page.get_by_role("link", name="Older revision").click()
    expect(page).to_have_title(title)


@pytest.mark.parametrize(
    ("account", "reason", "status"),
    [
        ("auditor", USERS, 200),
        ("support", EVERYWHERE, 200),
        ("support", USERS, 404),
        ("trainee", EVERYWHERE, 403),
    ],
)
def test_who_may_see_it(demo, open_demo, account, reason, status) -> None:
    path = f"/admin/audittrail/revisions/{demo.revision(reason)}/"
    request = open_demo(account).request
    assert request.get(path).status == status
    assert request.post(path).status in (403, 405)


def test_passwords_are_never_shown(demo, open_demo) -> None:
    page = open_demo("auditor")
    page.goto(f"/admin/audittrail/revisions/{demo.revision(USERS)}/")
    expect(page.get_by_role("heading", name=re.compile("Users"))).to_be_visible()
    assert "pbkdf2" not in page.content()
