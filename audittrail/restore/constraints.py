"""What binds the rows of live tables: foreign keys, unique and exclusion constraints, checks, as the catalogs have them.

Those of the database, not those of the models: an old database has more of them than its models say.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ForeignKey:
    """A foreign key constraint between two tables, by their oids; the referencing one need not be tracked."""

    name: str
    schema: str
    relation: int
    columns: tuple[str, ...]
    target: int
    target_columns: tuple[str, ...]
    deferrable: bool
    deferred: bool
    #: Whether deleting or changing the target changes the referencing rows by itself.
    acts: bool
    #: The name of the referencing table, as SQL, and its primary key.
    table: str
    key: tuple[str, ...]


@dataclass(frozen=True)
class UniqueIndex:
    """A unique index: its expressions and predicate as SQL over bare column names, and the columns that it has plainly."""

    name: str
    schema: str
    relation: int
    expressions: tuple[str, ...]
    predicate: str | None
    columns: tuple[str, ...]
    nulls_distinct: bool
    primary: bool
    #: Checked at once, row by row, unless deferred.
    immediate: bool
    deferred: bool


@dataclass(frozen=True)
class ExclusionConstraint:
    """An exclusion constraint: expressions and their operators."""

    name: str
    schema: str
    relation: int
    expressions: tuple[str, ...]
    operators: tuple[str, ...]
    predicate: str | None
    deferrable: bool
    deferred: bool


@dataclass(frozen=True)
class CheckConstraint:
    """A check constraint and its condition."""

    name: str
    relation: int
    condition: str


@dataclass(frozen=True)
class Constraints:
    """All that binds some tables."""

    foreign_keys: tuple[ForeignKey, ...]
    unique: tuple[UniqueIndex, ...]
    exclusions: tuple[ExclusionConstraint, ...]
    checks: tuple[CheckConstraint, ...]

    def deferrable(self) -> list[tuple[str, str, bool]]:
        """Return schema and name of the constraints that can wait for the end, and whether they do by themselves."""
        names = {(c.schema, c.name, c.deferred) for c in self.foreign_keys if c.deferrable}
        names |= {(c.schema, c.name, c.deferred) for c in self.unique if not c.immediate}
        names |= {(c.schema, c.name, c.deferred) for c in self.exclusions if c.deferrable}
        return sorted(names)


_FOREIGN_KEYS = """
SELECT c.conname, n.nspname, c.conrelid::bigint,
       ARRAY(SELECT a.attname::text FROM unnest(c.conkey) WITH ORDINALITY k (attnum, position)
               JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.attnum ORDER BY k.position),
       c.confrelid::bigint,
       ARRAY(SELECT a.attname::text FROM unnest(c.confkey) WITH ORDINALITY k (attnum, position)
               JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.attnum ORDER BY k.position),
       c.condeferrable, c.condeferred, c.confdeltype IN ('c', 'n', 'd') OR c.confupdtype IN ('c', 'n', 'd'),
       c.conrelid::regclass::text,
       ARRAY(SELECT a.attname::text FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY k (attnum, position)
               JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
              WHERE i.indrelid = c.conrelid AND i.indisprimary AND k.position <= i.indnkeyatts ORDER BY k.position)
  FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid JOIN pg_namespace n ON n.oid = c.connamespace
 WHERE c.contype = 'f' AND c.conparentid = 0 AND (c.conrelid = ANY (%s::oid[]) OR c.confrelid = ANY (%s::oid[]))
 ORDER BY c.conrelid, c.conname
"""

# NULLS NOT DISTINCT is known from PostgreSQL 15 on, and read from the row as json so that 14 has no column to miss.
_UNIQUE = """
SELECT x.relname, n.nspname, i.indrelid::bigint,
       ARRAY(SELECT pg_get_indexdef(i.indexrelid, k::int, false) FROM generate_series(1, i.indnkeyatts) k ORDER BY k),
       pg_get_expr(i.indpred, i.indrelid),
       ARRAY(SELECT a.attname::text FROM unnest(i.indkey::int2[]) WITH ORDINALITY k (attnum, position)
               JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum AND k.position <= i.indnkeyatts ORDER BY k.position),
       NOT coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false), i.indisprimary, i.indimmediate, coalesce(c.condeferred, false)
  FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_namespace n ON n.oid = x.relnamespace
  LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid AND c.contype IN ('p', 'u')
 WHERE i.indisunique AND i.indisvalid AND i.indrelid = ANY (%s::oid[])
   AND NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = i.indexrelid AND i.indrelid <> ALL (%s::oid[]))
 ORDER BY i.indrelid, x.relname
"""

_EXCLUSIONS = """
SELECT c.conname, n.nspname, c.conrelid::bigint,
       ARRAY(SELECT pg_get_indexdef(c.conindid, k::int, false) FROM generate_series(1, i.indnkeyatts) k ORDER BY k),
       ARRAY(SELECT format('OPERATOR(%%I.%%s)', s.nspname, o.oprname) FROM unnest(c.conexclop) WITH ORDINALITY e (operator, position)
               JOIN pg_operator o ON o.oid = e.operator JOIN pg_namespace s ON s.oid = o.oprnamespace ORDER BY e.position),
       pg_get_expr(i.indpred, i.indrelid), c.condeferrable, c.condeferred
  FROM pg_constraint c JOIN pg_index i ON i.indexrelid = c.conindid JOIN pg_namespace n ON n.oid = c.connamespace
 WHERE c.contype = 'x' AND c.conrelid = ANY (%s::oid[])
 ORDER BY c.conrelid, c.conname
"""

# A condition that refers to the row as a whole (attribute 0) is left out: it can't be evaluated on the temporary table.
_CHECKS = """
SELECT c.conname, c.conrelid::bigint, pg_get_expr(c.conbin, c.conrelid)
  FROM pg_constraint c
 WHERE c.contype = 'c' AND c.convalidated AND NOT (0 = ANY (c.conkey)) AND c.conrelid = ANY (%s::oid[])
 ORDER BY c.conrelid, c.conname
"""


def load(cursor: Any, relations: Iterable[int]) -> Constraints:
    """Return what binds the tables of the given oids, and the foreign keys that lead to them."""
    oids = sorted(relations)
    cursor.execute(_FOREIGN_KEYS, [oids, oids])
    foreign_keys = [ForeignKey(*_tuples(row)) for row in cursor.fetchall()]
    cursor.execute(_UNIQUE, [oids, oids])
    unique = [UniqueIndex(*_tuples(row)) for row in cursor.fetchall()]
    cursor.execute(_EXCLUSIONS, [oids])
    exclusions = [ExclusionConstraint(*_tuples(row)) for row in cursor.fetchall()]
    cursor.execute(_CHECKS, [oids])
    checks = [CheckConstraint(*row) for row in cursor.fetchall()]
    return Constraints(tuple(foreign_keys), tuple(unique), tuple(exclusions), tuple(checks))


def _tuples(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(tuple(value) if isinstance(value, list) else value for value in row)
