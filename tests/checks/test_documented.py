"""Each check and each setting is named where a reader looks for it."""

from __future__ import annotations

import re

import pytest

from audittrail import conf
from tests.structure.tree import PACKAGE, ROOT

CHECKS = (PACKAGE / "checks.py").read_text(encoding="utf-8")
TRACKING = (ROOT / "docs/tracking.md").read_text(encoding="utf-8")
PAGES = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").rglob("*.md"))


@pytest.mark.parametrize("identity", sorted(set(re.findall(r"audittrail\.([EIW]\d{3})", CHECKS))))
def test_every_check_is_in_the_table(identity) -> None:
    assert re.search(rf"^\| .*{identity}.* \|", TRACKING, re.MULTILINE)


@pytest.mark.parametrize("setting", sorted(conf.SETTINGS))
def test_every_setting_is_in_a_table(setting) -> None:
    assert re.search(rf"^\| `{setting}` \|", PAGES, re.MULTILINE)
