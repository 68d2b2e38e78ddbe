"""Take the pictures of the documentation: the main pages in Chromium, light and dark, always the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final
from unittest import mock

from django.db import connection
from django.utils import timezone

from audittrail.models import Revision

if TYPE_CHECKING:
    from playwright.sync_api import Page, ViewportSize

#: What the pages take for the present.
TODAY: Final = datetime(2026, 7, 1, 12, tzinfo=UTC)
SIZE: ViewportSize = {"width": 1280, "height": 800}
THEMES: Final = ("light", "dark")


@dataclass(frozen=True)
class Picture:
    """A page to be photographed: its address, and what is done on it before."""

    name: str
    address: Callable[[], str]
    prepare: Callable[[Page], object] = lambda page: None


def pictures() -> Iterator[Picture]:
    """Yield the pictures of the documentation."""
    first = _made_for("First load of the register")
    everywhere = _made_for("Subdivisions revised all over the world")
    tidied = Revision.objects.get(context__command="tidy_names").pk
    eswatini = "/admin/registry/country/SZ"
    revisions = "/admin/audittrail/revisions"
    yield Picture("index", lambda: "/admin/")
    yield Picture("history", lambda: f"{eswatini}/history/")
    yield Picture("compare", lambda: f"{eswatini}/audittrail/compare/?from={first}")
    yield Picture("version", lambda: f"{eswatini}/audittrail/{first}/")
    yield Picture("restore", lambda: f"{eswatini}/audittrail/{first}/restore/")
    yield Picture("deleted", lambda: "/admin/registry/country/audittrail/deleted/")
    yield Picture(
        "undelete", lambda: "/admin/registry/country/audittrail/deleted/undelete/?pk=LI&cascade=1"
    )
    yield Picture("revisions", lambda: f"{revisions}/")
    yield Picture("revision", lambda: f"{revisions}/{everywhere}/")
    yield Picture("undo", lambda: f"{revisions}/{tidied}/undo/")
    yield Picture("conflicts", lambda: f"{revisions}/{everywhere}/undo/")
    # The last, since the traveller stays there.
    yield Picture("time-machine", lambda: "/admin/audittrail/time-machine/", _travel)


def _made_for(reason: str) -> int:
    return Revision.objects.get(reason=reason).pk


def _travel(page: Page) -> None:
    page.get_by_label("Date").fill("2019-03-01")
    page.get_by_role("button", name="Travel there").click()
    page.goto("/admin/registry/country/?q=kingdom")


def take(site: str, directory: Path) -> list[Path]:
    """Take the pictures of the demo at `site` into `directory`, and return the files.

    Raises `SystemExit` where playwright or Chromium is missing.
    """
    try:
        from tests.browser.chromium import ChromiumMissingError, chromium, in_use
    except ImportError:
        raise SystemExit(
            "Pictures are taken with playwright: install the project with its extra 'test'."
        ) from None
    directory.mkdir(parents=True, exist_ok=True)
    taken = []
    try:
        with _always_the_same(), chromium() as (playwright, browser), in_use(playwright):
            for theme in THEMES:
                context = browser.new_context(
                    base_url=site,
                    color_scheme=theme,
                    viewport=SIZE,
                    locale="en-GB",
                    reduced_motion="reduce",
                )
                page = context.new_page()
                page.clock.set_fixed_time(TODAY)
                _log_in(page)
                for picture in pictures():
                    page.goto(picture.address())
                    picture.prepare(page)
                    page.wait_for_load_state("networkidle")
                    file = directory / f"{picture.name}-{theme}.png"
                    page.screenshot(path=file)
                    taken.append(file)
                context.close()
    except ChromiumMissingError as error:
        raise SystemExit(str(error)) from None
    return taken


def _log_in(page: Page) -> None:
    page.goto("/admin/login/")
    page.get_by_label("Username:").fill("admin")
    page.get_by_label("Password:").fill("admin")
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("/admin/")


@contextmanager
def _always_the_same() -> Iterator[None]:
    """Let the present be `TODAY`, and nothing in history be later."""
    with connection.cursor() as cursor:
        # Past the guards of history, as only a superuser can; this database ends with the pictures.
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(
            "UPDATE audittrail.revision SET committed_at = %s WHERE committed_at > %s",
            [TODAY.replace(hour=9), TODAY],
        )
        cursor.execute(
            "UPDATE audittrail.digest SET through_at = %s, made_at = %s, verified_at = %s, differed_at = NULL",
            [TODAY.replace(hour=hour) for hour in (9, 10, 11)],
        )
        cursor.execute("RESET session_replication_role")
    with mock.patch.object(timezone, "now", return_value=TODAY):
        yield
