"""Carry out what is staged: a few statements for each table, in an order that its constraints allow.

Constraints that can wait for the end do. What can't wait decides the order: rows that hold a unique value which another row gets make
way first, then rows are inserted, those that others refer to before them, then updated, then deleted, in the reverse order.
"""

from __future__ import annotations

from collections.abc import Iterable

from audittrail.restore import making_way, writing
from audittrail.restore.catalog import LiveTable
from audittrail.restore.constraints import Constraints
from audittrail.restore.staging import Staging
from audittrail.restore.statements import (
    composed,
    joined,
    raw,
    run,
)


def carry_out(staging: Staging, bound: Constraints) -> None:
    """Write the staged rows into the live tables.

    Raises `RestoreError` if the tables' own triggers or rules leave rows out; the database's errors pass through.
    """
    waiting = bound.deferrable()
    _set_constraints(staging, waiting, "DEFERRED")
    order = _targets_first(list(staging), bound)
    for index in bound.unique:
        if index.immediate and not index.primary:
            making_way.make_way(staging, staging.staged[index.relation], index, bound)
    for table in order:
        writing.insert(staging, table)
    for table in order:
        writing.update(staging, table)
    for table in reversed(order):
        writing.delete(staging, table)
    for table in order:
        writing.advance_sequences(staging, table)
    # What a constraint refuses is to be an error of this call, not of the commit of a transaction around it.
    _set_constraints(staging, waiting, "IMMEDIATE")
    _set_constraints(staging, [found for found in waiting if found[2]], "DEFERRED")


def _set_constraints(
    staging: Staging, constraints: Iterable[tuple[str, str, bool]], mode: str
) -> None:
    names = [
        composed("{schema}.{name}", schema=schema, name=name) for schema, name, _ in constraints
    ]
    if names:
        run(staging.cursor, "SET CONSTRAINTS {names} {mode}", names=joined(names), mode=raw(mode))


def _targets_first(tables: list[LiveTable], bound: Constraints) -> list[LiveTable]:
    """Return the tables in an order in which references lead back; in a circle, those that can't wait count."""
    oids = {table.relation for table in tables}
    links = {(key.relation, key.target) for key in bound.foreign_keys} & {
        (a, b) for a in oids for b in oids if a != b
    }
    firm = {(key.relation, key.target) for key in bound.foreign_keys if not key.deferrable} & links
    ordered: list[LiveTable] = []
    left = list(tables)
    while left:
        there = {table.relation for table in left}
        free = [t for t in left if not any(a == t.relation and b in there for a, b in links)]
        free = free or [t for t in left if not any(a == t.relation and b in there for a, b in firm)]
        chosen = (free or left)[0]
        ordered.append(chosen)
        left.remove(chosen)
    return ordered
