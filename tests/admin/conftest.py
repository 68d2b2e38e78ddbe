"""People who use the admin, and clients that are logged in as them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from audittrail.timetravel import tables


@pytest.fixture(autouse=True)
def _several_sites(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.admin.sites"


@pytest.fixture
def staff(transactional_db: None) -> Callable[..., User]:
    """Give a function that makes a member of staff with permissions such as "testapp.view_tag"."""

    def make(name: str, *permissions: str) -> User:
        user = User.objects.create_user(name, password="secret", is_staff=True)
        for permission in permissions:
            app_label, codename = permission.split(".")
            user.user_permissions.add(
                Permission.objects.get(content_type__app_label=app_label, codename=codename)
            )
        return user

    return make


@pytest.fixture
def log_in() -> Callable[[User], Client]:
    """Give a function that returns a client of a user."""

    def client_of(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return client_of


@pytest.fixture
def superuser(transactional_db: None) -> User:
    return User.objects.create_superuser("root", password="secret")


@pytest.fixture
def as_superuser(superuser: User, log_in: Callable[[User], Client]) -> Client:
    return log_in(superuser)


@pytest.fixture(autouse=True)
def _no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be asked again because some seconds have passed: queries are counted here."""
    monkeypatch.setattr(tables, "REFRESHED_AFTER", float("inf"))
