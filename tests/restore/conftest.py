"""A database with a world in it, and fresh databases for random plays."""

from __future__ import annotations

import pytest

from audittrail.models import Revision
from tests.builders import world
from tests.builders.fresh import fresh_database, server, worker_id
from tests.builders.sending import newest
from tests.builders.workshop import shop, workshop_template

__all__ = ["fresh_database", "server", "shop", "worker_id", "workshop_template"]


@pytest.fixture
def created(transactional_db: None) -> Revision:
    """Fill the tables and give the revision that did it."""
    world.create()
    return newest()
