"""How queries are compiled for the past: nothing is locked, and columns that are never stored are left empty."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.db.models import GeneratedField
from django.db.models.expressions import Col

from audittrail.capture import tracking
from audittrail.exceptions import MixedMomentsError, PastIsReadOnlyError, TimeTravelError
from audittrail.timetravel import machine
from audittrail.timetravel.query import PastQueryMixin, is_adopted, mixed


class ExcludedCol(Col):
    """A column that history doesn't hold or must not show, in the list of all columns: reads as None.

    Where a query names the column itself, it is an ordinary one, and an error (`audittrail.excluded_column`).
    """

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        """Return NULL, of the column's type: set operations compare types."""
        return f"NULL::{self.target.cast_db_type(connection)}", ()

    def get_group_by_cols(self) -> list[Any]:
        """Return nothing: rows are not told apart by what is not there."""
        return []


class PastCompilerMixin:
    """What a compiler of the past does differently."""

    query: Any
    connection: Any

    def get_default_columns(self, *args: Any, **kwargs: Any) -> list[Any]:
        """Return the columns of a model, those that are excluded from history as empty."""
        columns: list[Any] = super().get_default_columns(*args, **kwargs)  # type: ignore[misc]
        return [without_excluded(column) for column in columns]

    def as_sql(self, *args: Any, **kwargs: Any) -> Any:
        """Return the SQL.

        Raises `PastIsReadOnlyError` for a query that locks, `MixedMomentsError` for one of the present inside one of the past.
        """
        if getattr(self.query, "select_for_update", False):
            raise PastIsReadOnlyError(
                "Rows of the past can't be locked. Use select_for_update() on the present rows."
            )
        if _is_past(self.query):
            with self.connection.refusing_present():
                return super().as_sql(*args, **kwargs)  # type: ignore[misc]
        if (
            self.connection.only_past
            and not is_adopted(self.query)
            and not machine.is_at(self.connection.moment)
        ):
            raise MixedMomentsError(mixed(self.connection.moment))
        return super().as_sql(*args, **kwargs)  # type: ignore[misc]

    def compile(self, node: Any) -> Any:
        """Return the SQL of an expression; raise `TimeTravelError` for a column that is excluded from history."""
        if isinstance(node, Col) and not isinstance(node, ExcludedCol) and is_withheld(node.target):
            field = node.target
            why = "excluded from history, so nothing is known of its past"
            if is_virtual(field):
                why = "generated from columns that are excluded from history, or masked"
            elif field.name not in tracking.options_of(field.model).exclude:
                why = "masked, so its past values are not shown"
            raise TimeTravelError(
                f"{field.model._meta.label}.{field.name} is {why}. Leave it out of the query."
            )
        return super().compile(node)  # type: ignore[misc]


def without_excluded(column: Any) -> Any:
    """Return a column of a query's result, an empty one if it is excluded from history."""
    if isinstance(column, Col) and is_withheld(column.target):
        return ExcludedCol(column.alias, column.target, column.output_field)
    return column


def _is_past(query: Any) -> bool:
    return isinstance(query, PastQueryMixin) or isinstance(
        getattr(query, "inner_query", None), PastQueryMixin
    )


def is_withheld(field: Any) -> bool:
    """Return whether a field's past can't be read: history doesn't hold it, or must not show it to who travels.

    What the database generates when it is read can be, if all that it is generated from can be.
    """
    model = getattr(field, "model", None)
    if model is None:
        return False
    if is_virtual(field):
        return any(is_withheld(source) for source in _sources(field))
    options = tracking.options_of(model)
    return field.name in options.exclude or (
        field.name in options.mask and machine.current() is not None
    )


def is_virtual(field: Any) -> bool:
    """Return whether the database generates a field's value when it is read, and never stores it."""
    return isinstance(field, GeneratedField) and not field.db_persist  # type: ignore[attr-defined]


def _sources(field: Any) -> set[Any]:
    """Return the fields from which a field is generated (from Django 6.0 on `referenced_fields`)."""
    expression = field.expression.resolve_expression(field._query, allow_joins=False)
    return {column.target for column in field._query._gen_cols([expression])}


@cache
def past_compiler(live: Any) -> Any:
    """Return the compiler of the past that belongs to one of the present."""
    return type(f"Past{live.__name__}", (PastCompilerMixin, live), {})


@cache
def past_operations(live: Any) -> Any:
    """Return the operations of a past connection."""

    def compiler(self: Any, compiler_name: str) -> Any:
        found = live.compiler(self, compiler_name)
        reads = compiler_name in ("SQLCompiler", "SQLAggregateCompiler")
        return past_compiler(found) if reads else found

    return type(f"Past{live.__name__}", (live,), {"compiler": compiler})


@cache
def past_features(live: Any) -> Any:
    """Return the features of a past connection: PostgreSQL knows what depends on a key only of real tables."""

    def allows_group_by_selected_pks_on_model(self: Any, model: Any) -> bool:
        return False

    return type(
        f"Past{live.__name__}",
        (live,),
        {"allows_group_by_selected_pks_on_model": allows_group_by_selected_pks_on_model},
    )
