"""The fixtures of the tests of `manage.py audittrail`."""

from __future__ import annotations

import pytest
from django.db import models

from tests.builders.workshop import Workshop, create, shop, workshop_template

__all__ = ["items", "shop", "workshop_template"]


@pytest.fixture
def items(shop: Workshop) -> Workshop:
    """Give a workshop with the table `workshop_item` and three rows, "a", "b" and "c"."""
    shop.migrate(create("Item", ("name", models.TextField())))
    shop.Item.objects.bulk_create([shop.Item(name=name) for name in "abc"])
    return shop
