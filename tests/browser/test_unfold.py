"""The pages under the theme django-unfold, which says nothing of the admin's colours: they can be read, and lead on."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser import demo_site
from tests.browser.accessibility import NARROW, overflow, violations
from tests.browser.demo_site import DemoSite
from tests.browser.visits import Visits

ESWATINI = "registry/country/SZ/audittrail/"
RELEASE = "Subdivisions revised all over the world"
#: What is ours on a page of the theme, and has a colour.
OURS = ".audittrail, .audittrail-banner"


@pytest.fixture(scope="module")
def served(django_db_setup: None, worker_id: str) -> Iterator[DemoSite]:
    """Serve the demo under the theme to the tests of this module."""
    with demo_site.serving(f"unfold_{worker_id}", "unfold") as site:
        yield site


@pytest.fixture
def open_unfold(served: DemoSite, visits: Visits) -> Callable[..., Page]:
    """Give a function that opens a page for one of the demo's accounts."""
    return lambda name, **options: visits.open(served.address, served.cookie(name), **options)


def faults(page: Page) -> list[str]:
    """Return what cannot be read, or sticks out, of what is ours."""
    found = violations(page, "color-contrast", within=OURS)
    wide = page.viewport_size or NARROW
    for size in (wide, NARROW):
        page.set_viewport_size(size)
        found += [f"{element} sticks out at {size['width']}" for element in overflow(page)]
    page.set_viewport_size(wide)
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_can_be_read(served, open_unfold, scheme) -> None:
    page = open_unfold("admin", color_scheme=scheme)
    first, release = (served.revision(reason) for reason in ("First load of the register", RELEASE))
    found = {}
    for path, title in {
        ESWATINI: "History: Eswatini",
        f"{ESWATINI}compare/?from={first}": "Compare: Eswatini",
        f"{ESWATINI}{first}/": "As of 23 Feb 2018",
        f"{ESWATINI}{first}/restore/": "Restore Eswatini",
        "registry/country/audittrail/deleted/": "Deleted countries",
        "registry/country/audittrail/deleted/undelete/?pk=LI&cascade=1": "Undelete Liechtenstein",
        "audittrail/revisions/": "Revisions",
        f"audittrail/revisions/{release}/": f"Revision {release}",
        f"audittrail/revisions/{release}/undo/": f"Undo revision {release}",
        f"audittrail/revisions/{release}/roll-back/": "Roll back",
        "audittrail/time-machine/": "Time machine",
        "": "Recent changes",
    }.items():
        page.goto(f"/admin/{path}")
        expect(page.get_by_role("heading", name=title).first).to_be_visible()
        if wrong := faults(page):
            found[path] = wrong
    assert found == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_banner_stands_above_the_theme_and_leads_back(open_unfold, scheme) -> None:
    page = open_unfold("admin", color_scheme=scheme, viewport={"width": 1700, "height": 900})
    page.goto("/admin/audittrail/time-machine/")
    page.get_by_label("Date").fill("2019-03-01")
    page.get_by_role("button", name="Travel there").click()
    banner = page.get_by_role("region", name="Time machine")
    expect(banner.get_by_text("You see the past")).to_be_visible()
    page.goto("/admin/registry/country/")
    page.mouse.wheel(0, 1000)
    page.wait_for_function("window.scrollY > 500")
    # A click where it stands would reach something else, if that covered it.
    banner.get_by_text("You see the past").click()
    assert violations(page, "color-contrast", within=OURS) == []
    page.get_by_role("searchbox").or_(page.locator("#searchbar")).first.fill("Swaziland")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=Swaziland**")
    page.get_by_role("link", name="Swaziland", exact=True).click()
    expect(page.get_by_text("Kingdom of Swaziland")).to_be_visible()
    banner.get_by_role("button", name="Return to now").click()
    expect(banner).to_have_count(0)
    expect(page.get_by_role("heading", name=re.compile("Eswatini"))).to_be_visible()


def test_pages_of_the_theme_lead_to_ours(open_unfold) -> None:
    page = open_unfold("admin")
    page.goto("/admin/registry/country/SZ/change/")
    page.get_by_role("link", name="History").first.click()
    expect(page.get_by_role("heading", name="History: Eswatini")).to_be_visible()
    page.goto("/admin/registry/country/")
    page.get_by_role("link", name="Deleted objects").click()
    expect(page.get_by_role("link", name="Liechtenstein")).to_be_visible()
    page.goto("/admin/auth/user/")
    page.get_by_role("link", name="editor", exact=True).click()
    page.get_by_role("link", name="Everything they changed").click()
    expect(page).to_have_url(re.compile("audittrail/revisions/.user="))
