"""What each version changed: itself compared with the one of the same row before it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db.backends.postgresql.psycopg_any import sql
from django.db.models import prefetch_related_objects

from audittrail.diff.changes import FieldChange
from audittrail.diff.columns import columns_of
from audittrail.diff.images import RowImage, changes_between, is_gone
from audittrail.diff.loading import Images, parsed
from audittrail.diff.statements import (
    fetch,
    history_table,
    rows_of_keys,
    same_key,
    since_version,
)
from audittrail.revisions.models import BaseRevision
from audittrail.revisions.versions import Operation, Version
from audittrail.revisions.wording import named


@dataclass(frozen=True)
class VersionChanges:
    """A version, the one of its row before it, and what changed between them.

    An insertion changes every field that it gives a value, a deletion every field that had one. Of the first known version
    of a row that existed before, such as its baseline, it isn't known what it changed: it has no changes.
    """

    version: Version
    previous: Version | None
    changes: tuple[FieldChange, ...]


def version_changes(versions: Iterable[Version], *, dropped: bool = False) -> list[VersionChanges]:
    """Return what each of some versions changed, in their order.

    Takes versions of one model read from one database, a page of them, in any order. Sends one query, and one more for their
    revisions unless these are loaded (`select_related("revision")`). With `dropped`, changes of columns that no field has any more
    are told as well, with values as JSON has them: only for those who may see everything, since nobody knows any more
    whether such a column was masked.

    Raises `ValueError` for versions of several models or databases.
    """
    versions = list(versions)
    if not versions:
        return []
    model: Any = type(versions[0])
    alias = versions[0]._state.db or "default"
    for version in versions:
        if type(version) is not model or version._state.db != alias:
            raise ValueError(
                f"version_changes takes versions of one model from one database; {named(versions[0])} and {named(version)} are not. "
                "Call it for each of them."
            )
    prefetch_related_objects(versions, "revision")
    columns = columns_of(model.tracked_model)
    found = {}
    for position, image, previous in _previous(model, alias, versions, dropped):
        found[position] = image, previous
    result = []
    for position, version in enumerate(versions):
        image, previous = found.get(position, (RowImage(version), None))
        old, new = _sides(image, previous)
        changes = changes_between(columns, old, new, loaded_revision(version))
        if old is None and new is image and not _is_insertion(version, previous):
            changes = ()
        result.append(VersionChanges(version, previous and previous.row, changes))  # type: ignore[arg-type]
    return result


def loaded_revision(version: Version) -> BaseRevision | None:
    """Return the revision of a version, which has been loaded; None if it has been erased."""
    revision: BaseRevision | None = version._state.fields_cache.get("revision")
    return revision


def _sides(image: RowImage, previous: RowImage | None) -> tuple[RowImage | None, RowImage | None]:
    """Return what to compare for a version: nothing stands on the side on which the row is not there."""
    version: Any = image.row
    if is_gone(version):
        return image, None  # which holds the full last image itself
    before: Any = previous and previous.row
    return None if before is None or is_gone(before) else previous, image


def _is_insertion(version: Any, previous: RowImage | None) -> bool:
    return previous is not None or version.operation == Operation.INSERT


_PREVIOUS: Final = """
    SELECT w.position, {columns} {texts} {dropped}
      FROM {rows}
      JOIN {history} v ON {same_version} AND v.version = w.audittrail_tick
      LEFT JOIN LATERAL (
           SELECT p.* {p_dropped} FROM {history} p
            WHERE {same_row} AND p.version < v.version
              AND p.version >= CASE WHEN v.version >= {since} THEN {since} ELSE 0 END
            ORDER BY p.version DESC LIMIT 1) p ON true
"""


def _previous(
    model: Any, alias: str, versions: Sequence[Any], dropped: bool
) -> Iterator[tuple[int, RowImage, RowImage | None]]:
    """Yield for each version its position, its own image, and that of the version before it.

    A version from before a table's tracking began anew is no predecessor of one after that: it may be of another row.
    """
    own = Images(model, alias, "v", dropped=dropped)
    before = Images(model, alias, "p", dropped=dropped)
    keys = [[getattr(version, name) for name in model.key_names] for version in versions]
    statement = sql.SQL(_PREVIOUS).format(
        columns=before.columns(),
        texts=own.texts_only(),
        dropped=own.dropped("v"),
        p_dropped=before.dropped("p"),
        rows=rows_of_keys(model, alias, keys, [version.version for version in versions]),
        history=history_table(model),
        same_version=same_key(model, "v", "w"),
        same_row=same_key(model, "p", "v"),
        since=since_version(model),
    )
    for position, *values in fetch(alias, statement):
        texts = own.texts(values[before.width : before.width + len(own.inexact)])
        others = parsed(values[-1]) if dropped else {}
        image = RowImage(versions[position], texts, others)
        yield position, image, before.image(values[: before.width])
