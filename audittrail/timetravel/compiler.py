"""How queries are compiled for the past: nothing is locked, and columns that are never stored are left empty."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.db.models.expressions import Col

from audittrail.capture import tracking
from audittrail.exceptions import PastIsReadOnlyError


class ExcludedCol(Col):
    """A column that history doesn't hold, in the list of all columns: reads as None.

    Where a query names the column itself, it is an ordinary one, and an error (`audittrail.excluded_column`).
    """

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        """Return NULL."""
        return "NULL", []


class PastCompilerMixin:
    """What a compiler of the past does differently."""

    query: Any

    def get_default_columns(self, *args: Any, **kwargs: Any) -> list[Any]:
        """Return the columns of a model, those that are excluded from history as empty."""
        columns: list[Any] = super().get_default_columns(*args, **kwargs)  # type: ignore[misc]
        return [
            ExcludedCol(column.alias, column.target, column.output_field)
            if _is_excluded(column.target)
            else column
            for column in columns
        ]

    def as_sql(self, *args: Any, **kwargs: Any) -> Any:
        """Return the SQL; raise `PastIsReadOnlyError` for a query that locks."""
        if self.query.select_for_update:
            raise PastIsReadOnlyError(
                "Rows of the past can't be locked. Use select_for_update() on the present rows."
            )
        return super().as_sql(*args, **kwargs)  # type: ignore[misc]


def _is_excluded(field: Any) -> bool:
    return field.name in tracking.options_of(field.model).exclude


@cache
def past_compiler(live: type[Any]) -> type[Any]:
    """Return the compiler of the past that belongs to one of the present."""
    return type(f"Past{live.__name__}", (PastCompilerMixin, live), {})


@cache
def past_operations(live: type[Any]) -> type[Any]:
    """Return the operations of a past connection."""

    def compiler(self: Any, compiler_name: str) -> Any:
        found = live.compiler(self, compiler_name)
        return past_compiler(found) if compiler_name == "SQLCompiler" else found

    return type(f"Past{live.__name__}", (live,), {"compiler": compiler})


@cache
def past_features(live: type[Any]) -> type[Any]:
    """Return the features of a past connection: PostgreSQL knows what depends on a key only of real tables."""

    def allows_group_by_selected_pks_on_model(self: Any, model: Any) -> bool:
        return False

    return type(
        f"Past{live.__name__}",
        (live,),
        {"allows_group_by_selected_pks_on_model": allows_group_by_selected_pks_on_model},
    )
