"""The harness notices what the browser complains of, and says what is missing."""

from __future__ import annotations

import asyncio

import pytest
from playwright.sync_api import expect

from tests.browser import chromium
from tests.browser.accessibility import overflow, tab_to, violations

pytestmark = pytest.mark.django_db(transaction=True)


def test_errors_in_the_console_are_noticed(open_page, visits) -> None:
    page = open_page()
    page.goto("/admin/login/")
    assert visits.complaints == []
    with visits.expecting("as a test"):
        page.evaluate("console.error('as a test')")
    with visits.expecting("not caught"):
        page.evaluate("setTimeout(() => { throw Error('not caught') })")
    with visits.expecting("404"):
        page.goto("/nowhere/")
    assert visits.complaints == []


def test_content_that_the_policy_forbids_is_noticed(open_page, visits) -> None:
    page = open_page()
    page.goto("/admin/login/")
    with visits.expecting("CSP violation: style-src-attr|Content Security Policy"):
        page.evaluate("document.body.innerHTML = '<p style=\"color: red\">'")
    # Chromium complains of a handler when it is set (156) or when it would run (150).
    with visits.expecting("CSP violation: script-src-attr|Content Security Policy"):
        page.evaluate("document.body.innerHTML = '<p onclick=\"document.title = \\'ran\\'\">here'")
        page.get_by_text("here").click()
    assert page.title() != "ran"
    with visits.expecting("CSP violation: img-src|Content Security Policy"):
        page.evaluate('document.body.innerHTML = \'<img src="https://example.com/" alt="">\'')


def test_axe_and_overflow_find_faults(open_page) -> None:
    page = open_page(viewport={"width": 360, "height": 740})
    page.goto("/admin/login/")
    assert overflow(page) == []
    page.evaluate("document.body.innerHTML = '<input><table width=900><td>wide'")
    assert any(found.startswith("label: ") for found in violations(page))
    assert any(found.startswith("<table") for found in overflow(page))


def test_what_the_keyboard_does_not_reach_is_found(open_page) -> None:
    page = open_page()
    page.goto("/admin/login/")
    page.evaluate("document.body.innerHTML = '<a href=#>here</a><a tabindex=-1 href=#>there</a>'")
    tab_to(page, page.get_by_text("here", exact=True))
    with pytest.raises(AssertionError, match="was not reached"):
        tab_to(page, page.get_by_text("there"))


def test_a_missing_browser_is_named(monkeypatch) -> None:
    monkeypatch.setenv(chromium.PROGRAM_VARIABLE, "/no/such/program")
    with pytest.raises(chromium.ChromiumMissingError, match="apt-get install chromium"):
        chromium.find_program()


def test_other_tests_find_no_event_loop(shared_chromium) -> None:
    assert asyncio.run(asyncio.sleep(0, "done")) == "done"


def test_pages_and_queries_stand_side_by_side(open_page, django_user_model) -> None:
    page = open_page("superuser")
    page.goto("/admin/")
    expect(page.get_by_role("link", name="Users")).to_be_visible()
    assert django_user_model.objects.count() == 1
