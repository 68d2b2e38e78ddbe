"""What history holds against what was entered of it: versions, the registry, and the order in which the past is read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from audittrail.ledger.findings import Finding

LOWEST: Final = -(2**63)
HIGHEST: Final = 2**63 - 1


#: What the registry says of a table and only a revision changes.
_STEADY: Final = ("since_version", "since_revision", "since_at", "kept_from", "kept_since")

_DONE: Final = {
    "changed": "is not what it was",
    "removed": "was removed",
    "inserted": "was inserted",
    "unreadable": "is not what it was (nor of the type that it had)",
}


@dataclass(frozen=True)
class EnteredTable:
    """A table of which versions are entered, or could be: 0 is that of revisions itself."""

    id: int
    name: str
    history: str
    #: The names that the history table has had, and the forms and facts that were noted last.
    names: frozenset[str]
    #: The names that the table has had.
    called: frozenset[str] = frozenset()
    form: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)


def tables(cursor: Any) -> list[EnteredTable]:
    """Return the tables of the registry, and those that the ledger knows and the registry does not."""
    cursor.execute(
        "SELECT t.id, t.table_name, t.history_name FROM audittrail.tracked_table t"
        " UNION SELECT 0, 'revision', 'revision'"
        " UNION SELECT l.table_id, NULL, NULL FROM audittrail.ledger_layout l WHERE l.table_id > 0"
        " AND l.table_id NOT IN (SELECT id FROM audittrail.tracked_table) ORDER BY 1"
    )
    known = cursor.fetchall()
    cursor.execute(
        "SELECT table_id, form, facts FROM audittrail.ledger_layout ORDER BY table_id, number"
    )
    layouts: dict[int, list[tuple[Any, Any]]] = {}
    for number, form, facts in cursor.fetchall():
        layouts.setdefault(number, []).append((json.loads(form), json.loads(facts)))
    found = []
    for number, name, history in known:
        noted = layouts.get(number, [])
        names = {facts["history"] for _, facts in noted if "history" in facts}
        form, facts = noted[-1] if noted else ({}, {})
        found.append(
            EnteredTable(
                number,
                name or facts.get("table", str(number)),
                history or facts.get("history", ""),
                frozenset({*names, history or ""}),
                frozenset({name or "", *(f["table"] for _, f in noted if "table" in f)}),
                form,
                facts,
            )
        )
    return found


def differences(cursor: Any, table: EnteredTable, committed: int, ticks: int) -> Iterator[Finding]:
    """Yield the versions of a table that were changed, removed or inserted, and what else readers would be misled by."""
    bounds = [LOWEST, *range(ticks, max(committed, 0) + ticks, ticks)]
    for first, last in zip(bounds, [*(bound - 1 for bound in bounds[1:]), HIGHEST], strict=True):
        cursor.execute(
            "SELECT kind, version, key, revision FROM audittrail.ledger_differences(%s, %s, %s)"
            " ORDER BY version, key",
            [table.id, first, last],
        )
        for kind, version, key, revision in cursor.fetchall():
            yield _version(table, kind, version, key or "", revision)
    if table.id:
        cursor.execute("SELECT version, key FROM audittrail.ledger_misclosed(%s)", [table.id])
        for version, key in cursor.fetchall():
            text = f"{table.name}: what version {version} of row {key} says of when it was superseded is not so"
            yield Finding("superseded", text, None, table.name, key)
    yield from _dropped_columns(cursor, table)


def _version(
    table: EnteredTable, kind: str, version: int, key: str, revision: int | None
) -> Finding:
    kind = {"unlike": "changed"}.get(kind, kind)
    if table.id == 0:
        text = f"Revision {version} {_DONE[kind]}"
        return Finding(f"revision {kind}", text, version, "revision", str(version))
    row = "without a key" if not key or key.startswith("#") else key
    of = f" of revision {revision}" if revision is not None else ""
    text = f"{table.name}: version {version} of row {row}{of} {_DONE[kind]}"
    return Finding(f"version {kind}", text, revision, table.name, key)


def _dropped_columns(cursor: Any, table: EnteredTable) -> Iterator[Finding]:
    cursor.execute(
        "SELECT attnum FROM pg_attribute WHERE attrelid = audittrail.ledger_source(%s) AND NOT attisdropped",
        [table.id],
    )
    present = {number for (number,) in cursor.fetchall()}
    if not present:
        yield Finding("table", f"The table audittrail.{table.history} is gone", None, table.name)
        return
    for number, name, *_ in table.form.get("columns", ()):
        if number not in present:
            text = f"{table.name}: column {name} was dropped from audittrail.{table.history}"
            yield Finding("column", text, None, table.name)


def irregularities(cursor: Any, tables: list[EnteredTable]) -> Iterator[Finding]:
    """Yield what stands in the ledger as nothing enters it."""
    names = {table.id: table.name for table in tables}
    cursor.execute(
        "SELECT table_id, version, problem FROM audittrail.ledger_irregularities() ORDER BY 1, 2, 3"
    )
    for number, version, problem in cursor.fetchall():
        name = names.get(number, str(number))
        if number == 0:
            text = f"Revision {version} {problem}"
            yield Finding("ledger", text, version, "revision", str(version))
        else:
            what = name if version is None else f"{name}: version {version}"
            yield Finding("ledger", f"{what} {problem}", None, name)


def contradictions(cursor: Any, tables: list[EnteredTable]) -> Iterator[Finding]:
    """Yield what the registry and the clock say that can't be so."""
    cursor.execute("SELECT about, problem FROM audittrail.ledger_contradictions() ORDER BY 1, 2")
    for about, problem in cursor.fetchall():
        yield Finding("registry", f"{about}: {problem}", None, about)
    cursor.execute(
        "SELECT t.id, audittrail.ledger_facts(t), (SELECT max(committed) FROM audittrail.revision)"
        " <= (SELECT committed FROM audittrail.ledger) FROM audittrail.tracked_table t"
    )
    present = {number: (json.loads(facts), idle) for number, facts, idle in cursor.fetchall()}
    for table in tables:
        if not table.facts or table.id == 0:
            continue
        if table.id not in present:
            yield Finding(
                "registry", f"{table.name} was taken out of the registry", None, table.name
            )
            continue
        facts, idle = present[table.id]
        # These change with a revision that says so, which is still to be entered then.
        for name in _STEADY if idle else ():
            # An earlier release has noted less.
            if name in table.facts and facts[name] != table.facts[name]:
                text = f"{table.name}: the registry says {name} {facts[name]}, and said {table.facts[name]}; no revision has changed that"
                yield Finding("registry", text, None, table.name)
