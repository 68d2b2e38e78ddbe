"""Ask axe what a page lacks for people who do not see it, or not well, or use the keyboard alone."""

from __future__ import annotations

from importlib.resources import files
from itertools import count
from typing import Any

from playwright.sync_api import Locator, Page, ViewportSize

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LANGUAGE = "django_language"
NARROW: ViewportSize = {"width": 360, "height": 740}

#: What axe finds on Django's own pages already: a rule, and the elements that it is let go for.
STOCK = {
    "aria-input-field-name": ".select2 [role]",
    "aria-prohibited-attr": ".help-tooltip",
    "empty-table-header": "th.original",
    "label": ".form-row [name$='_0'], .form-row [name$='_1'], .select2-search__field",
    "link-in-text-block": ".breadcrumbs a",
    "target-size": "#changelist-filter li a, .paginator a",
}

AXE = """async ([options, stock, within]) => {
    // Colours of a transition belong to no look.
    await Promise.allSettled(document.getAnimations().map(({ finished }) => finished));
    const { violations } = await axe.run(within === "html" ? document : within, options);
    return violations.flatMap(({ id, help, nodes }) => nodes
        .filter(({ target: [selector] }) => !document.querySelector(selector)?.matches(stock[id] ?? "no"))
        .map(({ html, target }) => `${id}: ${help}: ${html.slice(0, 200)} (${target.join(" ")})`));
}"""

#: Whether the focus has not come round; a field for a date keeps it for several times Tab.
VISITED = """turn => {
    const visited = window.audittrailVisited = turn ? window.audittrailVisited : [];
    const element = document.activeElement;
    const isNew = visited.at(-1) === element || !visited.includes(element);
    visited.push(element);
    return isNew && turn < 500;
}"""

#: What may show that an element has the focus.
SEEN = """element => {
    const style = getComputedStyle(element);
    return [style.outline, style.boxShadow, style.border, style.backgroundColor, style.color, style.textDecoration].join();
}"""


def faults(page: Page) -> list[str]:
    """Return what is wrong with the page in any look: light and dark, wide and narrow, from right to left.

    The page is loaded once more for the last, and stands there in English again at the end.
    """
    found = [f"light: {violation}" for violation in violations(page)]
    found += [f"wide: {element} sticks out" for element in overflow(page)]
    page.emulate_media(color_scheme="dark")
    found += [f"dark: {violation}" for violation in violations(page, "color-contrast")]
    page.emulate_media(color_scheme="light")
    wide = page.viewport_size or NARROW
    page.set_viewport_size(NARROW)
    found += [f"narrow: {element} sticks out" for element in overflow(page)]
    page.context.add_cookies([{"url": page.url, "name": LANGUAGE, "value": "he"}])
    page.reload()
    assert page.locator("html").get_attribute("dir") == "rtl"
    found += [f"narrow, right to left: {element} sticks out" for element in overflow(page)]
    page.set_viewport_size(wide)
    found += [f"right to left: {element} sticks out" for element in overflow(page)]
    page.context.clear_cookies(name=LANGUAGE)
    page.reload()
    return found


def violations(page: Page, *rules: str, within: str = "html") -> list[str]:
    """Return what axe finds on the page, each with its rule and the element, except what is Django's.

    Asks for all rules of `TAGS` unless some are named, and for the elements of a selector alone if there is one.
    """
    if not page.evaluate("'axe' in window"):
        # Evaluated from outside, so the page's policy does not concern it.
        page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8"))
    # Loading the style sheets once more, axe would break the page's policy itself.
    wanted = {"type": "rule", "values": rules} if rules else {"type": "tag", "values": TAGS}
    options = {"runOnly": wanted, "preload": False}
    found: Any = page.evaluate(AXE, [options, STOCK, within])
    return [str(violation) for violation in found]


def tab_to(page: Page, target: Locator) -> None:
    """Press Tab until `target` has the focus, and demand that one sees it there.

    Raises AssertionError if it cannot be reached so.
    """
    before = target.evaluate(SEEN)
    for turn in count():
        page.keyboard.press("Tab")
        if target.evaluate("element => element === document.activeElement"):
            assert target.evaluate(SEEN) != before, f"{target} does not show that it has the focus."
            return
        assert page.evaluate(VISITED, turn), f"{target} was not reached by {turn} times Tab."


def overflow(page: Page) -> list[str]:
    """Return the elements that stick out of the page sideways, so that one would have to scroll it."""
    found: list[str] = page.evaluate(
        """() => {
            const root = document.documentElement;
            if (root.scrollWidth <= root.clientWidth) return [];
            return Array.from(document.querySelectorAll("body *")).filter((element) => {
                const box = element.getBoundingClientRect();
                return box.width && (box.right > root.clientWidth + 1 || box.left < -1);
            }).map((element) => element.outerHTML.slice(0, 200));
        }"""
    )
    return found
