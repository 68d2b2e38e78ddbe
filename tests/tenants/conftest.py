"""A project with a schema for each tenant, in a database of its own, with each package that keeps tenants so."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from uuid import uuid4

import pytest
from django.conf import settings

from tests.databases import raw_connection
from tests.structure.tree import ROOT
from tests.suites.projects import server


@pytest.fixture(scope="module", params=["django_tenants", "django_pgschemas"])
def run(request: pytest.FixtureRequest) -> Iterator[Callable[[str], None]]:
    """Give a function that runs one of the project's checks by its name, in a process of its own."""
    given = server()
    name = f"tenants_{uuid4().hex[:8]}"
    with closing(raw_connection(**given, dbname="postgres")) as session:
        session.autocommit = True
        session.cursor().execute(f"CREATE DATABASE {name}")
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "DJANGO"))},
        "PYTHONPATH": str(ROOT),
        "DJANGO_SETTINGS_MODULE": "tests.tenants.project.settings",
        "TENANTS_PACKAGE": request.param,
        "TENANTS_DRIVER": settings.DRIVER,
        "TENANTS_NAME": name,
        "TENANTS_HOST": given["host"],
        "TENANTS_PORT": given.get("port", ""),
        "TENANTS_USER": given["user"],
        "TENANTS_PASSWORD": given.get("password", ""),
    }  # fmt: skip

    def run_one(check: str) -> None:
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

    run_one("begin")
    yield run_one
    with closing(raw_connection(**given, dbname="postgres")) as session:
        session.autocommit = True
        session.cursor().execute(f"DROP DATABASE {name} WITH (FORCE)")
