"""Fixtures for tests in Chromium: a test fails when the browser complains, and shows its pages when it fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Playwright, expect

from tests.browser import roles
from tests.browser.chromium import ChromiumMissingError, chromium, in_use
from tests.browser.visits import SECONDS, Visits

expect.set_options(timeout=SECONDS * 1000)


@pytest.fixture(scope="session")
def shared_chromium() -> Iterator[tuple[Playwright, Browser]]:
    """Start one Chromium for all tests of this process; without Chromium they fail and say how to install it."""
    try:
        with chromium() as started:
            yield started
    except ChromiumMissingError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture
def visits(shared_chromium: tuple[Playwright, Browser], tmp_path: Path) -> Iterator[Visits]:
    """Give the visits of this test: their complaints make it fail."""
    playwright, browser = shared_chromium
    with in_use(playwright):
        made = Visits(browser, tmp_path)
        try:
            yield made
        finally:
            made.close()


@pytest.fixture
def open_page(live_server: Any, visits: Visits) -> Callable[..., Page]:
    """Give a function that opens a page of the test project: `open_page("viewer", color_scheme="dark")`.

    The first argument is one of `roles.ROLES`, who is logged in then, a user, or nothing. The page is empty;
    `page.goto("/admin/")` leads somewhere.
    """

    def open_one(visitor: Any = None, **options: Any) -> Page:
        user = roles.make_user(visitor) if isinstance(visitor, str) else visitor
        cookie = roles.session_cookie(user) if user else None
        return visits.open(live_server.url, cookie, **options)

    return open_one


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Iterator[None]:
    """Fail the test when the browser complained; take pictures of its pages when it fails."""
    visits = pyfuncitem.funcargs.get("visits")
    if not isinstance(visits, Visits):
        return (yield)
    try:
        result = yield
        if complaints := visits.complaints:
            pytest.fail("The browser complained:\n" + "\n".join(complaints), pytrace=False)
    except BaseException:
        for file in visits.photograph():
            pyfuncitem.add_report_section("call", "page", str(file))
        raise
    return result
