"""Tell the key of the user behind a change, without a query before the first write."""

from __future__ import annotations

import logging
import reprlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.apps import apps
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import Model
from django.utils.functional import LazyObject, SimpleLazyObject, empty

from audittrail.capture import schemas
from audittrail.exceptions import ContextError
from audittrail.revisions.payload import storable
from audittrail.revisions.wording import named

logger = logging.getLogger("audittrail")


@dataclass(frozen=True, slots=True)
class CurrentUser:
    """A user who may change while a context lasts: `find` is asked at each statement.

    It answers without a query, with a lazy object if the user isn't known yet.
    """

    find: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Unrecorded:
    """What was given as a user and can't be one, as text: a revision keeps it in its context."""

    text: str


def tenant() -> str | None:
    """Return the tenant whose users are meant now; None where there are no tenants, or all have the same users."""
    model = _user_model()
    return None if model is None else schemas.tenant_having(model)


def known(user: object) -> object:
    """Return the key of the user as a string, None for nobody, or what tells it later."""
    if isinstance(user, LazyObject | CurrentUser):
        return user
    if isinstance(user, Model):
        # A user saved within the context has a key from then on.
        return key(user) or user
    return SimpleLazyObject(user) if callable(user) else key(user)


def is_constant(user: object) -> bool:
    """Tell whether `known` gives the same answer each time it is asked about the user."""
    return isinstance(user, LazyObject | CurrentUser | Model) or not callable(user)


def found(user: object) -> object:
    """Return what a `CurrentUser` finds at present, or the user as it is."""
    # Not isinstance: asking a lazy object for its class evaluates it.
    return user.find() if type(user) is CurrentUser else user


def is_pending(found: object) -> bool:
    """Tell whether finding the user takes a query."""
    return _unwrapped(found) is empty


def resolve(found: object) -> None:
    """Find the user that a lazy object stands for."""
    while isinstance(found, LazyObject):
        if found._wrapped is empty:
            found._setup()
        found = found._wrapped


def late_key(found: object) -> str | Unrecorded | None:
    """Return the key of a resolved user that `known` could not tell yet.

    By now somebody writes: what can't be a user must not fail that, and is told as text.
    """
    user = _unwrapped(found)
    try:
        return key(user)
    except ContextError as error:
        _warn_once(str(error))
        return Unrecorded(reprlib.repr(user))


def key(user: object) -> str | None:
    """Return the primary key of a user, or the given key itself, as a string as the database has it; None for nobody.

    An anonymous or unsaved user is nobody. Raises `ContextError` for what can't be a user of this
    site.
    """
    if user is None or getattr(user, "is_anonymous", False) is True:
        return None
    if isinstance(user, Model):
        if not isinstance(user, _user_model() or Model):
            raise ContextError(
                f"The user of a context must be an object of {settings.AUTH_USER_MODEL}, not {named(user)}. "
                "Give other objects by names of their own, such as context(customer=customer.pk)."
            )
        return None if user.pk is None or user._state.adding else _stored(user, user.pk)
    # Authentication without a user table (a token names the user) has objects that aren't models.
    given = getattr(user, "pk", None) if hasattr(user, "is_authenticated") else user
    return None if given is None else _checked(given)


def _unwrapped(found: object) -> object:
    while isinstance(found, LazyObject):
        found = found._wrapped
    return found


def _checked(given: object) -> str:
    model = _user_model()
    try:
        if isinstance(given, bool) or not isinstance(given, int | str | UUID):
            raise ValidationError("It is neither a user nor a primary key.")
        if model is None:
            return storable(str(given))
        target = _key_field(model)
        value = target.to_python(given)
        target.run_validators(value)
        return _stored(model, value)
    except ValidationError as error:
        raise ContextError(
            f"The user of a context can't be {given!r}. {' '.join(error.messages)} "
            f"Give an object of {settings.AUTH_USER_MODEL}, its primary key, or None."
        ) from error


def _stored(model: type[Model] | Model, value: object) -> str:
    # Of some fields Python has another value than the database: a hash of the number that is stored.
    return storable(str(_key_field(model).get_db_prep_value(value, connection)))


def _user_model() -> type[Model] | None:
    # If the app of the user model is not installed, there is nothing to check the key against, so any is taken.
    try:
        return apps.get_model(settings.AUTH_USER_MODEL, require_ready=False)
    except (LookupError, ValueError):
        return None


def _key_field(model: type[Model] | Model) -> Any:
    target: Any = model._meta.pk
    while target.remote_field is not None:
        target = target.target_field
    return target


@lru_cache(100)
def _warn_once(message: str) -> None:
    logger.warning("%s The revision names no user.", message)
