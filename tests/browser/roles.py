"""The visitors of the test project's admin: who they are and what they may do."""

from __future__ import annotations

from typing import Final

from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.test import Client

PASSWORD: Final = "of a test"
#: Permissions by the beginning of their code name; the superuser needs none.
ROLES: Final = {
    "superuser": (),
    "viewer": ("view_",),
    "editor": ("view_", "add_", "change_", "delete_"),
    "outsider": (),
}


def make_user(role: str) -> User:
    """Create the member of staff `role`, one of `ROLES`, whose name is the role's."""
    user = User(username=role, is_staff=True, is_superuser=role == "superuser")
    user.set_password(PASSWORD)
    user.save()
    permissions = Permission.objects.all()
    for beginning in ROLES[role]:
        user.user_permissions.add(*permissions.filter(codename__startswith=beginning))
    return user


def session_cookie(user: User) -> dict[str, str]:
    """Log `user` in without a page, and return the cookie of the session."""
    client = Client()
    client.force_login(user)
    name = settings.SESSION_COOKIE_NAME
    return {"name": name, "value": client.cookies[name].value}
