"""A database with a world in it, once as it was created, once after all of it has changed."""

from __future__ import annotations

import pytest

from audittrail.models import Revision
from tests.builders import world
from tests.builders.sending import newest
from tests.builders.workshop import shop, workshop_template

__all__ = ["created", "shop", "workshop_template"]


@pytest.fixture
def created(transactional_db: None) -> Revision:
    """Fill the tables and give the revision that did it."""
    world.create()
    return newest()
