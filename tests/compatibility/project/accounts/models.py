"""Users whose keys Python knows as something else than the database does."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from hashid_field import HashidAutoField


class User(AbstractUser):
    """A user with a key that is a number in the database, and a hash of it in Python."""

    id = HashidAutoField(primary_key=True)
