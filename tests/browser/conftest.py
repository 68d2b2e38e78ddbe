"""Fixtures for tests in Chromium: a test fails when the browser complains, and shows its pages when it fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Playwright, expect

from tests.browser import demo_site, roles
from tests.browser.chromium import ChromiumMissingError, chromium, in_use
from tests.browser.demo_site import DemoSite
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


@pytest.fixture(scope="session")
def served_demo(django_db_setup: None, worker_id: str) -> Iterator[DemoSite]:
    """Serve the demo to all tests of this process."""
    with demo_site.serving(f"demo_{worker_id}") as site:
        yield site


@pytest.fixture
def demo(served_demo: DemoSite) -> DemoSite:
    """Give the demo; a test that changes something there takes `changing_demo`."""
    return served_demo


@pytest.fixture
def changing_demo(served_demo: DemoSite) -> Iterator[DemoSite]:
    """Give the demo, whose database is renewed after the test."""
    yield served_demo
    served_demo.renew()


@pytest.fixture
def open_demo(served_demo: DemoSite, visits: Visits) -> Callable[..., Page]:
    """Give a function that opens a page of the demo: `open_demo("support", color_scheme="dark")`.

    The first argument is the name of one of the demo's accounts, who is logged in then, or nothing.
    """

    def open_one(username: str | None = None, **options: Any) -> Page:
        cookie = served_demo.cookie(username) if username else None
        return visits.open(served_demo.address, cookie, **options)

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
