"""Look at what a statement carries when it reaches the server."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django.db import connections

OPENING = "/*audittrail:"

Log = Callable[[], list[tuple[str, dict[str, Any] | None]]]


def said(statement: str) -> dict[str, Any] | None:
    """Return the context that stands at the start of a statement, None if it begins otherwise."""
    if not statement.startswith(OPENING):
        return None
    text, _, rest = statement[len(OPENING) :].partition("*/ ")
    assert rest, f"no statement follows the comment of {statement!r}"
    found: dict[str, Any] = json.loads(text)
    return found


def arriving(using: str = "default") -> dict[str, Any] | None:
    """Return the context that a statement sent now has when it arrives."""
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT current_query()")
        return said(cursor.fetchone()[0])
