"""What a revision changed, row by row: a section for each model, a page of rows of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from audittrail.admin.display.differences import Difference, untold, version_difference
from audittrail.admin.display.names import Names
from audittrail.admin.display.object_text import at_most, name_of, unnamed
from audittrail.admin.display.operations import Badge
from audittrail.admin.layout.links import history_url, object_url
from audittrail.admin.lists.model_changes import ModelChanges
from audittrail.admin.lists.paging import Keyset, ListPage
from audittrail.admin.permissions.columns import shown_of_rows
from audittrail.admin.permissions.fields import hidden_fields
from audittrail.admin.permissions.readers import Reader
from audittrail.diff.states import past_object, pk_of
from audittrail.diff.versions import VersionChanges, version_changes
from audittrail.revisions.models import BaseRevision
from audittrail.revisions.versions import Operation, version_model
from audittrail.timetravel.moment import Moment


@dataclass(frozen=True)
class RevisionRow:
    """A row that the revision changed: which object it is, what happened to it, and each field that changed."""

    badge: Badge
    text: str
    history_url: str | None
    version_url: str | None
    changes: Sequence[Difference]


@dataclass(frozen=True)
class ModelSection:
    """What the revision did to one model, with a page of its rows."""

    touch: ModelChanges
    page: ListPage[RevisionRow]


def section(
    reader: Reader, revision: BaseRevision, touch: ModelChanges, size: int, parameters: QueryDict
) -> ModelSection:
    """Return the page of rows of one model that a request asks for; a few queries, however many rows it has."""
    model: Any = version_model(touch.model)
    names = ("version", *model.key_names)
    order = Keyset(tuple((name, model._meta.get_field(name)) for name in names), is_ascending=True)
    versions = model.objects.using(reader.database).filter(
        version__gte=revision.pk, version__lte=revision.committed, revision_id=revision.pk
    )
    page = order.page(versions, size, parameters)
    rows: list[Any] = reader.seen_versions(touch.visible, page.rows)
    for version in rows:
        version.revision = revision
    found = version_changes(rows)
    shown = _differences(reader, revision, touch, found)
    with at_most(reader.database):
        rows = [_row(touch, *both, revision) for both in zip(found, shown, strict=True)]
    return ModelSection(touch, ListPage(rows, page.newer, page.older))


def _differences(
    reader: Reader, revision: BaseRevision, touch: ModelChanges, found: Sequence[VersionChanges]
) -> list[list[Difference]]:
    """Return how the changes of each row are shown; what they refer to is named as of before and after the revision."""
    after = revision.committed or revision.pk
    ticks = after - 1, after
    hidden = hidden_fields(touch.visible.model_admin)
    names = Names(reader)
    told = [[change for change in one.changes if change.attribute not in hidden] for one in found]
    keys = [_key(one.version) for one in found]
    by_key = shown_of_rows(reader, touch.visible, keys)
    rows = [
        [change for change in changes if change.attribute in by_key[key]]
        for key, changes in zip(keys, told, strict=True)
    ]
    for change in (change for row in rows for change in row):
        names.want_change(change, *ticks)
    names.load()
    versions: list[Any] = [one.version for one in found]
    return [
        [version_difference(change, names, ticks, version.operation) for change in row]
        + untold(version.operation == Operation.UPDATE and len(row) < len(all_told))
        for version, row, all_told in zip(versions, rows, told, strict=True)
    ]


def _key(version: Any) -> Any:
    """Return the primary key of a version's row as its object has it."""
    return pk_of([getattr(version, name) for name in version.key_names])


def _row(
    touch: ModelChanges,
    found: VersionChanges,
    changes: Sequence[Difference],
    revision: BaseRevision,
) -> RevisionRow:
    version: Any = found.version
    model_admin = touch.visible.model_admin
    pk = _key(version)
    version_url = None
    if model_admin is not None:
        version_url = object_url(model_admin, "audittrail_version", pk, version.version)
    return RevisionRow(
        Badge(version.operation),
        _text(touch, version, revision),
        history_url(model_admin, pk),
        version_url,
        changes,
    )


def _text(touch: ModelChanges, version: Any, revision: BaseRevision) -> str:
    """Return what the object of a version is called, unless what is not to be shown may be part of it."""
    model = touch.model
    if hidden_fields(touch.visible.model_admin) or model._meta.auto_created:
        return unnamed(model, _key(version))
    moment = Moment(version._state.db or "default", revision.committed or 0)
    return name_of(past_object(model, {model: version}, moment))
