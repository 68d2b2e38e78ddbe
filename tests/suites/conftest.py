"""Sample projects for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from uuid import uuid4

import pytest

from tests.suites import projects


@pytest.fixture
def sample(tmp_path: Path) -> Iterator[Callable[..., projects.Project]]:
    """Give a function that writes a sample project: `sample({"library/tests.py": "..."})`.

    Its databases on the run's server are dropped at the end, those included that its tests keep.
    """
    made: list[projects.Project] = []

    def create(files: Mapping[str, str] | None = None) -> projects.Project:
        project = projects.create(tmp_path, f"sample_{uuid4().hex[:8]}", files)
        made.append(project)
        return project

    yield create
    for project in made:
        project.drop_databases()
