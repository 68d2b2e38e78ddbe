"""What was erased or changed on purpose, told apart by who did it; and what only pretends to have been."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from audittrail.ledger.contents import EnteredTable
from audittrail.ledger.findings import Erasure, Finding
from audittrail.revisions.wording import counted, spelled

_ERASED = """
WITH claims AS NOT MATERIALIZED (
    SELECT e.erased_by AS revision, e.table_id, e.version, e.erased_in AS said_in, true AS erased,
           EXISTS (SELECT FROM audittrail.ledger_entry c WHERE c.version = e.version AND c.table_id = e.table_id AND c.made_by = e.erased_by) AS changed
      FROM audittrail.ledger_entry e WHERE e.erased_by IS NOT NULL
    UNION ALL
    SELECT c.made_by, c.table_id, c.version, c.position, false, false FROM audittrail.ledger_entry c WHERE c.kind = 'C'
), converted AS (
    -- An earlier release entered anew what a column's other type had made of versions, where a layout said so, in the name of revision 0. It
    -- noted less of tables. Nothing of it is later than what this release has noted first, or than the tree.
    SELECT c.table_id, c.version, c.said_in
      FROM claims c
      JOIN audittrail.ledger_layout l ON l.table_id = c.table_id AND l.position = c.said_in
      JOIN audittrail.ledger_layout former ON former.table_id = l.table_id AND former.number = l.number - 1 AND former.form <> l.form
     WHERE c.revision = 0 AND l.position < coalesce((SELECT min(n.position) FROM audittrail.ledger_layout n WHERE n.facts::jsonb ? 'since_at'),
                                                    (SELECT h.size FROM audittrail.ledger h))
     GROUP BY c.table_id, c.version, c.said_in HAVING count(*) FILTER (WHERE c.erased) = count(*) FILTER (WHERE NOT c.erased)
)
SELECT c.revision, c.table_id, count(*) FILTER (WHERE c.erased), count(*) FILTER (WHERE c.changed), count(*) FILTER (WHERE NOT c.erased),
       count(*) FILTER (WHERE coalesce(c.said_in > r.position, r.position IS NOT NULL)), bool_or(r.version IS NOT NULL OR n.id IS NOT NULL),
       count(*) FILTER (WHERE c.erased AND c.version = c.revision AND c.table_id = 0),
       count(*) FILTER (WHERE NOT c.erased AND c.version = c.revision AND c.table_id = 0),
       v.version IS NOT NULL, n.committed_at, n.committed_by::text, n.db_user, n.reason, n.context::text
  FROM claims c
  LEFT JOIN converted v ON c.revision = 0 AND v.table_id = c.table_id AND v.version = c.version AND v.said_in = c.said_in
  LEFT JOIN audittrail.ledger_entry r ON r.version = c.revision AND r.kind = 'R'
  LEFT JOIN audittrail.revision n ON n.id = c.revision
 GROUP BY c.revision, c.table_id, v.version IS NOT NULL, n.committed_at, n.committed_by::text, n.db_user, n.reason, n.context::text
 ORDER BY c.revision, c.table_id
"""


@dataclass(frozen=True)
class _Claim:
    """What is said of one revision and one table: how many versions it erased, made, and of them after it was entered itself."""

    revision: int
    erased: int
    made: int
    late: int
    #: Whether the revision is there, or was entered.
    known: bool
    #: How many of them are of the revision's own row, to which a pruning adds with each batch.
    own_erased: int
    own_made: int


def explained(cursor: Any, tables: list[EnteredTable]) -> tuple[list[Finding], list[Erasure]]:
    """Return what only pretends to have been erased on purpose, and what was, by revision and table.

    A revision that erases something says so in its context, which is in its own leaf.
    """
    names = {table.id: table for table in tables}
    findings, told = [], []
    cursor.execute(_ERASED)
    for (
        revision,
        number,
        erased,
        changed,
        *counts,
        converted,
        at,
        author,
        role,
        reason,
        context,
    ) in cursor.fetchall():
        claim = _Claim(revision, erased, *counts)
        table = names.get(number)
        name = str(number) if table is None else table.name
        problem = not converted and _problem(
            claim, table, None if context is None else json.loads(context)
        )
        if problem:
            number_of = erased or claim.made
            verb = "was" if number_of == 1 else "were"
            text = f"{name}: {counted(number_of, 'version')} {verb} {problem}"
            findings.append(Finding("erased", text, revision, name))
            continue
        if erased == claim.own_erased:
            continue
        if converted:
            said = "when a column got another type, by an earlier release"
        elif at is None:
            said = "which was erased itself since"
        else:
            by = f"user {author}" if author else f"role {role}"
            said = f"{spelled(at)}, {by}" + (f": {reason}" if reason else "")
        told.append(
            Erasure(
                revision,
                name,
                erased - claim.own_erased,
                changed - min(changed, claim.own_erased),
                said,
            )
        )
    return findings, told


def _problem(claim: _Claim, table: EnteredTable | None, context: Any) -> str | None:
    """Return why it can't be that a revision erased or changed what is said of it."""
    marked = f"marked as erased on purpose by revision {claim.revision}"
    if not claim.known:
        return f"{marked}, which does not exist"
    if context is None:
        # It was erased itself, by a revision that is looked at as well.
        return f"{marked}, after that was entered" if claim.late else None
    pruned = context.get("pruned")
    if pruned and claim.erased == claim.own_erased and claim.made == claim.own_made:
        return None
    restored = context.get("restored")
    rolled_back = isinstance(restored, dict) and restored.get("kind") == "rollback"
    corrected = context.get("corrected") or []
    if not rolled_back and not (table and table.names & set(corrected)):
        return f"{marked}, which says nothing of it"
    if claim.late and not pruned:
        return f"{marked}, after that was entered"
    if pruned and table:
        counted = (pruned.get("versions") or {}).items()
        said = (
            sum(count for name, count in counted if name in table.called)
            if table.id
            else pruned.get("revisions") or 0
        )
        if claim.erased - claim.own_erased > said or claim.made > claim.own_made:
            return f"{marked}, which says that it erased fewer"
    return None
