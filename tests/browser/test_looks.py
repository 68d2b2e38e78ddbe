"""The pages on paper, in forced colours, and for who has the keyboard alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from playwright.sync_api import Page

from tests.browser.accessibility import SEEN, overflow

#: A sheet of A4 in CSS pixels.
SHEET: Final = {"width": 794, "height": 1123}
#: What can be used by keyboard; of radio buttons Tab reaches the chosen one.
CONTROLS: Final = (
    ":is(a[href], button, input:not([type=hidden], [type=radio]), select, summary, [tabindex='0'])"
)


def paths(site: Any) -> Iterator[str]:
    """Yield the paths of the pages that have controls of ours."""
    first = site.revision("First load of the register")
    release = site.revision("Subdivisions revised all over the world")
    eswatini = "registry/country/SZ/audittrail/"
    yield from (
        eswatini,
        f"{eswatini}compare/?from={first}",
        f"{eswatini}{first}/",
        f"{eswatini}{first}/restore/",
        "registry/country/audittrail/deleted/",
        "registry/country/audittrail/deleted/?q=nothing",
        "registry/country/audittrail/deleted/undelete/?pk=LI&cascade=1",
        "audittrail/revisions/",
        "audittrail/revisions/?user=editor",
        f"audittrail/revisions/{release}/",
        f"audittrail/revisions/{release}/undo/",
        f"audittrail/revisions/{first}/roll-back/",
        "audittrail/time-machine/",
    )


def visit(page: Page, path: str) -> None:
    """Open a page, which has to be there: for an unknown address the admin's index comes, on which nothing would be wrong."""
    page.goto(f"/admin/{path}")
    assert page.url.endswith(f"/admin/{path}")


def test_on_paper_there_is_nothing_to_press(demo, open_demo) -> None:
    page = open_demo("admin", viewport=SHEET)
    page.emulate_media(media="print")
    found = {}
    for path in paths(demo):
        visit(page, path)
        shown = page.locator(
            "#nav-sidebar, #user-tools, .audittrail :is(button, input:not([name=fields], [type=checkbox], [type=radio]))"
        )
        wrong = [
            element.evaluate("one => one.outerHTML.slice(0, 200)")
            for element in shown.all()
            if element.is_visible()
        ]
        if wrong := [*wrong, *overflow(page)]:
            found[path] = wrong
        narrow = page.locator("#content").bounding_box()
        assert narrow and narrow["width"] > 0.9 * SHEET["width"], path
    # The form is what the page of the time machine is about.
    found.pop("audittrail/time-machine/", None)
    assert found == {}


def test_where_colours_are_forced_buttons_have_a_border(demo, open_demo) -> None:
    page = open_demo("admin", forced_colors="active")
    for path in paths(demo):
        visit(page, path)
        borders = page.locator(".audittrail button, .audittrail-tools a").evaluate_all(
            "all => all.map(one => [one.innerText, getComputedStyle(one).border])"
        )
        assert [text for text, border in borders if border.startswith("0px")] == [], path


def walk(page: Page) -> Iterator[tuple[int, bool]]:
    """Press Tab through what is ours; yield each control's number in the page, and whether it shows the focus."""
    looks = page.locator(f".audittrail {CONTROLS}").evaluate_all(
        "(all, seen) => { window.audittrailControls = all; return all.map(eval(seen)); }", SEEN
    )
    for _turn in range(40 + 6 * len(looks)):
        page.keyboard.press("Tab")
        number, look = page.evaluate(
            f"(one => [audittrailControls.indexOf(one), ({SEEN})(one)])(document.activeElement)"
        )
        if number >= 0:
            yield number, look != looks[number]


def test_tab_reaches_every_control_in_the_order_of_the_page(demo, open_demo) -> None:
    page = open_demo("admin")
    for path in paths(demo):
        visit(page, path)
        wanted = page.locator(f".audittrail {CONTROLS}").evaluate_all(
            "all => all.flatMap((one, number) => one.checkVisibility() && !one.disabled ? [number] : [])"
        )
        reached: list[int] = []
        for number, is_shown in walk(page):
            if number in reached:
                # A part of it, such as the button of a field for dates, which the browser marks itself.
                continue
            assert is_shown, (path, page.evaluate("document.activeElement.outerHTML"))
            if reached and number < reached[-1]:
                break
            reached.append(number)
            if number == wanted[-1]:
                break
        missed = page.evaluate(
            "numbers => numbers.map(one => audittrailControls[one].outerHTML.slice(0, 200))",
            [number for number in wanted if number not in reached],
        )
        assert (path, missed) == (path, [])
