"""Import releases into the register: each in one transaction, with its own user and reason."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time
from typing import Any

from django.contrib.auth.models import User
from django.db import models, transaction

from audittrail import history
from audittrail.models import Revision
from demo.registry.models import Country, Currency, Subdivision
from demo.registry.releases import Release

#: The time of day that an import is dated to; the files know the day only.
IMPORT_TIME = time(12, tzinfo=UTC)


def create_users(releases: Sequence[Release], password: str) -> User:
    """Create a user for each release's import, and the administrator `admin`, whom it returns."""
    with history.context(reason="Users of the register"), transaction.atomic():
        User.objects.bulk_create(
            User(username=release.username, password=unusable)
            for release, unusable in zip(releases, map(_unusable, releases), strict=True)
        )
        return User.objects.create_superuser("admin", password=password)


def _unusable(release: Release) -> str:
    user = User(username=release.username)
    user.set_unusable_password()
    return user.password


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


def date_revisions(releases: Sequence[Release], administrator: User) -> None:
    """Date the import of each release to the day of the release, and the users to the first morning.

    A deliberate correction of history, so it is recorded as a revision of its own.
    """
    with history.editing("Imports dated to the days of their releases", user=administrator):
        first = min(release.released for release in releases)
        _date(Revision.objects.filter(reason="Users of the register"), first, time(tzinfo=UTC))
        for release in releases:
            made = Revision.objects.filter(context__release=release.name)
            _date(made, release.released, IMPORT_TIME)


def _date(revisions: models.QuerySet[Any], day: date, clock: time) -> None:
    changed = revisions.update(committed_at=datetime.combine(day, clock))
    if changed != 1:
        raise RuntimeError(f"{changed} revisions were to be dated to {day}; there must be one.")
