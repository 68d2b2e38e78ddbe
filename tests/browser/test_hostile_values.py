"""Hostile values are shown as text, on every page, and no page grows with them."""

from __future__ import annotations

import csv

import pytest

from tests.browser import hostile
from tests.browser.accessibility import overflow

pytestmark = pytest.mark.django_db(transaction=True)

#: More than any page needs; a value alone may have a megabyte.
LONGEST = 500_000


def test_pages_show_them_as_text(open_page) -> None:
    hostile.make()
    page = open_page("superuser")
    for path in ("", "audittrail/revisions/"):
        page.goto(f"/admin/{path}")
        assert "broken into" not in page.title()
        assert page.locator("img[onerror], main script").count() == 0
        assert (path, overflow(page)) == (path, [])
        assert len(page.content()) < LONGEST
    assert page.get_by_text(hostile.MARKUP).count() > 0
    assert page.get_by_text("{{ request.user.password }}").count() > 0


def test_no_cell_of_an_export_is_a_formula(open_page) -> None:
    hostile.make()
    page = open_page("superuser")
    page.goto("/admin/audittrail/revisions/")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    with download.value.path().open(newline="", encoding="utf-8-sig") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert any(hostile.FORMULA in cell for cell in cells)
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))] == []
