"""Pass on who and why to work that is done elsewhere: another process, later, such as a task."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from audittrail.revisions.context import Context, active, context
from audittrail.revisions.users import CurrentUser, Unrecorded


def passing() -> dict[str, str]:
    """Return who and why by the present context, as strings that any message can hold; empty where it says neither.

    A user who is not known yet is asked for, but not from within an event loop, where no query can be sent.
    """
    state = active()
    if state is None:
        return {}
    user = state.key(_may_query)
    told = {"user": user, "reason": state.reason, "tenant": state.tenant if user else None}
    return {name: text for name, text in told.items() if text and not isinstance(text, Unrecorded)}


def passed(told: Mapping[str, object], **metadata: Any) -> Context:
    """Return the context that `passing` has told of, with metadata of its own.

    What can't be a user any more never fails the work: it is kept as text, as for every context.
    """
    given: dict[str, Any] = {}
    if isinstance(user := told.get("user"), str):
        given["user"] = CurrentUser(lambda: user)
    if isinstance(reason := told.get("reason"), str):
        given["reason"] = reason
    made = context(**given, **metadata)
    if isinstance(tenant := told.get("tenant"), str):
        made.tenant = tenant
    return made


def _may_query() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return True
    return False
