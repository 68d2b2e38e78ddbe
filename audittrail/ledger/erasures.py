"""What was erased or changed on purpose, told apart by who did it; and what only pretends to have been."""

from __future__ import annotations

import json
from typing import Any

from audittrail.ledger.contents import Table
from audittrail.ledger.findings import Erasure, Finding

_ERASED = """
SELECT e.erased_by, e.table_id, count(*),
       count(*) FILTER (WHERE EXISTS (SELECT FROM audittrail.ledger_entry c WHERE c.version = e.version AND c.table_id = e.table_id AND c.made_by = e.erased_by)),
       count(*) FILTER (WHERE coalesce(e.erased_in > r.position, r.position IS NOT NULL)), bool_or(r.version IS NOT NULL OR n.id IS NOT NULL),
       n.committed_at, n.committed_by::text, n.db_user, n.reason, n.context::text
  FROM audittrail.ledger_entry e
  LEFT JOIN audittrail.ledger_entry r ON r.version = e.erased_by AND r.kind = 'R'
  LEFT JOIN audittrail.revision n ON n.id = e.erased_by
 WHERE e.erased_by IS NOT NULL
 GROUP BY e.erased_by, e.table_id, n.committed_at, n.committed_by::text, n.db_user, n.reason, n.context::text
 ORDER BY e.erased_by, e.table_id
"""


def explained(cursor: Any, tables: list[Table]) -> tuple[list[Finding], list[Erasure]]:
    """Return what only pretends to have been erased on purpose, and what was, by revision and table.

    A revision that erases something says so in its context, which is in its own leaf.
    """
    names = {table.id: table for table in tables}
    findings, told = [], []
    cursor.execute(_ERASED)
    for row in cursor.fetchall():
        revision, number, count, changed, late, known, at, author, role, reason, context = row
        table = names.get(number)
        name = str(number) if table is None else table.name
        if revision:
            says = None if context is None else json.loads(context)
            problem = _problem(revision, table, count, late, known, says)
            if problem:
                findings.append(
                    Finding("erased", f"{name}: {count} versions were {problem}", revision, name)
                )
                continue
        if at is None:
            said = "which was erased itself since"
        else:
            by = f"user {author}" if author else f"role {role}"
            said = f"{at:%Y-%m-%d %H:%M:%S %Z}, {by}" + (f": {reason}" if reason else "")
        told.append(Erasure(revision, name, count, changed, said))
    return findings, told


def _problem(
    revision: int, table: Table | None, count: int, late: int, known: bool, context: Any
) -> str | None:
    """Return why it can't be that the revision erased so many versions of a table; `late` of them after it was entered."""
    if not known:
        return f"marked as erased on purpose by revision {revision}, which does not exist"
    if context is None:
        return None  # it was erased itself
    restored = context.get("restored")
    rolled_back = isinstance(restored, dict) and restored.get("kind") == "rollback"
    corrected = context.get("corrected") or []
    if not rolled_back and not (table and table.names & set(corrected)):
        return f"marked as erased on purpose by revision {revision}, which says nothing of it"
    pruned = context.get("pruned")
    if late and not pruned:
        return f"marked as erased on purpose by revision {revision}, although that had been entered before"
    if pruned and table and table.id and count > sum((pruned.get("versions") or {}).values()):
        return (
            f"marked as erased on purpose by revision {revision}, which says that it erased fewer"
        )
    return None
