"""The object that a page brings back: as a revision left it, and as it is now, with what its user may do with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.admin import ModelAdmin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models, router
from django.http import Http404, HttpRequest
from django.utils.translation import gettext as _

from audittrail.admin.permissions.models import VisibleModel, require_view
from audittrail.admin.permissions.readers import Reader
from audittrail.admin.permissions.rows import may_see_rows
from audittrail.capture import tracking
from audittrail.restore.fields import tables_of
from audittrail.revisions.models import CLOCK_SLACK, BaseRevision, revision_model
from audittrail.revisions.versions import versions_of
from audittrail.timetravel import changes, machine, moment
from audittrail.timetravel.moment import Moment, live_alias
from audittrail.timetravel.queryset import turn


@dataclass(frozen=True)
class Found:
    """A version as its address names it: its revision, and whether that changed the row once more afterwards."""

    revision: BaseRevision
    is_gone: bool = False
    is_followed: bool = False


def reader_of(model_admin: ModelAdmin[Any], request: HttpRequest) -> Reader:
    """Return the reader of the database to which a ModelAdmin writes its objects."""
    # Who travels writes nothing, but asks for what was deleted in the same database.
    with machine.in_the_present():
        queryset: Any = model_admin.get_queryset(request)
        # Set where the ModelAdmin names a database, as those of several databases do.
        database = queryset._db or router.db_for_write(model_admin.model)
    found = Reader(model_admin.admin_site, request, live_alias(database))
    if not found.is_installed:
        raise Http404(_("This database holds no history."))
    return found


def key_of(model_admin: ModelAdmin[Any], object_id: str) -> Any:
    """Return the primary key that an address names; raise `Http404` for what can't be one."""
    if (key := read_key(model_admin, unquote(object_id))) is None:
        raise Http404(_("There is no such object."))
    return key


def read_key(model_admin: ModelAdmin[Any], text: str) -> Any:
    """Return the primary key that a text means, None for what can't be one."""
    try:
        # No text in the database has null characters, and psycopg refuses to ask for one.
        return None if "\0" in text else model_admin.opts.pk.to_python(text)
    except (ValidationError, ValueError, TypeError):
        return None


def require_seen(model_admin: ModelAdmin[Any], reader: Reader, key: Any) -> None:
    """Raise `PermissionDenied` unless the user may see an object, deleted or not."""
    require_view(reader.request, model_admin)
    if not seen(model_admin, reader, [key])[0]:
        raise PermissionDenied


def seen(model_admin: ModelAdmin[Any], reader: Reader, keys: list[Any]) -> list[bool]:
    """Return for each object of a ModelAdmin whether its user may see it, by their keys."""
    visible = VisibleModel(model_admin.model, model_admin)
    return may_see_rows(reader.request, visible, reader.database, [[key] for key in keys])


def present(model: type[models.Model], key: Any, using: str) -> Any:
    """Return an object as it is now, whatever the model's default manager leaves out; None if it is not there."""
    return model._base_manager.using(using).filter(pk=key).first()


def past(model: type[models.Model], key: Any, then: Moment) -> Any:
    """Return the object of a key as of a moment as a queryset that can be restored, whatever the default manager leaves out."""
    queryset = model._base_manager.db_manager(then.alias).get_queryset()
    turn(queryset, then)
    return queryset.filter(pk=key)


def deleted(model: type[models.Model], using: str) -> Any:
    """Return the deleted objects of a model as of now; raise `Http404` before the first revision."""
    newest = moment.newest(using)
    if newest is None:
        raise Http404(_("Nothing has been recorded in this database yet."))
    return changes.deleted_objects(model, newest)


def find_version(model: type[models.Model], key: Any, number: int, using: str) -> Found | None:
    """Return what a number in an address means for an object: one of its versions, or a revision; None if it is neither.

    A version may be one of the rows that the object inherits from, which have its key.
    """
    if number >= 2**63:
        return None
    for table in tables_of(model):
        if not tracking.is_tracked(table):
            continue
        versions = versions_of(table, using)
        names = versions.model.key_names
        if len(names) > 1 and not isinstance(key, tuple):
            continue
        of_row = versions.filter(**dict(zip(names, key if len(names) > 1 else [key], strict=True)))
        version = of_row.filter(version=number).select_related("revision").first()
        if version is not None and version.revision.committed is not None:
            own = of_row.filter(revision=version.revision_id, version__gt=number)
            return Found(version.revision, version.operation in ("D", "T"), own.exists())
    revision = revision_model().objects.using(using).committed().filter(pk=number).first()
    return None if revision is None else Found(revision)


def before(revision: BaseRevision) -> BaseRevision | None:
    """Return the revision before another one in commit order, None before the first one."""
    assert revision.committed_at is not None
    earlier = (
        revision_model()
        .objects.using(revision._state.db)
        .filter(
            committed__lt=revision.committed, committed_at__lte=revision.committed_at + CLOCK_SLACK
        )
    )
    return earlier.newest()
