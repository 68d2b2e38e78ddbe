"""What stands in the way of staged rows: asked of the database with one query for each of its constraints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from audittrail.capture import tracking
from audittrail.restore import constraints, uniqueness
from audittrail.restore.catalog import LiveTable
from audittrail.restore.constraints import Constraints, ForeignKey
from audittrail.restore.finding import WRITTEN, Finder
from audittrail.restore.plan import LISTED, Conflict, OnConflict
from audittrail.restore.staging import Staging
from audittrail.restore.statements import composed, joined, listed, name_of, raw, run, same

#: Stands for values of masked columns.
MASKED: Final = "…"

#: Leaving out rows can put other rows in the way, so everything is asked again, at most so often.
_ROUNDS: Final = 1_000


def find(staging: Staging, on_conflict: OnConflict) -> tuple[Constraints, list[Conflict]]:
    """Return what binds the staged tables, and what stands in the way; rows that are in the way are left out if so told."""
    bound = constraints.load(staging.cursor, [table.relation for table in staging])
    finders = list(_finders(staging, bound))
    found: list[Conflict] = []
    for _ in range(_ROUNDS):
        left_out = False
        for finder in finders:
            present = _listed(staging, finder)
            found += present
            if present and on_conflict == "skip":
                _leave_out(staging, finder)
                left_out = True
        if not left_out:
            break
    return bound, found


def _finders(staging: Staging, bound: Constraints) -> Iterator[Finder]:
    for table in staging:
        yield from _changed_since(staging, table)
        yield from _missing_values(staging, table)
        yield from _checks(staging, table, bound)
    by_relation = staging.staged
    for key in bound.foreign_keys:
        if key.relation in by_relation:
            yield _missing_reference(staging, by_relation[key.relation], key)
        if key.target in by_relation:
            yield _protected(staging, by_relation[key.target], key)
    for index in bound.unique:
        yield from uniqueness.unique(staging, by_relation[index.relation], index)
    for exclusion in bound.exclusions:
        yield from uniqueness.exclusion(staging, by_relation[exclusion.relation], exclusion)


def _changed_since(staging: Staging, table: LiveTable) -> Iterator[Finder]:
    """Ask for what a later revision has changed, which undoing notes while it stages: the names of fields."""
    key = [table.column(name).history or name for name in table.key]
    places = composed(
        "SELECT s.ctid AS place, concat(array_to_string(s.audittrail_fields, ', '), ' (revision ', (SELECT h.revision_id"
        " FROM audittrail.{history} h WHERE {same} ORDER BY h.version DESC LIMIT 1), ')') AS detail"
        " FROM {stage} s WHERE s.audittrail_fields IS NOT NULL",
        history=table.history,
        same=same(key, "h", "s", table.key),
        stage=staging.name(table),
    )
    yield Finder(
        "changed since", table, (), " was changed again by a later revision: ", places, after=""
    )


def _missing_values(staging: Staging, table: LiveTable) -> Iterator[Finder]:
    for found in table.writable:
        if found.not_null and not found.identity:
            places = composed(
                "SELECT s.ctid AS place, '' AS detail FROM {stage} s WHERE {written} AND s.{name} IS NOT DISTINCT FROM NULL",
                stage=staging.name(table),
                written=WRITTEN,
                name=found.name,
            )
            why = "history has no value for it" if found.stored else "it is excluded from history"
            text = f": {found.name} must have a value, and {why}"
            yield Finder("missing value", table, (found.name,), text, places)


def _checks(staging: Staging, table: LiveTable, bound: Constraints) -> Iterator[Finder]:
    for check in bound.checks:
        if check.relation == table.relation:
            places = composed(
                "SELECT ctid AS place, '' AS detail FROM {stage} WHERE {written} AND ({condition}) IS FALSE",
                stage=staging.name(table),
                written=WRITTEN,
                condition=raw(check.condition),
            )
            text = f" would violate the check constraint {check.name!r}"
            yield Finder("check", table, (), text, places)


def _missing_reference(staging: Staging, table: LiveTable, key: ForeignKey) -> Finder:
    target = staging.staged.get(key.target)
    gone, brought = raw(""), raw("")
    if target is not None:
        stage = staging.name(target)
        gone = composed(
            " AND NOT EXISTS (SELECT FROM {stage} d WHERE {same})",
            stage=stage,
            same=same(target.key, "d", "t"),
        )
        brought = composed(
            " AND NOT EXISTS (SELECT FROM {stage} n WHERE n.audittrail_action <> 'D' AND {same})",
            stage=stage,
            same=same(key.target_columns, "n", "s", key.columns),
        )
    places = composed(
        "SELECT s.ctid AS place, concat_ws(', ', {values}) AS detail FROM {stage} s WHERE {written} AND {filled}"
        " AND NOT EXISTS (SELECT FROM {target} t WHERE {same}{gone}){brought}",
        values=listed(key.columns, "s"),
        stage=staging.name(table),
        written=WRITTEN,
        filled=joined(
            (composed("s.{name} IS DISTINCT FROM NULL", name=name) for name in key.columns), " AND "
        ),
        target=target_name(staging, key),
        same=same(key.target_columns, "t", "s", key.columns),
        gone=gone,
        brought=brought,
    )
    to = staging.tables.get(key.target)
    text = f" refers to {to or 'a row'} "
    after = f" by {', '.join(key.columns)}, which is not there any more"
    other = to.model if to else None
    return Finder("missing reference", table, key.columns, text, places, other, after)


def target_name(staging: Staging, key: ForeignKey) -> Any:
    """Return the name of the table that a foreign key leads to."""
    table = staging.tables.get(key.target)
    if table is not None:
        return name_of(table)
    return raw(str(staging.value("SELECT {oid}::regclass::text", oid=raw(str(key.target)))))


def _protected(staging: Staging, table: LiveTable, key: ForeignKey) -> Finder:
    referring = staging.staged.get(key.relation)
    spared = raw("")
    if referring is not None:
        # A referring row that is staged itself is not in the way: it is deleted too, or what it will refer to is asked about on its own.
        spared = composed(
            " AND NOT EXISTS (SELECT FROM {stage} d WHERE {same})",
            stage=staging.name(referring),
            same=same(referring.key, "d", "x"),
        )
    places = composed(
        "SELECT s.ctid AS place, '' AS detail FROM {stage} s WHERE s.audittrail_action = 'D'"
        " AND EXISTS (SELECT FROM {referring} x WHERE {same}{spared})",
        stage=staging.name(table),
        referring=raw(key.table),
        same=same(key.columns, "x", "s", key.target_columns),
        spared=spared,
    )
    by = staging.tables.get(key.relation)
    text = (
        f" would be deleted, but rows of {by or key.table} refer to it by {', '.join(key.columns)}"
    )
    return Finder("protected", table, key.target_columns, text, places, by.model if by else None)


def _listed(staging: Staging, finder: Finder) -> list[Conflict]:
    table = finder.table
    rows = run(
        staging.cursor,
        "SELECT {key}, f.detail, k.audittrail_fields FROM ({places}) f JOIN {stage} k ON k.ctid = f.place LIMIT {limit}",
        key=joined(composed("k.{name}::text", name=name) for name in table.key),
        places=finder.places,
        stage=staging.name(table),
        limit=raw(str(LISTED + 1)),
    ).fetchall()
    if _tells_masked_values(finder):
        rows = [(*key, MASKED, fields) for *key, _detail, fields in rows]
    conflicts = [
        Conflict(
            finder.kind,
            table.name,
            table.model,
            tuple(key),
            tuple(fields or finder.columns),
            finder.message(", ".join(key), detail),
            other=finder.other,
            detail=detail,
        )
        for *key, detail, fields in rows
    ]
    if len(conflicts) > LISTED:
        total = staging.value("SELECT count(*) FROM ({places}) f", places=finder.places)
        last = conflicts[LISTED - 1]
        more = f"{last.message}, and {total - LISTED} more rows like it"
        rows_left = total - LISTED + 1
        conflicts[LISTED - 1 :] = [replace(last, message=more, rows=rows_left)]
    return conflicts


def _tells_masked_values(finder: Finder) -> bool:
    """Return whether the detail of what a finder finds may hold values of masked columns; of an expression it isn't known."""
    model = finder.table.model
    masked = set(tracking.options_of(model).mask) if model else set()
    if not masked or finder.kind not in ("unique", "missing reference"):
        return False
    fields = {getattr(finder.table.field(name), "name", name) for name in finder.columns}
    return finder.kind == "unique" or bool(fields & masked)


def _leave_out(staging: Staging, finder: Finder) -> None:
    if finder.kind == "changed since":
        # Of an updated row only the fields that were changed since stay as they are, which is how it was staged.
        run(
            staging.cursor,
            "DELETE FROM {stage} WHERE audittrail_fields IS NOT NULL AND audittrail_action = '='",
            stage=staging.name(finder.table),
        )
        run(
            staging.cursor,
            "UPDATE {stage} SET audittrail_fields = NULL WHERE audittrail_fields IS NOT NULL",
            stage=staging.name(finder.table),
        )
        return
    run(
        staging.cursor,
        "DELETE FROM {stage} d USING ({places}) f WHERE d.ctid = f.place",
        stage=staging.name(finder.table),
        places=finder.places,
    )
