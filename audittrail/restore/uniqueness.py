"""Values that two rows may not share: what unique indexes and exclusion constraints say of staged rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from audittrail.restore.catalog import LiveTable
from audittrail.restore.constraints import ExclusionConstraint, UniqueIndex
from audittrail.restore.finding import WRITTEN, Finder
from audittrail.restore.staging import Staging
from audittrail.restore.statements import composed, joined, listed, name_of, raw, same

#: Staged rows that are compared with each other one by one: there is no index that would find them.
_PAIRS: Final = 5_000


def unique(staging: Staging, table: LiveTable, index: UniqueIndex) -> Iterator[Finder]:
    """Ask which staged rows would share the values of a unique index with rows that stay, or among themselves."""
    stage = staging.name(table)
    names = ", ".join(index.columns) or index.name
    if index.primary:
        places = composed(
            "SELECT s.ctid AS place, '' AS detail FROM {stage} s WHERE s.audittrail_action = 'I' AND EXISTS (SELECT FROM {live} l WHERE {same}"
            " AND NOT EXISTS (SELECT FROM {stage} d WHERE d.audittrail_action = 'D' AND {gone}))",
            stage=stage,
            live=name_of(table),
            same=same(table.key, "l", "s"),
            gone=same(table.key, "d", "l"),
        )
        yield Finder("unique", table, index.columns, ": the key is in use", places)
        return
    mine = composed(
        "(SELECT ctid AS place, {key}, {values} FROM {stage} WHERE {written}{predicate})",
        key=listed(table.key),
        values=valued(index),
        stage=stage,
        written=WRITTEN,
        predicate=raw(f" AND ({index.predicate})" if index.predicate else ""),
    )
    theirs = composed(
        "(SELECT {key}, {values} FROM {live}{predicate})",
        key=listed(table.key),
        values=valued(index),
        live=name_of(table),
        predicate=raw(f" WHERE {index.predicate}" if index.predicate else ""),
    )
    places = composed(
        "SELECT s.place, concat_ws(', ', {values}) AS detail FROM {mine} s WHERE EXISTS (SELECT FROM {theirs} l WHERE {equal}"
        " AND NOT EXISTS (SELECT FROM {stage} d WHERE {same}))",
        values=listed(names_of(index), "s"),
        mine=mine,
        theirs=theirs,
        equal=equal(index),
        stage=stage,
        same=same(table.key, "d", "l"),
    )
    text = f": another row has its {names} by now ("
    after = f"; {index.name})"
    yield Finder("unique", table, index.columns, text, places, after=after)
    filled = raw("true")
    if index.nulls_distinct:
        filled = joined(
            (composed("{name} IS DISTINCT FROM NULL", name=name) for name in names_of(index)),
            " AND ",
        )
    places = composed(
        "SELECT place, concat_ws(', ', {values}) AS detail FROM (SELECT place, {values}, count(*) OVER (PARTITION BY {values}) AS audittrail_rows"
        " FROM {mine} m WHERE {filled}) s WHERE audittrail_rows > 1",
        values=listed(names_of(index)),
        mine=mine,
        filled=filled,
    )
    text = f": another row that comes back has the same {names} ("
    yield Finder("unique", table, index.columns, text, places, after=after)


def names_of(index: UniqueIndex | ExclusionConstraint) -> list[str]:
    """Return the names under which `valued` gives the expressions."""
    return [f"audittrail_{number}" for number, _ in enumerate(index.expressions)]


def valued(index: UniqueIndex | ExclusionConstraint) -> Any:
    """Return the expressions of an index as columns."""
    return joined(
        composed("({value}) AS {name}", value=raw(value), name=name)
        for value, name in zip(index.expressions, names_of(index), strict=True)
    )


def equal(index: UniqueIndex) -> Any:
    """Return the condition that rows `l` and `s` have the same values, as the index sees it."""
    operator = "=" if index.nulls_distinct else "IS NOT DISTINCT FROM"
    return joined(
        (
            composed("l.{name} {operator} s.{name}", name=name, operator=raw(operator))
            for name in names_of(index)
        ),
        " AND ",
    )


def exclusion(
    staging: Staging, table: LiveTable, exclusion: ExclusionConstraint
) -> Iterator[Finder]:
    """Ask which staged rows an exclusion constraint would not let stand beside others."""
    stage = staging.name(table)
    predicate = f" AND ({exclusion.predicate})" if exclusion.predicate else ""
    mine = composed(
        "(SELECT ctid AS place, {values} FROM {stage} WHERE {written}{predicate})",
        values=valued(exclusion),
        stage=stage,
        written=WRITTEN,
        predicate=raw(predicate),
    )
    theirs = composed(
        "(SELECT {key}, {values} FROM {live} WHERE true{predicate})",
        key=listed(table.key),
        values=valued(exclusion),
        live=name_of(table),
        predicate=raw(predicate),
    )
    excluded = joined(
        (
            composed("l.{name} {operator} s.{name}", name=name, operator=raw(operator))
            for name, operator in zip(names_of(exclusion), exclusion.operators, strict=True)
        ),
        " AND ",
    )
    text = f" would clash with another row ({exclusion.name})"
    places = composed(
        "SELECT s.place, '' AS detail FROM {mine} s WHERE EXISTS (SELECT FROM {theirs} l WHERE {excluded}"
        " AND NOT EXISTS (SELECT FROM {stage} d WHERE {same}))",
        mine=mine,
        theirs=theirs,
        excluded=excluded,
        stage=stage,
        same=same(table.key, "d", "l"),
    )
    yield Finder("exclusion", table, (), text, places)
    if staging.count(table) <= _PAIRS:
        places = composed(
            "SELECT s.place, '' AS detail FROM {mine} s WHERE EXISTS (SELECT FROM {mine} l WHERE l.place <> s.place AND {excluded})",
            mine=mine,
            excluded=excluded,
        )
        text = f" would clash with another row that comes back ({exclusion.name})"
        yield Finder("exclusion", table, (), text, places)
