"""Which rows a ModelAdmin or an inline lets its user see: by its hooks for single objects, and by what its queryset leaves out.

What the default manager of a model, or of a proxy, leaves out is left out of the queryset as well. Both are the project's own code, so each row has to be asked about in Python. Where there is neither, nothing is asked:
then all rows appear. An object that is still there is judged as it is now, a deleted one as it last was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from copy import copy
from typing import Any, Final

from django.contrib.admin import ModelAdmin
from django.contrib.admin.options import BaseModelAdmin
from django.db import models
from django.http import HttpRequest

from audittrail.admin.permissions.models import (
    VisibleModel,
    decides_by_object,
    is_superuser,
    may_view,
)
from audittrail.admin.permissions.owners import Owner
from audittrail.diff.states import pk_of
from audittrail.exceptions import TimeTravelError
from audittrail.revisions.models import BaseRevision
from audittrail.timetravel import changes, machine, moment
from audittrail.timetravel.live_keys import keys_as_text

#: What `get_queryset` of a ModelAdmin or an inline begins with in place of the model's own manager.
_beginning: ContextVar[models.QuerySet[Any] | None] = ContextVar(
    "audittrail_beginning", default=None
)


#: Where a request keeps how to ask for what is seen now.
_CACHE: Final = "_audittrail_seen_now"


def is_guarded(request: HttpRequest, visible: VisibleModel) -> bool:
    """Return whether rows of a visible model have to be asked about one by one."""
    if visible.model_admin is not None:
        return _is_guarded(request, visible.model_admin)
    return not visible.is_whole and any(
        _is_guarded(request, owner.model_admin)
        or (owner.inline is not None and _is_guarded(request, owner.inline))
        for owner in visible.owners
    )


def attributes(visible: VisibleModel) -> list[str]:
    """Return the attributes of a row that `may_see_rows` needs of it: its own key last."""
    keys = [field.attname for field in visible.model._meta.pk_fields]
    if visible.model_admin is not None:
        return keys
    return [*(name for owner in visible.owners for name in owner.names), *keys]


def may_see_rows(
    request: HttpRequest,
    visible: VisibleModel,
    using: str,
    rows: Sequence[Sequence[Any]],
    as_of: BaseRevision | None = None,
) -> list[bool]:
    """Return for each row whether the user may see it, now or as of a revision; takes the values of `attributes`.

    Takes three queries for each ModelAdmin and inline that is asked, and those of the project's own code.
    """
    keys = [_key(row, visible.model) for row in rows]
    judging: Any = machine.in_the_present() if as_of is None else machine.travelling(as_of)
    if visible.model_admin is not None:
        with judging:
            allowed = _allowed(request, visible.model_admin, using, keys)
        return [key in allowed for key in keys]
    if visible.is_whole:
        return [True] * len(rows)
    seen = [False] * len(rows)
    position = 0
    with judging:
        for owner in visible.owners:
            end = position + len(owner.names)
            parents = [owner.parent(row[position:end], using) for row in rows]
            position = end
            shown = _shown_by(request, owner, using, [*zip(parents, keys, strict=True)])
            seen = [one or found for one, found in zip(seen, shown, strict=True)]
    return seen


def seen_now(request: HttpRequest, asked: BaseModelAdmin[Any], using: str) -> list[str] | None:
    """Return statements that read which keys a queryset of a ModelAdmin or an inline has now: of what is there, and of what is gone.

    What is gone is asked about as it last was. None if the queryset leaves nothing out. Made once a request.
    """
    cache: dict[Any, list[str] | None] = request.__dict__.setdefault(_CACHE, {})
    if (asked, using) not in cache:
        with machine.in_the_present():
            cache[asked, using] = _seen_now(request, asked, using)
    return cache[asked, using]


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

    def get_queryset(self: BaseModelAdmin[Any], request: HttpRequest) -> Any:
        queryset = _beginning.get()
        if queryset is None or queryset.model is not self.model:
            return original(self, request)
        return queryset if is_superuser(request) else _of_manager(queryset)

    return get_queryset


def deleted_objects(model: type[models.Model], using: str) -> Any:
    """Return the deleted objects of a model as of now, as they last were: a queryset, empty before the first revision."""
    newest = moment.newest(using)
    if newest is None:
        return model._base_manager.using(using).none()
    return changes.deleted_objects(model, newest)


def _is_guarded(request: HttpRequest, asked: BaseModelAdmin[Any]) -> bool:
    return decides_by_object(request, asked) or _leaves_rows_out(request, asked)


def _leaves_rows_out(request: HttpRequest, asked: BaseModelAdmin[Any]) -> bool:
    """Return whether a queryset of a ModelAdmin or an inline has fewer rows than the table; for a superuser, than the model's manager."""
    # Some give a manager, which Django's pages take as well.
    query = asked.get_queryset(request).all().query
    if query.is_sliced or query.combinator or query.distinct_fields:
        return True
    if is_superuser(request):
        return bool(query.where != asked.model._default_manager.get_queryset().query.where)
    return bool(query.where)


def _seen_now(request: HttpRequest, asked: BaseModelAdmin[Any], using: str) -> list[str] | None:
    if not _leaves_rows_out(request, asked):
        return None
    there = keys_as_text(asked.get_queryset(request).using(using))
    last: str | None = None
    # What can't be asked of the past tells nothing of rows that are gone.
    with suppress(TimeTravelError):
        queryset = _beginning_with_last(request, asked, deleted_objects(asked.model, using))
        last = None if queryset is None else keys_as_text(queryset)
    return [text for text in (there, last) if text is not None]


def _of_manager(queryset: Any) -> Any:
    """Return a queryset without the rows that the default manager of its model leaves out."""
    manager: Any = copy(queryset.model._default_manager)
    # What a manager's own get_queryset gets from Django's, to leave rows out of it.
    manager._queryset_class = lambda **_options: queryset.all()
    found = manager.get_queryset()
    # One that does not begin with Django's begins with the live table.
    return found if found.db == queryset.db else queryset.none()


def _key(row: Sequence[Any], model: type[models.Model]) -> Any:
    return pk_of(row[-len(model._meta.pk_fields) :])


def _shown_by(
    request: HttpRequest, owner: Owner, using: str, rows: Sequence[tuple[Any, Any]]
) -> list[bool]:
    """Return for each row, given by what names its object and by its own key, whether a page of the object shows it."""
    parents = _allowed(
        request, owner.model_admin, using, (parent for parent, _key in rows), owner.target
    )
    inline = owner.inline
    if inline is None or not _is_guarded(request, inline):
        return [parent in parents for parent, _key in rows]
    if decides_by_object(request, inline):
        objects = _objects(request, owner.model_admin, using, parents, owner.target)
        parents = {getattr(obj, owner.target) for obj in objects if may_view(request, inline, obj)}
    wanted = {key for parent, key in rows if parent in parents}
    own = {row.pk for row in _objects(request, inline, using, wanted)} if wanted else set()
    return [parent in parents and key in own for parent, key in rows]


def _allowed(
    request: HttpRequest,
    model_admin: ModelAdmin[Any],
    using: str,
    keys: Iterable[Any],
    name: str = "pk",
) -> set[Any]:
    wanted = set(keys) - {None}
    if not wanted or not _is_guarded(request, model_admin):
        return wanted
    objects = _objects(request, model_admin, using, wanted, name)
    return {getattr(obj, name) for obj in objects if may_view(request, model_admin, obj)}


def _objects(
    request: HttpRequest,
    asked: BaseModelAdmin[Any],
    using: str,
    keys: Iterable[Any],
    name: str = "pk",
) -> list[Any]:
    """Return the objects of some keys that a queryset of a ModelAdmin or an inline has, those that are gone as they last were.

    `name` is that of the field whose values the keys are.
    """
    # A list, since Django takes no set of composite keys.
    wanted, among = [*keys], f"{name}__in"
    there = asked.model._base_manager.using(using).filter(**{among: wanted})
    existing = set(there.values_list(name, flat=True)) if wanted else set()
    found: list[Any] = []
    if existing:
        found += asked.get_queryset(request).using(using).filter(**{among: [*existing]})
    if gone := [key for key in wanted if key not in existing]:
        deleted = deleted_objects(asked.model, using).filter(**{among: gone})
        found += _as_last(request, asked, deleted)
    return found


def _as_last(request: HttpRequest, asked: BaseModelAdmin[Any], deleted: Any) -> list[Any]:
    """Return those of some deleted rows, as they last were, that a queryset of a ModelAdmin or an inline has."""
    try:
        queryset = _beginning_with_last(request, asked, deleted)
        return [] if queryset is None else [*queryset]
    except TimeTravelError:
        return []  # it asks for something else that is live


def _beginning_with_last(request: HttpRequest, asked: BaseModelAdmin[Any], deleted: Any) -> Any:
    """Return a queryset of a ModelAdmin or an inline that begins with deleted rows, as they last were.

    None if it does not call its parent's, and so starts from the live table: it can't tell which deleted rows to show.
    """
    with beginning_with(deleted):
        queryset: Any = asked.get_queryset(request).all()
    return queryset if queryset.db == deleted.db else None
