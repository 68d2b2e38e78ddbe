"""Fixtures for pytest with pytest-django: `pytest_plugins = ["audittrail.pytest_plugin"]` in the root `conftest.py`.

They are the functions of `audittrail.testing`, which is imported only when a test asks for one: as a plugin this module
may be loaded before Django is set up.
"""

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def assert_history() -> Callable[..., list[Any]]:
    """Give `audittrail.testing.assert_history`: `assert_history(obj, "I", "U")`."""
    from audittrail import testing

    return testing.assert_history


@pytest.fixture
def assert_no_new_history() -> Callable[..., Any]:
    """Give `audittrail.testing.assert_no_new_history`, for a with block."""
    from audittrail import testing

    return testing.assert_no_new_history


@pytest.fixture
def close_revision() -> Callable[..., Any]:
    """Give `audittrail.testing.close_revision`."""
    from audittrail import testing

    return testing.close_revision


@pytest.fixture
def new_revision() -> Callable[..., Any]:
    """Give `audittrail.testing.new_revision`, for a with block."""
    from audittrail import testing

    return testing.new_revision


@pytest.fixture
def fresh_history(db: None, request: pytest.FixtureRequest) -> None:
    """Begin the test without history in its databases: those that its `django_db` mark names, by default `default`.

    For functions; a test case class has the mixin `audittrail.testing.FreshHistory`.
    """
    from django.db import connections

    from audittrail import testing

    marker = request.node.get_closest_marker("django_db")
    named = (marker.kwargs.get("databases") if marker else None) or ["default"]
    for alias in connections if named == "__all__" else named:
        testing.reset_history(alias)
