"""Projects that are kept here and have checks of their own, each run in a process of its own.

A folder of tests for such a project has a fixture `checked` that gives it, and takes `begun` and `run` from here.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest
from django.conf import settings

from tests.databases import raw_connection
from tests.structure.tree import ROOT
from tests.suites.projects import server


@dataclass(frozen=True)
class Checked:
    """A project, by the package that has its modules `settings` and `checks`.

    The settings find driver and database in variables that begin with `prefix`, and packages in further `paths`; `environment` are
    further variables.
    """

    project: str
    prefix: str
    paths: tuple[Path, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def database(self, template: str = "template0") -> Iterator[str]:
        """Make a database like `template`, give its name, and drop it at the end."""
        name = f"{self.prefix.lower()}_{uuid4().hex[:8]}"
        with closing(raw_connection(**server(), dbname="postgres")) as session:
            session.autocommit = True
            session.cursor().execute(f"CREATE DATABASE {name} TEMPLATE {template}")
            try:
                yield name
            finally:
                session.cursor().execute(f"DROP DATABASE {name} WITH (FORCE)")

    def run(self, check: str, database: str) -> None:
        """Run a check by its name, in a process of its own and in a database; raise `AssertionError` if it fails."""
        given = server()
        inherited = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("PYTEST", "DJANGO"))
        }
        variables = {
            "PYTHONPATH": os.pathsep.join(map(str, (ROOT, *self.paths))),
            "DJANGO_SETTINGS_MODULE": f"{self.project}.settings",
            f"{self.prefix}_DRIVER": settings.DRIVER,
            f"{self.prefix}_NAME": database,
            f"{self.prefix}_HOST": given["host"],
            f"{self.prefix}_PORT": given.get("port", ""),
            f"{self.prefix}_USER": given["user"],
            f"{self.prefix}_PASSWORD": given.get("password", ""),
        }
        done = subprocess.run(
            [sys.executable, "-m", f"{self.project}.checks", check],
            cwd=ROOT,
            env={**inherited, **variables, **self.environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-5000:]}"


@pytest.fixture(scope="module")
def begun(checked: Checked) -> Iterator[str]:
    """Give the name of a database in which the project has begun."""
    with checked.database() as name:
        checked.run("begin", name)
        yield name


@pytest.fixture
def run(checked: Checked, begun: str) -> Iterator[Callable[[str], None]]:
    """Give a function that runs a check by its name, in a process of its own and in a copy of the database of its own."""
    with checked.database(begun) as name:
        yield lambda check: checked.run(check, name)
