"""Revisions and values as lines of text."""

from __future__ import annotations

from typing import Any, Final

from django.utils import timezone

from audittrail.diff.changes import FieldChange
from audittrail.diff.json_null import is_json_null
from audittrail.revisions.wording import counted, spelled

#: What the operations are called that made versions, or that a revision did to rows on the whole.
DONE: Final = {
    "I": "inserted",
    "U": "updated",
    "D": "deleted",
    "T": "deleted by TRUNCATE",
    "B": "found as it was",
}

#: How many characters of a value are printed.
VALUE_LENGTH: Final = 60


def headline(revision: Any) -> str:
    """Return a revision in a line: its number, when it was committed, by whom, and why."""
    at = revision.committed_at and timezone.localtime(revision.committed_at)
    by = (
        ""
        if revision.committed_by_id is None
        else f" by {revision.committed_by or revision.committed_by_id}"
    )
    reason = f": {revision.reason}" if revision.reason else ""
    return f"{revision.pk}  {spelled(at)}{by}{reason}"


def change_line(change: FieldChange) -> str:
    """Return what happened to an attribute in a line."""
    if change.masked:
        return f"{change.attribute}: (masked)"
    return f"{change.attribute}: {shown(change.old)} -> {shown(change.new)}"


def entered_line(size: int) -> str:
    """Return how many revisions are entered in the ledger in a line."""
    verb = "is" if size == 1 else "are"
    return f"{counted(size, 'revision')} {verb} entered in the ledger."


def shown(value: object) -> str:
    """Return a value as Python writes it, shortened if it is long; null in JSON as JSON does."""
    text = "null" if is_json_null(value) else repr(value)
    return text if len(text) <= VALUE_LENGTH else f"{text[: VALUE_LENGTH - 3]}..."
