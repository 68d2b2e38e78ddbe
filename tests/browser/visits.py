"""Open pages for one test, and note everything that the browser complains of meanwhile."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, WebError

SECONDS = 20

#: Says in the console what the policy forbade; added from outside, so the policy does not concern it.
REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) => {
    console.error(`CSP violation: ${event.violatedDirective} forbids ${event.blockedURI} ${event.sample}`
        + ` at ${event.sourceFile}:${event.lineNumber}`);
});
"""


class Visits:
    """The browser contexts of one test, each of which is one visitor with cookies of their own."""

    def __init__(self, browser: Browser, pictures: Path) -> None:
        """Use `browser`, which outlives the test, and the directory `pictures`."""
        self._browser = browser
        self._pictures = pictures
        self._contexts: list[BrowserContext] = []
        self._complaints: list[str] = []

    def open(self, address: str, cookie: Mapping[str, str] | None = None, **options: Any) -> Page:
        """Return an empty page whose relative addresses are those of the site `address`.

        `cookie` has `name` and `value`; `options` are those of playwright's `new_context`.
        """
        context = self._browser.new_context(
            **{
                "base_url": address,
                "locale": "en-GB",
                "timezone_id": "UTC",
                "reduced_motion": "reduce",
                "viewport": {"width": 1280, "height": 900},
                **options,
            }
        )
        context.set_default_timeout(SECONDS * 1000)
        context.add_init_script(REPORT_VIOLATIONS)
        context.on("console", self._hear_console)
        context.on("weberror", self._hear_error)
        if cookie:
            context.add_cookies(
                [{"url": address, "name": cookie["name"], "value": cookie["value"]}]
            )
        self._contexts.append(context)
        return context.new_page()

    @property
    def complaints(self) -> list[str]:
        """Give what the browser complained of: errors in the console, uncaught ones, forbidden content."""
        self._settle()
        return list(dict.fromkeys(self._complaints))

    @contextmanager
    def expecting(self, pattern: str) -> Iterator[None]:
        """Permit complaints that match the regular expression `pattern` within the block, and wait for one."""
        self._settle()
        before = len(self._complaints)
        yield
        deadline = time.monotonic() + SECONDS
        while not self._has(pattern, before) and time.monotonic() < deadline:
            # What was begun in the block may take its time, such as the answer to a click.
            self._pages()[0].wait_for_timeout(20)
        self._settle()
        made = self._complaints[before:]
        unexpected = [complaint for complaint in made if not re.search(pattern, complaint)]
        assert len(unexpected) < len(made), f"No complaint matches {pattern!r}; there were {made}."
        self._complaints[before:] = unexpected

    def photograph(self) -> list[Path]:
        """Write a picture of each open page and return the files."""
        files = []
        for number, page in enumerate(self._pages(), 1):
            file = self._pictures / f"page-{number}.png"
            try:
                page.screenshot(path=file, full_page=True)
            except Error:
                continue
            files.append(file)
        return files

    def close(self) -> None:
        """Close all pages."""
        while self._contexts:
            self._contexts.pop().close()

    def _settle(self) -> None:
        # Events arrive while playwright waits for something; this waits for the last of them.
        for page in self._pages():
            # While it goes on to another page it may have no answer, and has said all about this one.
            with suppress(Error):
                page.evaluate("null")

    def _has(self, pattern: str, begin: int) -> bool:
        self._settle()
        return any(re.search(pattern, complaint) for complaint in self._complaints[begin:])

    def _pages(self) -> list[Page]:
        return [page for context in self._contexts for page in context.pages]

    def _hear_console(self, message: ConsoleMessage) -> None:
        where = message.location
        # Chromium asks for this by itself, and the admin has none.
        if message.type == "error" and not where["url"].endswith("/favicon.ico"):
            self._complaints.append(f"{message.text} ({where['url']}:{where['lineNumber']})")

    def _hear_error(self, error: WebError) -> None:
        self._complaints.append(f"{error.error} ({error.page.url if error.page else ''})")
