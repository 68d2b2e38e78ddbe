"""Find Chromium and start it, so that it talks to nobody but the tests' own server."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections
from playwright.sync_api import Browser, Playwright, sync_playwright

PROGRAM_VARIABLE = "AUDITTRAIL_TEST_CHROMIUM"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
FLAGS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    # Text and edges look the same on every screen, and so in every screenshot.
    "--disable-partial-raster",
    "--disable-skia-runtime-opts",
    "--font-render-hinting=none",
    "--force-color-profile=srgb",
    "--no-first-run",
    # Chromium's sandbox refuses to run as root; the pages are our own.
    *(["--no-sandbox"] if os.geteuid() == 0 else []),
]


class ChromiumMissingError(RuntimeError):
    """Say that there is no Chromium, and how to get it."""


def find_program() -> str:
    """Return the path of Chromium: the one that `AUDITTRAIL_TEST_CHROMIUM` names, or one on the PATH.

    Raises ChromiumMissingError.
    """
    named = os.environ.get(PROGRAM_VARIABLE)
    for program in [named] if named else PROGRAMS:
        if found := shutil.which(program):
            return found
    looked = f"{PROGRAM_VARIABLE} is {named!r}" if named else f"none of {', '.join(PROGRAMS)}"
    raise ChromiumMissingError(
        f"The pages are tested in a real Chromium, which is not installed ({looked}). Install it, on Debian by "
        f"apt-get install chromium fonts-noto-core, or name another with the variable {PROGRAM_VARIABLE}."
    )


@contextmanager
def chromium() -> Iterator[tuple[Playwright, Browser]]:
    """Start Chromium for the length of the block; give playwright and the browser.

    Outside `in_use` no event loop counts as running in this thread. Raises ChromiumMissingError.
    """
    program = find_program()
    playwright = sync_playwright().start()
    try:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        asyncio._set_running_loop(None)
        yield playwright, browser
        with in_use(playwright):
            browser.close()
    finally:
        asyncio._set_running_loop(playwright._loop)
        playwright.stop()
        asyncio._set_running_loop(None)


@contextmanager
def in_use(playwright: Playwright) -> Iterator[None]:
    """Permit playwright's calls and Django's queries side by side for the length of the block.

    Between its calls playwright leaves its event loop marked as running in this thread: Django then takes a query for
    a mistake, and `asyncio.run` of another test would fail. So the mark is set here only, and Django is told.
    """
    variable = "DJANGO_ALLOW_ASYNC_UNSAFE"
    before = os.environ.get(variable)
    # Where a loop runs, Django would open further connections, which nobody closes.
    opened = {alias: connections[alias] for alias in connections}
    os.environ[variable] = "true"
    asyncio._set_running_loop(playwright._loop)
    try:
        for alias, connection in opened.items():
            connections[alias] = connection
        yield
    finally:
        for alias in opened:
            del connections[alias]
        asyncio._set_running_loop(None)
        if before is None:
            del os.environ[variable]
        else:
            os.environ[variable] = before
