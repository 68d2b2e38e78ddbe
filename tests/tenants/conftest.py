"""A project with a schema for each tenant, in a database of its own, with each package that keeps tenants so."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from uuid import uuid4

import pytest
from django.conf import settings

from tests.databases import raw_connection
from tests.structure.tree import ROOT
from tests.suites.projects import server


@pytest.fixture(scope="module", params=["django_tenants", "django_pgschemas"])
def begun(request: pytest.FixtureRequest) -> Iterator[tuple[str, dict[str, str]]]:
    """Give the name of a database in which the project has begun, and the environment its processes need besides that name."""
    given = server()
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "DJANGO"))},
        "PYTHONPATH": str(ROOT),
        "DJANGO_SETTINGS_MODULE": "tests.tenants.project.settings",
        "TENANTS_PACKAGE": request.param,
        "TENANTS_DRIVER": settings.DRIVER,
        "TENANTS_HOST": given["host"],
        "TENANTS_PORT": given.get("port", ""),
        "TENANTS_USER": given["user"],
        "TENANTS_PASSWORD": given.get("password", ""),
    }  # fmt: skip
    with _database("template0") as name:
        _run("begin", {**environment, "TENANTS_NAME": name})
        yield name, environment


@pytest.fixture
def run(begun: tuple[str, dict[str, str]]) -> Iterator[Callable[[str], None]]:
    """Give a function that runs a check by its name, in a process of its own and in a copy of the database of its own."""
    template, environment = begun
    with _database(template) as name:
        yield lambda check: _run(check, {**environment, "TENANTS_NAME": name})


@contextmanager
def _database(template: str) -> Iterator[str]:
    """Make a database like `template`, give its name, and drop it at the end."""
    name = f"tenants_{uuid4().hex[:8]}"
    with closing(raw_connection(**server(), dbname="postgres")) as session:
        session.autocommit = True
        session.cursor().execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield name
        session.cursor().execute(f"DROP DATABASE {name} WITH (FORCE)")


def _run(check: str, environment: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.tenants.project.checks", check],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-5000:]}"
