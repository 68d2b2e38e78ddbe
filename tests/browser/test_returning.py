"""Bringing back on the demo's data: undo, undelete, restore everything, roll back; refused, stale, and in conflict."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.accessibility import faults, tab_to

EVERYWHERE = "Subdivisions revised all over the world"
TIDIED = "SELECT id FROM audittrail.revision WHERE context ->> 'command' = 'tidy_names'"
SAINTS = "SELECT count(*) FROM registry_subdivision WHERE name LIKE '%Saint %'"
COUNTRY = "SELECT name FROM registry_country WHERE alpha_2 = 'LI'"
COMMUNES = "SELECT count(*) FROM registry_subdivision WHERE country_id = 'LI'"
LATEST = "SELECT max(id) FROM audittrail.revision"


def undo_path(demo, question: str = TIDIED) -> str:
    ((number,),) = demo.query(question)
    return f"/admin/audittrail/revisions/{number}/undo/"


def fields(page: Page) -> dict[str, str]:
    """Return what the preview would post."""
    shown: dict[str, str] = page.locator("form.audittrail-proposal").evaluate(
        "form => Object.fromEntries(new FormData(form))"
    )
    return shown


def test_a_nights_work_is_undone(changing_demo, open_demo) -> None:
    demo = changing_demo
    page = open_demo("editor")
    page.goto(undo_path(demo).removesuffix("undo/"))
    page.get_by_role("link", name="Undo", exact=True).click()
    expect(page.get_by_text("St. ").first).to_be_visible()
    assert faults(page) == []
    before = demo.query(SAINTS)
    page.get_by_label("Reason").fill("Names are spelled out")
    tab_to(page, page.get_by_role("button", name="Undo the revision"))
    page.keyboard.press("Enter")
    expect(page.locator(".messagelist")).to_contain_text("revision")
    ((was,),), ((now,),) = before, demo.query(SAINTS)
    assert now == was + 63
    ((made,),) = demo.query(
        "SELECT context ->> 'path' FROM audittrail.revision ORDER BY id DESC LIMIT 1"
    )
    assert made.endswith("/undo/")
    assert demo.revision("Names are spelled out")


def test_an_old_release_has_conflicts(demo, open_demo) -> None:
    page = open_demo("admin")
    latest = demo.query(LATEST)
    page.goto(f"/admin/audittrail/revisions/{demo.revision(EVERYWHERE)}/undo/")
    expect(page.get_by_role("heading", name=re.compile("^Conflicts"))).to_be_visible()
    expect(page.get_by_role("button", name="Undo the revision")).to_have_count(0)
    assert faults(page) == []
    assert demo.query(LATEST) == latest


def test_a_stale_preview_is_noticed(changing_demo, open_demo, visits) -> None:
    demo = changing_demo
    page = open_demo("editor")
    page.goto(undo_path(demo))
    demo.query("UPDATE registry_subdivision SET name = 'Elsewhere' WHERE code = 'AG-03'")
    latest = demo.query(LATEST)
    with visits.expecting("status of 409"):
        page.get_by_role("button", name="Undo the revision").click()
    expect(page.get_by_role("alert")).to_contain_text("something has changed since the preview")
    assert demo.query(LATEST) == latest


@pytest.mark.parametrize("account", ["support", "auditor", "trainee"])
def test_undoing_is_refused_by_direct_post(demo, open_demo, account) -> None:
    page = open_demo("editor")
    path = undo_path(demo)
    page.goto(path)
    posted = fields(page)
    other = open_demo(account)
    other.goto("/admin/")
    posted["csrfmiddlewaretoken"] = other.locator(
        "input[name=csrfmiddlewaretoken]"
    ).first.input_value()
    latest = demo.query(LATEST)
    assert other.request.post(path, form=posted).status == 403
    assert demo.query(LATEST) == latest


def test_nothing_is_done_without_a_preview(demo, open_demo) -> None:
    page = open_demo("editor")
    page.goto(undo_path(demo))
    posted = fields(page)
    token = {"csrfmiddlewaretoken": posted["csrfmiddlewaretoken"]}
    latest = demo.query(LATEST)
    assert page.request.post(page.url, form=token).status == 400
    assert page.request.post(page.url, form={**posted, "csrfmiddlewaretoken": "x"}).status == 403
    assert demo.query(LATEST) == latest


def test_liechtenstein_is_recovered_with_its_communes(changing_demo, open_demo) -> None:
    demo = changing_demo
    page = open_demo("editor")
    page.goto("/admin/registry/country/")
    page.get_by_role("link", name="Deleted objects").click()
    assert faults(page) == []
    page.get_by_role("row", name=re.compile("Liechtenstein")).get_by_role("checkbox").check()
    page.get_by_role("button", name="Preview undeleting the chosen").click()
    expect(page.get_by_role("link", name="Vaduz (LI-11)")).to_be_visible()
    assert faults(page) == []
    page.get_by_role("button", name="Undelete", exact=True).click()
    expect(page.locator(".messagelist")).to_be_visible()
    assert demo.query(COUNTRY) == [("Liechtenstein",)]
    assert demo.query(COMMUNES) == [(11,)]


def test_who_may_view_sees_the_deleted_and_brings_nothing_back(demo, open_demo) -> None:
    page = open_demo("support")
    page.goto("/admin/registry/country/audittrail/deleted/")
    expect(page.get_by_text("Liechtenstein").first).to_be_visible()
    expect(page.get_by_role("button", name="Preview undeleting the chosen")).to_have_count(0)
    token = {
        "csrfmiddlewaretoken": page.locator("input[name=csrfmiddlewaretoken]").first.input_value()
    }
    path = "/admin/registry/country/audittrail/deleted/undelete/"
    assert page.request.get(f"{path}?pk=LI").status == 403
    assert page.request.post(path, form={**token, "pk": "LI"}).status == 403
    assert (
        open_demo("trainee").request.get("/admin/registry/country/audittrail/deleted/").status
        == 403
    )
    assert demo.query(COUNTRY) == []


def test_everything_is_restored(changing_demo, open_demo) -> None:
    demo = changing_demo
    page = open_demo("admin")
    page.goto(f"/admin/audittrail/revisions/{demo.revision(EVERYWHERE)}/restore/")
    assert faults(page) == []
    page.get_by_role("button", name="Restore everything").click()
    expect(page.locator(".messagelist")).to_be_visible()
    assert demo.query("SELECT name FROM registry_country WHERE alpha_2 = 'TR'") == [("Turkey",)]


def test_rolling_back_asks_for_the_number(changing_demo, open_demo, visits) -> None:
    demo = changing_demo
    number = demo.revision(EVERYWHERE)
    page = open_demo("admin")
    page.goto(f"/admin/audittrail/revisions/{number}/roll-back/")
    assert faults(page) == []
    button = page.get_by_role("button", name="Roll back, and erase later history")
    latest = demo.query(LATEST)
    page.get_by_label(re.compile("to confirm")).fill("1")
    with visits.expecting("status of 400"):
        button.click()
    assert demo.query(LATEST) == latest
    page.get_by_label(re.compile("to confirm")).fill(str(number))
    button.click()
    expect(page.locator(".messagelist")).to_be_visible()
    assert demo.query("SELECT name FROM registry_country WHERE alpha_2 = 'TR'") == [("Turkey",)]
    assert demo.query(TIDIED) == []


@pytest.mark.parametrize("name", ["restore", "roll-back"])
def test_whole_database_operations_are_not_the_editors(demo, open_demo, name) -> None:
    page = open_demo("editor")
    path = f"/admin/audittrail/revisions/{demo.revision(EVERYWHERE)}/{name}/"
    page.goto("/admin/")
    token = {
        "csrfmiddlewaretoken": page.locator("input[name=csrfmiddlewaretoken]").first.input_value()
    }
    latest = demo.query(LATEST)
    assert page.request.get(path).status == 403
    assert page.request.post(path, form=token).status == 403
    assert demo.query(LATEST) == latest
