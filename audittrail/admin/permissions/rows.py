"""Which rows a ModelAdmin lets its user see: by its hooks for single objects, and by what its queryset leaves out.

Both are the project's own code, so each row has to be asked about in Python. Where a ModelAdmin has neither, nothing is asked:
then all of its rows appear. An object that is still there is judged as it is now, a deleted one as it last was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.contrib.admin import ModelAdmin
from django.db import models
from django.http import HttpRequest

from audittrail.admin.permissions.models import VisibleModel, has_own_hook, may_view
from audittrail.timetravel import changes, machine, moment

#: What `ModelAdmin.get_queryset` begins with in place of the model's own manager.
_beginning: ContextVar[models.QuerySet[Any] | None] = ContextVar(
    "audittrail_beginning", default=None
)


def is_guarded(request: HttpRequest, visible: VisibleModel) -> bool:
    """Return whether rows of a visible model have to be asked about one by one."""
    if visible.model_admin is not None:
        return _is_guarded(request, visible.model_admin)
    return any(_is_guarded(request, model_admin) for model_admin, _attribute in visible.owners)


def attributes(visible: VisibleModel) -> list[str]:
    """Return the attributes of a row that `may_see_rows` needs of it."""
    if visible.model_admin is None:
        return [attribute for _model_admin, attribute in visible.owners]
    primary_key = visible.model._meta.pk
    return [primary_key.attname]


def may_see_rows(
    request: HttpRequest, visible: VisibleModel, using: str, rows: Sequence[Sequence[Any]]
) -> list[bool]:
    """Return for each row whether the user may see it; takes the values of `attributes`.

    Takes three queries for each ModelAdmin that is asked, and those of the project's own code.
    """
    owners = (
        [visible.model_admin]
        if visible.model_admin is not None
        else [model_admin for model_admin, _attribute in visible.owners]
    )
    if not owners:
        return [True] * len(rows)
    with machine.in_the_present():
        allowed = [
            _allowed(request, owner, using, {row[position] for row in rows})
            for position, owner in enumerate(owners)
        ]
    return [any(value in keys for value, keys in zip(row, allowed, strict=True)) for row in rows]


@contextmanager
def beginning_with(queryset: models.QuerySet[Any]) -> Iterator[None]:
    """Let `ModelAdmin.get_queryset` begin with this queryset of the model, so that what projects add to it holds there."""
    token = _beginning.set(queryset)
    try:
        yield
    finally:
        _beginning.reset(token)


def extended_get_queryset(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return `ModelAdmin.get_queryset` as it begins with another queryset where there is one for its model."""

    def get_queryset(self: ModelAdmin[Any], request: HttpRequest) -> Any:
        queryset = _beginning.get()
        if queryset is None or queryset.model is not self.model:
            return original(self, request)
        return queryset

    return get_queryset


def deleted_objects(model: type[models.Model], using: str) -> Any:
    """Return the deleted objects of a model as of now, as they last were: a queryset, empty before the first revision."""
    newest = moment.newest(using)
    if newest is None:
        return model._base_manager.using(using).none()
    return changes.deleted_objects(model, newest)


def _is_guarded(request: HttpRequest, model_admin: ModelAdmin[Any]) -> bool:
    is_hooked = has_own_hook(model_admin, "has_view_permission")
    return is_hooked or _leaves_rows_out(request, model_admin)


def _leaves_rows_out(request: HttpRequest, model_admin: ModelAdmin[Any]) -> bool:
    """Return whether a ModelAdmin's queryset has fewer rows than the model's manager gives."""
    query = model_admin.get_queryset(request).query
    whole = model_admin.model._default_manager.get_queryset().query
    return bool(
        query.where != whole.where or query.is_sliced or query.combinator or query.distinct_fields
    )


def _allowed(
    request: HttpRequest, model_admin: ModelAdmin[Any], using: str, keys: Iterable[Any]
) -> set[Any]:
    wanted = set(keys) - {None}
    if not wanted or not _is_guarded(request, model_admin):
        return wanted
    present = model_admin.model._base_manager.using(using).filter(pk__in=wanted)
    existing = set(present.values_list("pk", flat=True))
    live = model_admin.get_queryset(request).using(using).filter(pk__in=existing)
    allowed = {obj.pk for obj in live if may_view(request, model_admin, obj)} if existing else set()
    if gone := wanted - existing:
        allowed |= {
            obj.pk
            for obj in _deleted(request, model_admin, using, gone)
            if may_view(request, model_admin, obj)
        }
    return allowed


def _deleted(
    request: HttpRequest, model_admin: ModelAdmin[Any], using: str, keys: set[Any]
) -> Iterable[Any]:
    deleted = deleted_objects(model_admin.model, using).filter(pk__in=keys)
    with beginning_with(deleted):
        queryset = model_admin.get_queryset(request)
    # A get_queryset that does not call its parent's starts from the live table, so it can't tell which deleted rows to show.
    return queryset if queryset.db == deleted.db else ()
