"""A project made of other people's packages, which are installed beside the test environment, in a database of its own."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest
from django.conf import settings

from tests.databases import raw_connection
from tests.structure.tree import ROOT
from tests.suites.projects import server

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
def run(packages: Path) -> Iterator[Callable[[str], None]]:
    """Give a function that runs one of the project's checks by its name, in a process of its own."""
    given = server()
    name = f"packages_{uuid4().hex[:8]}"
    with closing(raw_connection(**given, dbname="postgres")) as session:
        session.autocommit = True
        session.cursor().execute(f"CREATE DATABASE {name}")
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "DJANGO"))},
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(packages)]),
        "DJANGO_SETTINGS_MODULE": "tests.compatibility.project.settings",
        "PACKAGES_DRIVER": settings.DRIVER,
        "PACKAGES_NAME": name,
        "PACKAGES_HOST": given["host"],
        "PACKAGES_PORT": given.get("port", ""),
        "PACKAGES_USER": given["user"],
        "PACKAGES_PASSWORD": given.get("password", ""),
    }  # fmt: skip

    def run_one(check: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "tests.compatibility.project.checks", check],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-5000:]}"

    run_one("begin")
    yield run_one
    with closing(raw_connection(**given, dbname="postgres")) as session:
        session.autocommit = True
        session.cursor().execute(f"DROP DATABASE {name} WITH (FORCE)")
