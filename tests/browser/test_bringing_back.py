"""Bringing back what the demo has lost: seen first, and then done, by mouse, by keyboard, and by nobody who may not."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessibility import faults, tab_to

RELEASE = "Subdivisions revised all over the world"
DELETED = "/admin/registry/subdivision/audittrail/deleted/"


def number_of(site, reason: str) -> int:
    ((number,),) = site.query("SELECT id FROM audittrail.revision WHERE reason = %s", reason)
    return int(number)


def do(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def test_every_page_can_be_read_in_every_look(open_demo, demo) -> None:
    page = open_demo("admin")
    release = number_of(demo, RELEASE)
    first = number_of(demo, "First load of the register")
    found = {}
    for path in (
        DELETED,
        f"{DELETED}?q=nothing+is+called+so",
        f"{DELETED}undelete/?pk=LI-01&pk=LI-02",
        f"{DELETED}undelete/?pk=LI-01&related=1&cascade=1",
        f"/admin/registry/country/SZ/history/{first}/restore/",
        f"/admin/audittrail/revisions/{release}/undo/",
        f"/admin/audittrail/revisions/{release}/undo/?on_conflict=skip",
        f"/admin/audittrail/revisions/{release}/restore/",
        f"/admin/audittrail/revisions/{release}/roll-back/",
    ):
        page.goto(path)
        found[path] = faults(page)
    assert {path: wrong for path, wrong in found.items() if wrong} == {}


def test_the_release_of_2022_is_undone_in_a_preview(open_demo, demo) -> None:
    page = open_demo("admin")
    page.goto(f"/admin/audittrail/revisions/{number_of(demo, RELEASE)}/")
    page.get_by_role("link", name="Undo", exact=True).click()
    expect(page.get_by_role("heading", name=re.compile("Undo revision"))).to_be_visible()
    expect(page.get_by_text("A later revision has changed it again: name.").first).to_be_visible()
    expect(page.get_by_role("button", name="Undo the revision")).to_have_count(0)
    page.get_by_label("Leave what was changed again as it is, and undo the rest").check()
    do(page, "Update the preview")
    expect(page.get_by_role("heading", name="Left out because of conflicts")).to_be_visible()
    expect(page.get_by_role("button", name="Undo the revision")).to_be_visible()
    assert demo.query("SELECT FROM audittrail.revision WHERE context ? 'restored'") == []


def test_a_deleted_subdivision_is_recovered(open_demo, changing_demo) -> None:
    page = open_demo("admin")
    page.goto("/admin/registry/subdivision/")
    page.get_by_role("link", name="Deleted objects").click()
    page.get_by_label("Search", exact=True).fill("Vaduz")
    page.get_by_role("button", name="Filter", exact=True).click()
    page.get_by_label("Choose Vaduz (LI-11)").check()
    do(page, "Preview undeleting the chosen")
    expect(
        page.get_by_text(re.compile("Country refers to country .*not there any more"))
    ).to_be_visible()
    page.get_by_label("With what it refers to and what is deleted as well").check()
    do(page, "Update the preview")
    page.get_by_label("Reason").fill("Deleted by mistake")
    do(page, "Undelete")
    expect(page.get_by_text("“Vaduz (LI-11)” was undeleted.")).to_be_visible()
    assert changing_demo.query("SELECT name FROM registry_subdivision WHERE code = 'LI-11'") == [
        ("Vaduz",)
    ]
    assert changing_demo.query("SELECT name FROM registry_country WHERE alpha_2 = 'LI'") == [
        ("Liechtenstein",)
    ]
    page.get_by_role("link", name=re.compile("^revision [0-9]+$")).click()
    expect(page.get_by_text("Deleted by mistake").first).to_be_visible()


def test_eswatini_gets_a_field_of_its_old_name_back(open_demo, changing_demo) -> None:
    page = open_demo("editor")
    first = number_of(changing_demo, "First load of the register")
    page.goto(f"/admin/registry/country/SZ/history/{first}/restore/")
    page.get_by_role("checkbox", name="Official name").uncheck()
    # What was previewed is not what is chosen now, so it is shown first.
    do(page, "Restore")
    expect(page.get_by_text("this is the preview of what you have chosen now")).to_be_visible()
    do(page, "Restore")
    expect(page.get_by_text(re.compile("was restored as of"))).to_be_visible()
    assert changing_demo.query(
        "SELECT name, official_name FROM registry_country WHERE alpha_2 = 'SZ'"
    ) == [("Swaziland", "Kingdom of Eswatini")]


def test_a_stale_preview_says_so(open_demo, visits, changing_demo) -> None:
    page = open_demo("editor")
    first = number_of(changing_demo, "First load of the register")
    page.goto(f"/admin/registry/country/SZ/history/{first}/restore/")
    changing_demo.query("UPDATE registry_country SET name = 'Ngwane' WHERE alpha_2 = 'SZ'")
    page.get_by_label("Reason").fill("Stale")
    with visits.expecting("status of 409"):
        do(page, "Restore")
        expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("something has changed since the preview")
    expect(page.get_by_text("Ngwane").first).to_be_visible()
    expect(page.get_by_label("Reason")).to_have_value("Stale")


def test_all_of_a_page_are_chosen_by_keyboard(open_demo) -> None:
    page = open_demo("admin")
    page.goto(f"{DELETED}?user=editor")
    # The fields of a moment take several times Tab each.
    page.get_by_role("button", name="Filter", exact=True).focus()
    tab_to(page, page.get_by_label("Choose all on this page"))
    page.keyboard.press("Space")
    boxes = page.locator("td input[type=checkbox]")
    assert boxes.count() == 11
    assert page.locator("td input[type=checkbox]:checked").count() == 11
    tab_to(page, page.get_by_role("button", name="Preview undeleting the chosen"))
    page.keyboard.press("Enter")
    page.wait_for_url("**undelete/**")
    expect(page.get_by_text("These 11 would come back as they last were:")).to_be_visible()


def test_rolling_back_wants_the_number_typed(open_demo, changing_demo) -> None:
    page = open_demo("admin")
    number = number_of(changing_demo, "The former name is no common name")
    page.goto(f"/admin/audittrail/revisions/{number}/")
    page.get_by_role("link", name="Roll back", exact=True).click()
    expect(page.get_by_text("later revisions are erased")).to_be_visible()
    do(page, "Roll back, and erase later history")
    # The browser itself wants the field filled in.
    assert page.url.endswith("/roll-back/")
    page.get_by_label(f"Type {number} to confirm").fill(str(number))
    do(page, "Roll back, and erase later history")
    expect(
        page.get_by_text(re.compile(f"Everything was rolled back to revision {number}"))
    ).to_be_visible()
    assert (
        changing_demo.query(
            "SELECT FROM audittrail.revision WHERE reason LIKE %s", "Nobody has put%"
        )
        == []
    )


@pytest.mark.parametrize(
    ("role", "path"),
    [
        ("support", f"{DELETED}undelete/?pk=LI-01"),
        ("support", "/admin/registry/country/SZ/history/{first}/restore/"),
        ("support", "/admin/audittrail/revisions/{first}/undo/"),
        ("editor", "/admin/audittrail/revisions/{first}/restore/"),
        ("editor", "/admin/audittrail/revisions/{first}/roll-back/"),
        ("trainee", DELETED),
    ],
)
def test_who_may_not_is_refused(open_demo, visits, demo, role, path) -> None:
    page = open_demo(role)
    address = path.format(first=number_of(demo, "First load of the register"))
    with visits.expecting("status of 403"):
        page.goto(address)
    assert page.request.post(address).status == 403


def test_support_sees_what_is_deleted_and_can_not_choose(open_demo) -> None:
    page = open_demo("support")
    page.goto(DELETED)
    expect(page.get_by_role("link", name="Vaduz (LI-11)")).to_be_visible()
    assert page.locator("input[name=pk]").count() == 0
    expect(page.get_by_role("button", name="Preview undeleting the chosen")).to_have_count(0)
