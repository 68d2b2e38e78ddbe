"""Compare what is in a database with what has to be there, and tell what differs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from audittrail.capture.servercode import surroundings
from audittrail.capture.servercode.catalogs import RIGHTS, SAMPLE, SCHEMA, Code, read


@dataclass(frozen=True)
class Deviation:
    """Something of the server code that is not as it was installed."""

    what: str
    problem: str
    #: Which parts of it differ.
    details: tuple[str, ...] = field(default=())
    #: Whether it concerns the tracking of one table, so that `sync` tells of it and puts it right.
    is_tracking: bool = False
    #: Whether nothing was found at all, because the present role, or a standby, can't look.
    is_blind: bool = False

    def __str__(self) -> str:
        """Return it as a sentence."""
        return f"{self.what} {self.problem}" + (
            f": {', '.join(self.details)}" if self.details else ""
        )


def compared(cursor: Any, expected: Code) -> Iterator[Deviation]:
    """Yield what differs from what is expected; `search_path` must be pg_catalog."""
    found = read(cursor, SCHEMA)
    cursor.execute(
        "SELECT t.history_name, EXISTS (SELECT FROM audittrail.ledger_layout l WHERE l.table_id = t.id) FROM audittrail.tracked_table t"
    )
    tracked = dict(cursor.fetchall())
    cursor.execute("SELECT EXISTS (SELECT FROM audittrail.ledger)")
    begun = bool(cursor.fetchone()[0])
    yield from _functions(cursor, found, expected, tracked)
    yield from _tables(found, expected, tracked)
    yield from _triggers(found, expected, tracked, begun=begun)
    yield from _tracking_triggers(cursor)
    yield from _indexes(cursor)
    yield from (Deviation(what, problem) for what, problem in surroundings.read(cursor))


def _functions(
    cursor: Any, found: Code, expected: Code, tracked: Mapping[str, Any]
) -> Iterator[Deviation]:
    # What is generated for a table, by the end of its name and its arguments.
    prefix = f"{SAMPLE}_history_"
    samples = {
        name.removeprefix(prefix).partition("(")[0]: (f"({name.partition('(')[2]}", entry)
        for name, entry in expected.functions.items()
        if name.startswith(prefix)
    }
    wanted: dict[str, Mapping[str, Any]] = {
        name: entry for name, entry in expected.functions.items() if not name.startswith(prefix)
    }
    # While a table is in step, its functions are what would be generated for it today. Otherwise a capture function first makes all of
    # them anew, so that only the beginning of it has to be right.
    cursor.execute(_GENERATED)
    for function, ending, body, in_step in cursor.fetchall():
        arguments, sample = samples[ending]
        name = f"{function}{arguments}"
        present = found.functions.get(name)
        # Without the history table, which is told as missing, nothing can be generated for comparison.
        if present and (body is None or (not in_step and _begin_alike(present["body"], body))):
            body = present["body"]  # nothing of it runs after that
        wanted[name] = {**sample, "body": body}
    for name, entry in wanted.items():
        present = found.functions.get(name)
        if present is None:
            is_tracking = name not in expected.functions
            yield Deviation(f"Function {SCHEMA}.{name}", "is missing", (), is_tracking)
            continue
        different = _different(present, entry)
        if different:
            yield Deviation(f"Function {SCHEMA}.{name}", "is not as it was installed", different)
    for name in sorted(found.functions.keys() - wanted.keys()):
        yield Deviation(f"Function {SCHEMA}.{name}", "was added")


def _different(present: Mapping[str, Any], wanted: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the parts that differ. Of rights only those beyond the expected ones count, also if default privileges have granted them."""
    return tuple(
        part
        for part, value in wanted.items()
        if (
            not {*present[part]} <= {right for right in value if right.split()[0] in RIGHTS[part]}
            if part in RIGHTS
            else present[part] != value
        )
    )


def _begin_alike(*bodies: str) -> bool:
    """Return whether capture functions begin alike, but for the oids of the table, which are others after a restore from a dump."""
    return (
        len({_ON_TABLE.sub("", body.partition("ELSIF NOT is_first THEN")[0]) for body in bodies})
        == 1
    )


def _tables(found: Code, expected: Code, tracked: Mapping[str, Any]) -> Iterator[Deviation]:
    for name, entry in found.tables.items():
        history = name in tracked
        if not history and name not in expected.tables:
            continue
        wanted = expected.tables[f"{SAMPLE}_history" if history else name]
        different = tuple(
            part for part in _different(entry, wanted) if not (history and part == "columns")
        )
        if different:
            yield Deviation(f"Table {SCHEMA}.{name}", "is not as it was installed", different)
    for name in [*expected.tables, *tracked]:
        if name not in found.tables and not name.startswith(f"{SAMPLE}_") and name != SAMPLE:
            yield Deviation(f"Table {SCHEMA}.{name}", "is missing")


def _indexes(cursor: Any) -> Iterator[Deviation]:
    cursor.execute(_INDEXES)
    for index, is_there in cursor.fetchall():
        problem = "is not as it was installed" if is_there else "is missing"
        yield Deviation(f"Index {SCHEMA}.{index}", problem)


def _triggers(
    found: Code, expected: Code, tracked: Mapping[str, Any], *, begun: bool
) -> Iterator[Deviation]:
    sample, sample_history = f"{SCHEMA}.{SAMPLE}", f"{SCHEMA}.{SAMPLE}_history"
    wanted = {
        table: _begun(triggers, begun)
        for table, triggers in expected.triggers.items()
        if table not in (sample, sample_history)
    }
    for history, entered in tracked.items():
        wanted[f"{SCHEMA}.{history}"] = _begun(expected.triggers[sample_history], entered)
    for table, triggers in wanted.items():
        there = found.triggers.get(table, {})
        for name, definition in triggers.items():
            if name not in there:
                yield Deviation(f"Trigger {name} on {table}", "is missing")
            elif there[name][0] != definition[0]:
                problem = f"is {there[name][0]}, not {definition[0]}"
                yield Deviation(f"Trigger {name} on {table}", problem)
            elif there[name] != definition:
                yield Deviation(f"Trigger {name} on {table}", "is not as it was installed")
        for name in sorted(there.keys() - triggers.keys()):
            yield Deviation(f"Trigger {name} on {table}", "was added")
    for table in sorted(found.triggers.keys() - wanted.keys()):
        for name in found.triggers[table]:
            yield Deviation(f"Trigger {name} on {table}", "was added")


def _tracking_triggers(cursor: Any) -> Iterator[Deviation]:
    """Yield what is wrong with the triggers of tracked tables, of their partitions, and of tables that inherit from them."""
    cursor.execute(
        "SELECT f.name, f.target::regclass::text, f.fault FROM audittrail.tracked_table r CROSS JOIN LATERAL audittrail.tied(r) t"
        " CROSS JOIN LATERAL audittrail.faulty_triggers(t) f WHERE t.until_version IS NULL ORDER BY 2, 1"
    )
    for name, table, fault in cursor.fetchall():
        yield Deviation(f"Trigger {name} on {table}", _FAULTS[fault], (), is_tracking=True)


def _begun(triggers: Mapping[str, Any], begun: bool) -> dict[str, Any]:
    return {name: t for name, t in triggers.items() if begun or not name.startswith("ledger_")}


_FAULTS: Final = {
    "missing": "is missing",
    "disabled": "is disabled",
    "altered": "is not as it was installed",
    "orphaned": "does not belong there",
}

#: Whether the trigger is on the table that the function was made for.
_ON_TABLE: Final = re.compile(
    r"\n *AND (?:\(TG_RELID = \d+\) IS NOT NULL|TG_RELID = \d+)(?: AND \(TG_RELID = \d+\) IS NOT NULL)+(?=;)"
)

#: Whether a table is in step is worked out once for it, not for each of its functions.
_GENERATED: Final = r"""
WITH present AS MATERIALIZED (
    SELECT t AS tracked, audittrail.tied(t) AS tied, to_regclass(format('audittrail.%I', t.history_name)) IS NOT NULL AS is_kept,
           c.oid IS NOT NULL AND t.relation = audittrail.tied_relation(t) AND audittrail.fingerprint(t.relation, t.history_name) = t.fingerprint AS in_step
      FROM audittrail.tracked_table t LEFT JOIN pg_class c ON c.oid = t.relation
     WHERE t.until_version IS NULL
)
SELECT quote_ident((p.tracked).history_name || '_' || f.name), f.name,
       -- What weaves is called by capture functions that are in step. After a restore the others name the former number of their table,
       -- and are of the kind that it needs under its present one: for a partitioned table, say.
       CASE WHEN NOT p.is_kept THEN NULL
            WHEN p.in_step THEN audittrail.capture_function(p.tracked, f.name)
            WHEN f.name <> 'weave' THEN regexp_replace(audittrail.capture_function(p.tied, f.name), format('\m%s\M', (p.tied).relation), (p.tracked).relation::text, 'g') END,
       p.in_step
  FROM present p CROSS JOIN unnest(audittrail.capture_functions()) f (name)
"""

#: Indexes by which versions are found, and that are missing or altered; the next write makes those of a table that is out of step.
_INDEXES: Final = """
SELECT quote_ident(i.name), c.oid IS NOT NULL
  FROM audittrail.tracked_table t
  JOIN pg_class h ON h.oid = to_regclass(format('audittrail.%I', t.history_name)) AND h.relkind = 'r'
 CROSS JOIN LATERAL (VALUES (t.history_name || '_version', 'version'), (t.history_name || '_key', 'key')) i (name, kind)
  LEFT JOIN pg_index x ON x.indrelid = h.oid AND x.indexrelid = to_regclass(format('audittrail.%I', i.name))
  LEFT JOIN pg_class c ON c.oid = x.indexrelid
 WHERE t.until_version IS NULL
   AND CASE i.kind WHEN 'version' THEN x.indkey::text IS DISTINCT FROM '1' OR NOT x.indisvalid OR x.indpred IS NOT NULL
            ELSE t.key <> '{}' AND audittrail.fingerprint(t.relation, t.history_name) = t.fingerprint
                 AND (NOT audittrail.has_key_index(h.oid, t.key) OR NOT x.indisvalid OR x.indpred IS NOT NULL) END
 ORDER BY 1
"""
