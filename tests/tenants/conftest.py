"""A project with a schema for each tenant, in a database of its own, with each package that keeps tenants so."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.suites.checking import Checked


@pytest.fixture(scope="module", params=["django_tenants", "django_pgschemas"])
def begun(request: pytest.FixtureRequest) -> Iterator[tuple[Checked, str]]:
    """Give the project, and the name of a database in which it has begun."""
    environment = {"TENANTS_PACKAGE": request.param}
    checked = Checked("tests.tenants.project", "TENANTS", environment=environment)
    with checked.database() as name:
        checked.run("begin", name)
        yield checked, name


@pytest.fixture
def run(begun: tuple[Checked, str]) -> Iterator[Callable[[str], None]]:
    """Give a function that runs a check by its name, in a process of its own and in a copy of the database of its own."""
    checked, template = begun
    with checked.database(template) as name:
        yield lambda check: checked.run(check, name)
