"""The package is complete when it is installed, and its models and migrations agree."""

from __future__ import annotations

import re
import subprocess
import sys
from email.parser import Parser
from io import StringIO

import pytest
from django.core.management import call_command

import audittrail
from tests.structure.tree import PACKAGE, ROOT


def setup_py(*arguments: str) -> str:
    """Run setup.py with `arguments` and return what it prints."""
    command = [sys.executable, "-W", "ignore", "setup.py", "--quiet", *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def test_metadata_says_what_is_needed(tmp_path) -> None:
    setup_py("egg_info", "--egg-base", str(tmp_path))
    metadata = Parser().parsestr((tmp_path / "django_pg_audittrail.egg-info/PKG-INFO").read_text())
    assert metadata["Name"] == "django-pg-audittrail"
    assert metadata["Version"] == audittrail.__version__
    assert metadata["Requires-Python"] == ">=3.11"
    assert set(metadata.get_all("Provides-Extra", [])) == {
        "benchmark",
        "demo",
        "ledger",
        "psycopg",
        "psycopg2",
        "test",
    }
    assert str(metadata.get_payload()).startswith("# ")
    requirements = (tmp_path / "django_pg_audittrail.egg-info/requires.txt").read_text()
    plain = requirements.partition("\n\n")[0].splitlines()
    names = [requirement.partition(">=")[0] for requirement in plain]
    assert names == ["Django", "django-filter", "django-tables2"]


def test_every_data_file_is_installed(tmp_path) -> None:
    setup_py("build_py", "--build-lib", str(tmp_path))
    present = {
        path.relative_to(ROOT)
        for path in PACKAGE.rglob("*")
        if path.is_file() and not re.search(r"/(__pycache__|\..*)/", str(path.relative_to(ROOT)))
    }
    installed = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    assert installed == present
    assert PACKAGE.joinpath("py.typed").relative_to(ROOT) in installed


def test_license_is_bsd() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert text.startswith("BSD 3-Clause License")
    assert "audittrail contributors" in text


def test_changelog_begins_with_what_is_unreleased() -> None:
    headings = [
        line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("## ")
    ]
    assert headings[0] == "## Unreleased"


@pytest.mark.django_db
def test_models_and_migrations_agree() -> None:
    # Of this package, and of the apps that it tracks: tracking writes no migrations into them.
    output = StringIO()
    call_command("makemigrations", "--check", "--dry-run", stdout=output)
    assert output.getvalue() == "No changes detected\n"
