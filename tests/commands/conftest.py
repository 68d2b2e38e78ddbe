"""The fixtures of the tests of `manage.py audittrail`."""

from __future__ import annotations

import pytest
from django.db import models

from tests.schema.conftest import shop, workshop_template  # noqa: F401
from tests.schema.workshop import Workshop, create


@pytest.fixture
def items(shop: Workshop) -> Workshop:  # noqa: F811
    """Give a workshop with the table `workshop_item` and three rows, "a", "b" and "c"."""
    shop.migrate(create("Item", ("name", models.TextField())))
    shop.Item.objects.bulk_create([shop.Item(name=name) for name in "abc"])
    return shop
