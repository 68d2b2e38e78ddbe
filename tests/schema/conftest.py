"""The fixtures of the tests that change a schema."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker

pytest.register_assert_rewrite("tests.schema.workshop")

from tests.schema.workshop import Workshop, migrated_template, open_workshop  # noqa: E402


@pytest.fixture(scope="session")
def workshop_template(
    django_db_modify_db_settings: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[str]:
    """Give the name of a database to copy, in which the project is migrated."""
    with django_db_blocker.unblock(), migrated_template() as name:
        yield name


@pytest.fixture
def shop(workshop_template: str, django_db_blocker: DjangoDbBlocker) -> Iterator[Workshop]:
    """Give a workshop on a database of its own, which agrees with its history when the test ends."""
    with django_db_blocker.unblock(), open_workshop(workshop_template) as workshop:
        yield workshop
        workshop.assert_in_step()
