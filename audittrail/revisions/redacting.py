"""Redact history: replace values, such as a person's data, in every version of rows and in revisions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from django.db import DatabaseError, OperationalError, connections, transaction

from audittrail.capture import access
from audittrail.capture.tables import has_made_room
from audittrail.exceptions import EditingError
from audittrail.revisions import replacements
from audittrail.revisions.context import context
from audittrail.revisions.editing import require_reason
from audittrail.revisions.replacements import TableReplacements
from audittrail.revisions.targets import Target, target_of
from audittrail.revisions.wording import counted

#: How many versions a dry run shows of each table.
SAMPLES: Final = 10


@dataclass(frozen=True)
class Sample:
    """A version that holds what is to be redacted: the row's key, the revision's number, the operation, and the values.

    Without those of fields that are masked.
    """

    key: tuple[Any, ...]
    revision: int
    operation: str
    values: dict[str, Any]


@dataclass(frozen=True)
class RedactedTable:
    """What was redacted in the history of a table: its columns, how many rows and versions.

    `live` is how many live rows were overwritten, or by a dry run how many still hold something else than the replacement.
    """

    table: str
    columns: tuple[str, ...]
    rows: int
    versions: int
    live: int = 0
    samples: tuple[Sample, ...] = ()


@dataclass(frozen=True)
class Redaction:
    """What was redacted, or would be, in each table that the fields belong to; for revisions in `revision`.

    `matched` tells whether history holds any version of the rows at all, or there is any of the revisions.
    """

    database: str
    tables: tuple[RedactedTable, ...]
    dry_run: bool = False
    matched: bool = True

    @property
    def versions(self) -> int:
        """How many versions, or revisions, it concerns."""
        return sum(table.versions for table in self.tables)

    @property
    def live(self) -> int:
        """How many live rows were overwritten, or still hold something else."""
        return sum(table.live for table in self.tables)


def redact(
    target: Any,
    fields: Sequence[str] | Mapping[str, Any] | str,
    *,
    reason: str,
    value: Any = None,
    pks: Iterable[Any] | None = None,
    live: bool = False,
    dry_run: bool = False,
    using: str | None = None,
    user: Any = None,
    **metadata: Any,
) -> Redaction:
    """Replace what history holds of some fields, in every version of some rows.

    Takes whose history: a model (all of its rows, or those of `pks`), objects, a queryset of the present or the past, versions
    or a queryset of them, or as a string the label of a model or the name of a table. Then names of fields, of columns that are
    gone from the table, or "__all__" for all but the key; or a dictionary that gives each its replacement, which otherwise is
    `value`, by default NULL. Parents' fields are redacted in the parents' tables. Objects may have been deleted long ago.

    Of revisions, the fields are `committed_by`, `client_addr`, `reason`, `context`, `db_user` and `application_name`, and single
    keys of the context, such as `context__path`.

    The last version of a row goes on agreeing with the live one: with `live` that is overwritten too, otherwise one that
    holds something else than the replacement is an error. With `dry_run` nothing is changed, and the result has samples.

    Everything is one transaction and one revision, or part of the transaction around the call. Its context says under
    `redacted` what was redacted, never the values; `reason` and the rest are what `context` takes.

    Raises `EditingError` for what can't be redacted, for live rows that hold something else, without a reason, and for a role that does not own
    history; `NotTrackedError` for a table without history. Nothing is changed then.
    """
    require_reason("redact", reason)
    meant = target_of(target, pks, using)
    connection = connections[meant.using]
    access.require_owner(connection)
    given = {} if user is None else {"user": user}
    with (
        context(reason=reason, **given, **metadata),
        _saying_what_is_wrong(),
        transaction.atomic(using=meant.using),
    ):
        if meant.is_revisions:
            matched = meant.keys is None or len(meant.keys) > 0
            tables = [_redact_revisions(meant, fields, value, dry_run)]
        else:
            by_table = replacements.by_table(meant, fields, value)
            matched = any(_holds_versions(meant, one) for one in by_table)
            tables = _preview(meant, by_table) if dry_run else _carry_out(meant, by_table, live)
    return Redaction(meant.using, tuple(tables), dry_run, matched)


@contextmanager
def _saying_what_is_wrong() -> Iterator[None]:
    try:
        yield
    except OperationalError:
        raise
    except DatabaseError as error:
        text = str(error).partition("CONTEXT:")[0].strip().replace("\n", " ")
        raise EditingError(f"Nothing was redacted: {text}") from error


def _holds_versions(meant: Target, one: TableReplacements) -> bool:
    (number, _columns, _values, *rows), keys = one.arguments(meant)
    (found,) = _call(meant, f"audittrail.holds_versions(%s, {keys})", [number, *rows])
    return bool(found)


def _preview(meant: Target, by_table: list[TableReplacements]) -> list[RedactedTable]:
    tables = []
    for one in by_table:
        arguments, keys = one.arguments(meant)
        rows, versions, samples = _call(
            meant,
            f"rows, versions, samples FROM audittrail.preview_redaction(%s, %s, %s, {keys}, {SAMPLES})",
            arguments,
        )
        (holding,) = _call(
            meant, f"rows FROM audittrail.live_holders(%s, %s, %s, {keys}, false)", arguments
        )
        shown = (
            Sample(tuple(s["key"]), s["revision"], s["operation"], _shown(s["values"], one.masked))
            for s in (json.loads(samples) if isinstance(samples, str) else samples)
        )
        tables.append(RedactedTable(one.table, one.names, rows, versions, holding, tuple(shown)))
    return tables


def _shown(values: dict[str, Any], masked: frozenset[str]) -> dict[str, Any]:
    """Return the values of a sample without those that are never shown, copies of them included."""
    return {
        name: value
        for name, value in values.items()
        if name not in masked and not has_made_room(name, masked)
    }


def _carry_out(meant: Target, by_table: list[TableReplacements], live: bool) -> list[RedactedTable]:
    overwritten = {}
    for one in by_table if live else ():
        arguments, keys = one.arguments(meant)
        (overwritten[one.table],) = _call(
            meant, f"audittrail.overwrite_live(%s, %s, %s, {keys})", arguments
        )
    tables = []
    for one in by_table:
        arguments, keys = one.arguments(meant)
        rows, versions = _call(
            meant, f"rows, versions FROM audittrail.redact_versions(%s, %s, %s, {keys})", arguments
        )
        tables.append(
            RedactedTable(one.table, one.names, rows, versions, overwritten.get(one.table, 0))
        )
        # Live rows are looked at after the versions have been replaced. Rows that agree with their last version are passed over, so
        # whoever writes meanwhile is neither waited for nor taken for somebody who keeps the old values.
        holding, example = _call(
            meant,
            f"rows, example FROM audittrail.live_holders(%s, %s, %s, {keys}, true)",
            arguments,
        )
        if holding:
            raise EditingError(
                f"{counted(holding, 'live row')} of {one.table!r} still {'holds' if holding == 1 else 'hold'} something else in "
                f"{', '.join(one.names)}, such as {example}, and the last version of a row must agree with the live row. Change the live "
                "rows first, or pass live=True to overwrite them in the same transaction. Nothing was redacted."
            )
    return tables


def _redact_revisions(
    meant: Target, fields: Sequence[str] | Mapping[str, Any] | str, value: Any, dry_run: bool
) -> RedactedTable:
    columns = replacements.revision_columns(fields, value)
    numbers = None if meant.keys is None else [number for (number,) in meant.keys]
    (count,) = _call(
        meant,
        "audittrail.redact_revisions(coalesce(%s::bigint[], ARRAY(SELECT id FROM audittrail.revision)), %s, %s, %s)",
        [numbers, list(columns), list(columns.values()), dry_run],
    )
    return RedactedTable("revision", tuple(columns), count, count)


def _call(meant: Target, call: str, arguments: list[Any]) -> Any:
    with connections[meant.using].cursor() as cursor:
        cursor.execute(f"SELECT {call}", arguments)
        return cursor.fetchone()
