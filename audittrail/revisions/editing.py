"""Deliberate corrections of history: explicit, with a reason, and recorded as a revision themselves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, transaction

from audittrail.capture import access
from audittrail.exceptions import EditingError
from audittrail.revisions.context import context


@contextmanager
def editing(
    reason: str, *, using: str = DEFAULT_DB_ALIAS, user: Any = None, **metadata: Any
) -> Iterator[None]:
    """Allow history to be corrected inside the block.

    Takes the reason, which is recorded, the database, and what `context` takes beside it. Inside, querysets of
    revisions and versions can be updated and deleted. All of the block is one transaction and one revision, whose context names the corrected tables.

    Raises `EditingError` without a reason, and for a role that does not own history.
    """
    require_reason("editing", reason)
    access.require_owner(connections[using])
    given = {} if user is None else {"user": user}
    with (
        context(reason=reason, **given, **metadata),
        transaction.atomic(using=using),
        connections[using].cursor() as cursor,
    ):
        cursor.execute("SELECT set_config('audittrail.editing', 'on', true)")
        yield
        cursor.execute("SELECT set_config('audittrail.editing', '', true)")


def require_reason(name: str, reason: Any) -> None:
    """Raise `EditingError` unless a reason is given in words to the function of that name."""
    if not isinstance(reason, str) or not reason.strip():
        raise EditingError(
            f"history.{name}() was given the reason {reason!r}; say in words why history is corrected."
        )
