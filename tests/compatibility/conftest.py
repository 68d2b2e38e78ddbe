"""A project made of other people's packages, which are installed beside the test environment, in a database of its own."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from tests.structure.tree import ROOT
from tests.suites.checking import Checked, begun, run

__all__ = ["begun", "checked", "packages", "run"]

REQUIREMENTS = Path(__file__).with_name("requirements.txt")


@pytest.fixture(scope="session")
def packages() -> Path:
    """Return the folder with the packages, after installing them where that is necessary."""
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = ROOT / ".venv-test" / f"compatibility-{version}-{wanted}"
    if not folder.exists():
        # Another process may be at it as well: what is whole gets the name.
        made = folder.with_name(f"{folder.name}.{uuid4().hex[:8]}")
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        target = ["--no-deps", "--target", str(made), "--requirement", str(REQUIREMENTS)]
        subprocess.run([*pip, *target], check=True)
        if not folder.exists():
            made.rename(folder)
    return folder


@pytest.fixture(scope="module")
def checked(packages: Path) -> Checked:
    """Give the project."""
    return Checked("tests.compatibility.project", "PACKAGES", paths=(packages,))
