"""The lookup `ilike`: PostgreSQL's own comparison with a pattern, whose `%` and `_` are wildcards, without regard to case."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Lookup


class ILike(Lookup):
    """`name__ilike="b%r"`: SQL's ILIKE. Without wildcards it is `iexact`."""

    lookup_name = "ilike"

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        """Return the SQL; a column that is no text is compared as text."""
        left, left_params = self.process_lhs(compiler, connection)
        right, right_params = self.process_rhs(compiler, connection)
        return f"{left}::text ILIKE {right}", (*left_params, *right_params)


def install() -> None:
    """Let fields of text be compared so, once."""
    for field in (models.CharField, models.TextField):
        if "ilike" not in field.get_lookups():  # type: ignore[call-arg]
            field.register_lookup(ILike)
