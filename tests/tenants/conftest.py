"""A project with a schema for each tenant, in a database of its own, with each package that keeps tenants so."""

from __future__ import annotations

import pytest

from tests.suites.checking import Checked, begun, run

__all__ = ["begun", "checked", "run"]


@pytest.fixture(scope="module", params=["django_tenants", "django_pgschemas"])
def checked(request: pytest.FixtureRequest) -> Checked:
    """Give the project."""
    environment = {"TENANTS_PACKAGE": request.param}
    return Checked("tests.tenants.project", "TENANTS", environment=environment)
