"""Import releases into the register: each in one transaction, with its own user and reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import User
from django.db import models, transaction

from audittrail import history
from demo.registry.models import Country, Currency, Subdivision
from demo.registry.releases import Release


def import_release(release: Release) -> None:
    """Make the register what `release` says, in one transaction.

    It hands over every row, changed or not: rows that stay as they are make no history.
    """
    user = User.objects.get(username=release.username)
    with (
        history.context(user=user, reason=release.reason, release=release.name),
        transaction.atomic(),
    ):
        _replace(Country, release.countries)
        _replace(Subdivision, release.subdivisions)
        _replace(Currency, release.currencies)


def _replace(model: type[models.Model], rows: Sequence[Any]) -> None:
    manager = model._default_manager
    # Parents may come after children: Django's foreign keys are checked at commit.
    manager.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["pk"],
        update_fields=[field.name for field in model._meta.local_fields if not field.primary_key],
    )
    manager.exclude(pk__in=[row.pk for row in rows]).delete()
