"""The demo shows the eight releases of its data as eight revisions, with exactly the promised counts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from socket import socket
from uuid import uuid4

import pytest
from django.db import connection

from tests.databases import libpq_environment
from tests.structure.tree import ROOT

PYTHON = [sys.executable, "-m", "demo"]


@pytest.fixture
def demo_environment(transactional_db) -> Iterator[dict[str, str]]:
    """Give an environment that names an empty database on the run's server."""
    name = f"demo_{uuid4().hex[:8]}"
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    yield libpq_environment(name)
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


def run(
    command: list[str], environment: dict[str, str], directory: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_demo_shows_what_its_data_promises_and_its_pages_answer(demo_environment) -> None:
    done = run([*PYTHON, "--check", "--existing-database"], demo_environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All counts of 8 releases are those of demo/data/README.md." in done.stdout
    assert "The admin answers: login and 10 pages." in done.stdout
    assert "agree with their history" in done.stdout
    lines = done.stdout.splitlines()
    (renaming,) = [line for line in lines if "Eswatini" in line]
    assert "2019-07-15 12:00" in renaming
    assert "registry-import-19.7.15" in renaming
    assert renaming.index("+0 -0 ~3") < renaming.index("+50 -42 ~111")

    # The data is left there, so a second run has nowhere to begin.
    again = run([*PYTHON, "--check", "--existing-database"], demo_environment)
    assert again.returncode == 1
    assert "is not empty" in again.stderr

    # Its history is open to the shell that the demo offers.
    shell = [sys.executable, "demo/manage.py", "shell", "-v", "0", "-c", NAMES_OF_TURKEY]
    assert run(shell, demo_environment).stdout == (
        "Turkey 2018-02-23 registry-import-18.2.23\nTürkiye 2023-12-11 registry-import-23.12.11\n"
    )


NAMES_OF_TURKEY = """
from demo.registry.models import Country
for version in Country.objects.get(pk="TR").history.versions.in_order():
    revision = version.revision
    print(version.name, revision.committed_at.date(), revision.committed_by.username)
"""


def test_a_count_that_differs_makes_the_check_fail(demo_environment, tmp_path) -> None:
    shutil.copytree(ROOT / "demo", tmp_path / "demo")
    page = tmp_path / "demo/data/README.md"
    page.write_text(page.read_text().replace("| 0, 0, 4 |", "| 0, 0, 5 |"))
    environment = demo_environment | {"PYTHONPATH": str(ROOT)}
    done = run([*PYTHON, "--check", "--existing-database"], environment, tmp_path)
    assert done.returncode == 1
    assert done.stderr == "WRONG: 2023-12-11 countries: recorded (0, 0, 4), promised (0, 0, 5)\n"


def test_a_port_that_is_taken_is_an_error_before_the_import() -> None:
    with socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run([*PYTHON, "--existing-database", "--port", str(port)], dict(os.environ))
    assert done.returncode == 1
    assert f"Port {port} cannot be served" in done.stderr
    assert "Imported" not in done.stdout
