"""Errors in the words of whoever sits at the command line: options for arguments, sub-commands for calls."""

from __future__ import annotations

from typing import Final

#: What errors call arguments and calls, for whoever writes Python, and what the command line calls them.
_OPTIONS: Final = {
    "pass live=True": "give --live",
    "dry_run=True": "--dry-run",
    "with_related=True": "--with-related",
    "on_conflict='skip'": "--on-conflict skip",
    "use restore_all()": "use manage.py audittrail restore --all --revision NUMBER",
    "Use restore_all()": "Use manage.py audittrail restore --all --revision NUMBER",
}


def in_options(text: str) -> str:
    """Return the text of an error with the options that stand for arguments of functions."""
    for called, option in _OPTIONS.items():
        text = text.replace(called, option)
    return text
