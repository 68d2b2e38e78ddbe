"""The fixtures of the tests that change a schema."""

from __future__ import annotations

import pytest
from django.db import models

from tests.builders.workshop import Workshop, create, shop, workshop_template

__all__ = ["item", "shop", "workshop_template"]


@pytest.fixture
def item(shop: Workshop) -> int:
    """Make the table `workshop_item` with one row, and return its key."""
    shop.migrate(create("Item", ("name", models.TextField())))
    key: int = shop.Item.objects.create(name="before").pk
    return key
