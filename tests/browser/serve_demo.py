"""Serve the demo from the database of libpq's environment until standard input ends: `python -m tests.browser.serve_demo`.

Apps that are named behind it come first in `INSTALLED_APPS`, as themes must; their pages are under no policy.
Prints one line of JSON: the address of the site, and for each account the cookie of a session.
"""

from __future__ import annotations

import json
import os
import sys

import django
from django.conf import settings


def main() -> None:
    """Serve until nobody listens any more."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "demo.settings"
    # Sessions in the cookie itself: they outlive the database, which tests replace.
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    if themes := sys.argv[1:]:
        settings.INSTALLED_APPS = [*themes, *settings.INSTALLED_APPS]
        settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "policy" not in name]
    django.setup()
    from demo import accounts, web

    with web.serving(0) as address:
        cookies = {role.username: _session(role.username) for role in accounts.ROLES}
        print(json.dumps({"site": address.removesuffix("/admin/"), "cookies": cookies}), flush=True)
        sys.stdin.read()


def _session(username: str) -> str:
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.auth.models import User
    from django.contrib.sessions.backends.signed_cookies import SessionStore

    user = User.objects.get(username=username)
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return str(session.session_key)


if __name__ == "__main__":
    main()
