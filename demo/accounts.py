"""Who works with the register: each account is a role, its password is its name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from django.contrib.auth.models import Group, Permission, User
from django.db import transaction
from django.db.models import Q

from audittrail import history
from demo.registry.releases import Release


@dataclass(frozen=True)
class Role:
    """An account, and what its group may do: beginnings of permissions such as `registry.view_`."""

    username: str
    about: str
    group: str = ""
    permissions: tuple[str, ...] = ()


ADMINISTRATOR: Final = Role("admin", "a superuser, who may do everything")
ROLES: Final = (
    ADMINISTRATOR,
    Role(
        "editor",
        "changes the register, and may undo revisions",
        "Editors",
        ("registry.", "audittrail.view_", "audittrail.undo_"),
    ),
    Role("support", "sees the register, and changes nothing", "Support", ("registry.view_",)),
    Role(
        "auditor",
        "sees the register, the users and all revisions",
        "Auditors",
        ("registry.view_", "auth.view_", "audittrail.view_"),
    ),
    Role("trainee", "may log in, and has no permission yet"),
)


def create_users(releases: Sequence[Release]) -> User:
    """Create a user for each release's import, and the accounts of `ROLES`; return the administrator."""
    with history.context(reason="Users of the register"), transaction.atomic():
        User.objects.bulk_create(_importers(releases))
        for role in ROLES:
            _create(role)
    return User.objects.get(username=ADMINISTRATOR.username)


def _importers(releases: Sequence[Release]) -> Iterator[User]:
    for release in releases:
        user = User(username=release.username)
        user.set_unusable_password()
        yield user


def _create(role: Role) -> None:
    if role is ADMINISTRATOR:
        User.objects.create_superuser(role.username, password=role.username)
        return
    user = User.objects.create_user(role.username, password=role.username, is_staff=True)
    if role.group:
        group = Group.objects.create(name=role.group)
        group.permissions.set(_permissions(role))
        user.groups.add(group)


def _permissions(role: Role) -> Iterator[Permission]:
    for beginning in role.permissions:
        app_label, _, code = beginning.partition(".")
        yield from Permission.objects.filter(
            Q(content_type__app_label=app_label), codename__startswith=code
        )
