"""Whether the past of a model is known at the moment of a journey, and which of its fields are withheld."""

from __future__ import annotations

from typing import Any

from django.db import connections, models

from audittrail.capture import tracking
from audittrail.timetravel import machine
from audittrail.timetravel.compiler import is_withheld
from audittrail.timetravel.tables import refuse_untracked


def require_known(model: type[models.Model]) -> None:
    """Raise `TimeTravelError` if the objects of a model can't be read at the moment of the present journey.

    For a table that was tracked later it is `TrackedLaterError`. What stays in the present can be read.
    """
    alias = machine.alias_for(model, {})
    if alias is None:
        if machine.current() is not None and not may_be_read_live(model):
            refuse_untracked(model._meta.db_table)
        return
    query: Any = model._base_manager.using(alias).order_by().query
    sql, _params = query.get_compiler(alias).as_sql()
    past: Any = connections[alias]
    with machine.unwatched():
        past.to_past(sql, None, has_params=True)


def may_be_read_live(model: type[models.Model]) -> bool:
    """Return whether a model that is not tracked may be shown as it is now."""
    return machine.stays(model) or machine.travels(model)


def is_shown_as_now(model: type[models.Model]) -> bool:
    """Return whether who travels sees the objects of a model as they are now."""
    return machine.stays(model) or not tracking.is_tracked(model)


def withheld_fields(model: type[models.Model]) -> list[models.Field[Any, Any]]:
    """Return the fields of a model whose past who travels does not see: excluded from history, or masked."""
    return [field for field in model._meta.concrete_fields if is_withheld(field)]
