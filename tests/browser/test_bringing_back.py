"""Bringing back what the demo has lost: seen first, and then done, by mouse, by keyboard, and by nobody who may not."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessibility import faults, tab_to

FIRST = "First load of the register"
RELEASE = "Subdivisions revised all over the world"
DELETED = "/admin/registry/subdivision/audittrail/deleted/"
COUNTRIES = "/admin/registry/country/audittrail/deleted/"
LATEST = "SELECT max(id) FROM audittrail.revision"
TIDIED = "SELECT id FROM audittrail.revision WHERE context ->> 'command' = 'tidy_names'"
SAINTS = "SELECT count(*) FROM registry_subdivision WHERE name LIKE '%Saint %'"
TURKEY = "SELECT name FROM registry_country WHERE alpha_2 = 'TR'"


def tidied(site) -> str:
    """Return the path of the revision that a command made by night."""
    ((number,),) = site.query(TIDIED)
    return f"/admin/audittrail/revisions/{number}/"


def do(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def token(page: Page) -> dict[str, str]:
    """Return what every form is posted with, from a page that everybody on the staff may see."""
    page.goto("/admin/")
    field = page.locator("input[name=csrfmiddlewaretoken]").first
    return {"csrfmiddlewaretoken": field.input_value()}


def fields(page: Page) -> dict[str, str]:
    """Return what the preview would post."""
    shown: dict[str, str] = page.locator("form.audittrail-proposal").evaluate(
        "form => Object.fromEntries(new FormData(form))"
    )
    return shown


def test_every_page_can_be_read_in_every_look(open_demo, demo) -> None:
    page = open_demo("admin")
    release = demo.revision(RELEASE)
    found = {}
    for path in (
        COUNTRIES,
        DELETED,
        f"{DELETED}?q=nothing+is+called+so",
        f"{DELETED}undelete/?pk=LI-01&pk=LI-02",
        f"{DELETED}undelete/?pk=LI-01&related=1&cascade=1",
        f"/admin/registry/country/SZ/audittrail/{demo.revision(FIRST)}/restore/",
        f"{tidied(demo)}undo/",
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
    latest = demo.query(LATEST)
    page.goto(f"/admin/audittrail/revisions/{demo.revision(RELEASE)}/")
    page.get_by_role("link", name="Undo", exact=True).click()
    expect(page.get_by_role("heading", name=re.compile("Undo revision"))).to_be_visible()
    expect(page.get_by_role("heading", name=re.compile("^Conflicts"))).to_be_visible()
    expect(page.get_by_text("A later revision has changed it again: name.").first).to_be_visible()
    expect(page.get_by_role("button", name="Undo the revision")).to_have_count(0)
    page.get_by_label("Leave what was changed again as it is, and undo the rest").check()
    do(page, "Update the preview")
    expect(page.get_by_role("heading", name="Left out because of conflicts")).to_be_visible()
    expect(page.get_by_role("button", name="Undo the revision")).to_be_visible()
    assert demo.query(LATEST) == latest


def test_a_nights_work_is_undone(changing_demo, open_demo) -> None:
    page = open_demo("editor")
    page.goto(tidied(changing_demo))
    page.get_by_role("link", name="Undo", exact=True).click()
    expect(page.get_by_text("St. ").first).to_be_visible()
    ((before,),) = changing_demo.query(SAINTS)
    page.get_by_label("Reason").fill("Names are spelled out")
    tab_to(page, page.get_by_role("button", name="Undo the revision"))
    page.keyboard.press("Enter")
    expect(page.locator(".messagelist")).to_contain_text("revision")
    assert changing_demo.query(SAINTS) == [(before + 63,)]
    number = changing_demo.revision("Names are spelled out")
    ((path,),) = changing_demo.query(
        "SELECT context ->> 'path' FROM audittrail.revision WHERE id = %s", number
    )
    assert path.endswith("/undo/")


def test_a_deleted_subdivision_is_recovered(open_demo, changing_demo) -> None:
    page = open_demo("admin")
    page.goto("/admin/registry/subdivision/")
    page.get_by_role("link", name="Deleted objects").click()
    page.get_by_label("Search", exact=True).fill("Vaduz")
    do(page, "Filter")
    page.get_by_label("Choose Vaduz (LI-11)").check()
    do(page, "Preview undeleting the chosen")
    missing = page.get_by_text(re.compile("Country refers to Liechtenstein .*not there any more"))
    expect(missing).to_be_visible()
    page.get_by_label("With what it refers to and what is deleted as well").check()
    do(page, "Update the preview")
    page.get_by_label("Reason").fill("Deleted by mistake")
    do(page, "Undelete")
    expect(page.get_by_text("“Vaduz (LI-11)” was undeleted.")).to_be_visible()
    subdivision = "SELECT name FROM registry_subdivision WHERE code = 'LI-11'"
    assert changing_demo.query(subdivision) == [("Vaduz",)]
    country = "SELECT name FROM registry_country WHERE alpha_2 = 'LI'"
    assert changing_demo.query(country) == [("Liechtenstein",)]
    page.get_by_role("link", name=re.compile("^revision [0-9]+$")).click()
    expect(page.get_by_text("Deleted by mistake").first).to_be_visible()


def test_liechtenstein_is_recovered_with_its_communes(changing_demo, open_demo) -> None:
    page = open_demo("editor")
    page.goto("/admin/registry/country/")
    page.get_by_role("link", name="Deleted objects").click()
    page.get_by_role("row", name=re.compile("Liechtenstein")).get_by_role("checkbox").check()
    do(page, "Preview undeleting the chosen")
    expect(page.get_by_role("link", name="Vaduz (LI-11)")).to_be_visible()
    do(page, "Undelete")
    expect(page.locator(".messagelist")).to_be_visible()
    communes = "SELECT count(*) FROM registry_subdivision WHERE country_id = 'LI'"
    assert changing_demo.query(communes) == [(11,)]


def test_eswatini_gets_a_field_of_its_old_name_back(open_demo, changing_demo) -> None:
    page = open_demo("editor")
    page.goto(f"/admin/registry/country/SZ/audittrail/{changing_demo.revision(FIRST)}/restore/")
    page.get_by_role("checkbox", name="Official name").uncheck()
    # What was previewed is not what is chosen now, so it is shown first.
    do(page, "Restore")
    expect(page.get_by_text("this is the preview of what you have chosen now")).to_be_visible()
    do(page, "Restore")
    expect(page.get_by_text(re.compile("Restored in .* as of"))).to_be_visible()
    names = "SELECT name, official_name FROM registry_country WHERE alpha_2 = 'SZ'"
    assert changing_demo.query(names) == [("Swaziland", "Kingdom of Eswatini")]


def test_a_stale_preview_says_so(open_demo, visits, changing_demo) -> None:
    page = open_demo("editor")
    page.goto(f"/admin/registry/country/SZ/audittrail/{changing_demo.revision(FIRST)}/restore/")
    changing_demo.query("UPDATE registry_country SET name = 'Ngwane' WHERE alpha_2 = 'SZ'")
    latest = changing_demo.query(LATEST)
    page.get_by_label("Reason").fill("Stale")
    with visits.expecting("status of 409"):
        do(page, "Restore")
        expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("something has changed since the preview")
    expect(page.get_by_text("Ngwane").first).to_be_visible()
    expect(page.get_by_label("Reason")).to_have_value("Stale")
    assert changing_demo.query(LATEST) == latest


def test_all_of_a_page_are_chosen_by_keyboard(open_demo) -> None:
    page = open_demo("admin")
    page.goto(f"{DELETED}?user=editor")
    # The fields of a moment take several times Tab each.
    page.get_by_role("button", name="Filter", exact=True).focus()
    tab_to(page, page.get_by_label("Choose all on this page"))
    page.keyboard.press("Space")
    expect(page.locator("td input[type=checkbox]")).to_have_count(11)
    expect(page.locator("td input[type=checkbox]:checked")).to_have_count(11)
    tab_to(page, page.get_by_role("button", name="Preview undeleting the chosen"))
    page.keyboard.press("Enter")
    page.wait_for_url("**undelete/**")
    expect(page.get_by_text("These 11 would come back as they last were:")).to_be_visible()


def test_everything_is_restored(changing_demo, open_demo) -> None:
    page = open_demo("admin")
    page.goto(f"/admin/audittrail/revisions/{changing_demo.revision(RELEASE)}/restore/")
    do(page, "Restore everything")
    expect(page.locator(".messagelist")).to_be_visible()
    assert changing_demo.query(TURKEY) == [("Turkey",)]


def test_rolling_back_wants_the_number_typed(open_demo, visits, changing_demo) -> None:
    page = open_demo("admin")
    number = changing_demo.revision(RELEASE)
    latest = changing_demo.query(LATEST)
    page.goto(f"/admin/audittrail/revisions/{number}/")
    page.get_by_role("link", name="Roll back", exact=True).click()
    expect(page.get_by_text("later revisions are erased")).to_be_visible()
    do(page, "Roll back, and erase later history")
    # The browser itself wants the field filled in.
    assert page.url.endswith("/roll-back/")
    confirmation = page.get_by_label(f"Type {number} to confirm")
    confirmation.fill("1")
    with visits.expecting("status of 400"):
        do(page, "Roll back, and erase later history")
        expect(page.get_by_role("alert")).to_be_visible()
    assert changing_demo.query(LATEST) == latest
    confirmation.fill(str(number))
    do(page, "Roll back, and erase later history")
    done = page.get_by_text(re.compile(f"Everything was rolled back to revision {number}"))
    expect(done).to_be_visible()
    assert changing_demo.query(TURKEY) == [("Turkey",)]
    assert changing_demo.query(TIDIED) == []


def test_nothing_is_done_without_a_preview(demo, open_demo) -> None:
    page = open_demo("editor")
    page.goto(f"{tidied(demo)}undo/")
    posted = fields(page)
    latest = demo.query(LATEST)
    alone = {"csrfmiddlewaretoken": posted["csrfmiddlewaretoken"]}
    assert page.request.post(page.url, form=alone).status == 400
    assert page.request.post(page.url, form={**posted, "csrfmiddlewaretoken": "x"}).status == 403
    assert demo.query(LATEST) == latest


@pytest.mark.parametrize("account", ["support", "auditor", "trainee"])
def test_what_another_previewed_is_refused_by_direct_post(demo, open_demo, account) -> None:
    page = open_demo("editor")
    page.goto(f"{tidied(demo)}undo/")
    other, latest = open_demo(account), demo.query(LATEST)
    posted = {**fields(page), **token(other)}
    assert other.request.post(page.url, form=posted).status == 403
    assert demo.query(LATEST) == latest


@pytest.mark.parametrize(
    ("role", "path"),
    [
        ("support", f"{DELETED}undelete/?pk=LI-01"),
        ("support", "/admin/registry/country/SZ/audittrail/{first}/restore/"),
        ("support", "/admin/audittrail/revisions/{first}/undo/"),
        ("editor", "/admin/audittrail/revisions/{first}/restore/"),
        ("editor", "/admin/audittrail/revisions/{first}/roll-back/"),
        ("trainee", DELETED),
    ],
)
def test_who_may_not_is_refused(open_demo, visits, demo, role, path) -> None:
    page = open_demo(role)
    posted, latest = token(page), demo.query(LATEST)
    address = path.format(first=demo.revision(FIRST))
    with visits.expecting("status of 403"):
        page.goto(address)
    # The list of what is deleted takes no POST from anybody.
    assert page.request.post(address, form=posted).status in (
        (403, 405) if path == DELETED else (403,)
    )
    assert demo.query(LATEST) == latest


def test_support_sees_what_is_deleted_and_can_not_choose(open_demo) -> None:
    page = open_demo("support")
    page.goto(DELETED)
    expect(page.get_by_role("link", name="Vaduz (LI-11)")).to_be_visible()
    assert page.locator("input[name=pk]").count() == 0
    expect(page.get_by_role("button", name="Preview undeleting the chosen")).to_have_count(0)
