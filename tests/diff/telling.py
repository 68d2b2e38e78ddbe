"""Changes as tests compare them."""

from __future__ import annotations

from collections.abc import Iterable

from audittrail.diff.changes import FieldChange


def told(changes: Iterable[FieldChange]) -> list[tuple[str, object, object]]:
    """Return attribute, old and new value of each change."""
    return [(change.attribute, change.old, change.new) for change in changes]


def by_attribute(changes: Iterable[FieldChange]) -> dict[str, tuple[object, object]]:
    """Return old and new values by attribute."""
    return {attribute: (old, new) for attribute, old, new in told(changes)}
