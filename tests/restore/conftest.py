"""A database with a world in it, and what its tables really hold."""

from __future__ import annotations

import pytest

from audittrail.models import Revision
from tests.timetravel import world


@pytest.fixture
def created(transactional_db: None) -> Revision:
    """Fill the tables and give the revision that did it."""
    world.create()
    return world.newest()
