"""Every page of the demo, in every look: it fits, it can be read by everybody, and the browser has nothing to complain of."""

from __future__ import annotations

import pytest

from tests.browser.accessibility import faults

PAGES = ["", "registry/country/", "registry/country/SZ/change/", "registry/proposal/", "auth/user/"]


@pytest.mark.parametrize("path", PAGES)
def test_pages_in_every_look(open_demo, path) -> None:
    page = open_demo("admin")
    page.goto(f"/admin/{path}")
    assert faults(page) == []


def test_a_renewed_demo_is_what_it_was(changing_demo) -> None:
    (before,) = changing_demo.query("SELECT count(*) FROM registry_country")
    changing_demo.query("DELETE FROM registry_comment")
    changing_demo.renew()
    assert changing_demo.query("SELECT count(*) FROM registry_country") == [before]
    assert changing_demo.query("SELECT count(*) FROM registry_comment") != [(0,)]
