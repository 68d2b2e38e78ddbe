"""The time machine on the demo's data: travel to 2019, browse, change nothing, and come back."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessibility import faults, tab_to

MACHINE = "/admin/audittrail/time-machine/"
BANNER = "You see the past"


def travel(page: Page, day: str) -> None:
    page.goto(MACHINE)
    page.get_by_label("Date").fill(day)
    page.get_by_role("button", name="Travel there").click()
    # Going on before the answer, one would stay in the present.
    expect(page.get_by_text(BANNER)).to_be_visible()


def test_browsing_2019(open_demo) -> None:
    page = open_demo("admin")
    page.goto(MACHINE)
    assert faults(page) == []
    travel(page, "2019-03-01")
    for path in (
        "",
        "registry/country/",
        "registry/country/SZ/change/",
        "registry/subdivision/?country__alpha_2__exact=KE",
    ):
        page.goto(f"/admin/{path}")
        expect(page.get_by_text(BANNER)).to_be_visible()
        assert (path, faults(page)) == (path, [])
    page.goto("/admin/registry/country/")
    page.locator("#searchbar").fill("Swaziland")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=Swaziland**")
    page.get_by_role("link", name="Swaziland").click()
    expect(page.get_by_text("Kingdom of Swaziland")).to_be_visible()
    assert page.locator("input[name=_save]").count() == 0
    page.get_by_role("button", name="Return to now").click()
    expect(page.get_by_text(BANNER)).to_have_count(0)
    expect(page.get_by_label("Name:", exact=True)).to_have_value("Eswatini")


def test_nothing_can_be_changed_there(demo, open_demo) -> None:
    page = open_demo("admin")
    travel(page, "2019-03-01")
    page.goto("/admin/registry/country/SZ/change/")
    token = page.locator("input[name=csrfmiddlewaretoken]").first.input_value()
    before = demo.query("SELECT max(id) FROM audittrail.revision")
    for path, form in {
        "registry/country/SZ/change/": {"name": "Ours", "alpha_3": "SWZ", "numeric": "748"},
        "registry/country/SZ/delete/": {"post": "yes"},
        "registry/country/add/": {
            "alpha_2": "XX",
            "name": "Ours",
            "alpha_3": "XXX",
            "numeric": "000",
        },
        "registry/country/": {"action": "delete_selected", "_selected_action": "SZ", "post": "yes"},
    }.items():
        answer = page.request.post(
            f"/admin/{path}", form={**form, "csrfmiddlewaretoken": token}, max_redirects=0
        )
        assert (path, answer.status) == (path, 403)
    assert demo.query("SELECT max(id) FROM audittrail.revision") == before


def test_only_the_traveller_sees_it(open_demo) -> None:
    travel(open_demo("admin"), "2019-03-01")
    page = open_demo("editor")
    page.goto("/admin/registry/country/SZ/change/")
    expect(page.get_by_text(BANNER)).to_have_count(0)
    expect(page.get_by_label("Name:", exact=True)).to_have_value("Eswatini")


def test_travelling_by_keyboard(open_demo) -> None:
    page = open_demo("support")
    page.goto(MACHINE)
    tab_to(page, page.get_by_role("button", name="Travel there"))
    page.get_by_label("Date").fill("2020-01-01")
    page.keyboard.press("Enter")
    expect(page.get_by_text(BANNER)).to_be_visible()
    tab_to(page, page.get_by_role("button", name="Return to now"))
    page.keyboard.press("Enter")
    expect(page.get_by_text(BANNER)).to_have_count(0)


@pytest.mark.parametrize("day", ["2017-01-01", "no day", ""])
def test_a_moment_that_is_none_is_explained(open_demo, day) -> None:
    page = open_demo("support")
    page.goto(MACHINE)
    field = page.get_by_label("Date")
    # A field for dates takes no other text from the keyboard.
    field.evaluate("(field, day) => { field.type = 'text'; field.value = day }", day)
    page.get_by_role("button", name="Travel there").click()
    expect(page.locator(".errorlist").first).to_be_visible()
    expect(page.get_by_text(BANNER)).to_have_count(0)
    assert faults(page) == []


def test_who_sees_no_history_does_not_travel(open_demo, visits) -> None:
    page = open_demo("trainee")
    with visits.expecting("status of 403"):
        page.goto(MACHINE)
    page.goto("/admin/")
    token = page.locator("input[name=csrfmiddlewaretoken]").first.input_value()
    answer = page.request.post(MACHINE, form={"date": "2019-03-01", "csrfmiddlewaretoken": token})
    assert answer.status == 403


def test_history_ends_at_the_moment_and_revisions_lead_there(open_demo) -> None:
    page = open_demo("admin")
    travel(page, "2019-08-01")
    page.goto("/admin/audittrail/revisions/")
    shown = page.locator(".audittrail-when").all_inner_texts()
    assert shown and not any("2022" in text for text in shown)
    page.goto(MACHINE)
    page.get_by_role("button", name="One revision earlier").click()
    banner = page.get_by_role("region", name="Time machine")
    expect(banner).to_contain_text("8 Dec 2018")
    banner.get_by_role("link").first.click()
    expect(page.locator("#content")).to_contain_text("You are at this moment")
    banner.get_by_role("button", name="Return to now").click()
    page.get_by_role("button", name="Travel here").click()
    expect(banner).to_contain_text("8 Dec 2018")


def test_the_banner_stays_in_sight(open_demo) -> None:
    page = open_demo("support")
    travel(page, "2019-08-01")
    page.goto("/admin/registry/subdivision/")
    page.mouse.wheel(0, 2000)
    page.wait_for_function("window.scrollY > 1000")
    expect(page.get_by_role("region", name="Time machine")).to_be_in_viewport()
