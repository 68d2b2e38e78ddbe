"""Prove to somebody without this database that a revision is in a digest that they hold."""

from __future__ import annotations

from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, transaction

from audittrail.exceptions import LedgerError
from audittrail.ledger import tiles
from audittrail.ledger.check_proof import PROOF_FORMAT
from audittrail.ledger.digests import Digest


def prove(
    revision: int, digest: Digest, using: str = DEFAULT_DB_ALIAS, *, with_rows: bool = False
) -> dict[str, Any]:
    """Return the proof that a revision is in the tree of a digest, as `json.dumps` takes it; `check_proof.py` checks it.

    It holds what the revision's row says (who, when, why), and `with_rows` what it changed: whoever is given the proof reads it.

    Raises `LedgerError` if the digest is of another ledger, or does not cover the revision.
    """
    with transaction.atomic(using=using), connections[using].cursor() as cursor:
        cursor.execute("SELECT id::text, size FROM audittrail.ledger")
        head = cursor.fetchone()
        if head is None or head[0] != digest.statement["database"] or head[1] < digest.size:
            raise LedgerError(f"{digest} is of another ledger than database {using!r} has.")
        cursor.execute(
            "SELECT position FROM audittrail.ledger_entry WHERE version = %s AND kind = 'R'",
            [revision],
        )
        row = cursor.fetchone()
        if row is None or row[0] >= digest.size:
            raise LedgerError(
                f"Revision {revision} is not in {digest}. If there is such a revision, make a new digest, and prove it against that."
            )
        (position,) = row
        cursor.execute(
            "SELECT leaf FROM audittrail.ledger_leaves(%s, %s)", [position, position + 1]
        )
        (leaf,) = cursor.fetchone()
        tree = tiles.stored_tree(cursor, head[1])
        proof: dict[str, Any] = {
            "format": PROOF_FORMAT,
            "revision": revision,
            "position": position,
            "size": digest.size,
            "leaf": leaf,
            "path": [node.hex() for node in tree.inclusion(position, digest.size)],
            "digest": digest.statement,
        }
        contents = _contents(cursor, position)
        proof["content"] = contents.get((0, revision))
        if with_rows:
            cursor.execute(
                'SELECT line FROM audittrail.ledger_lines(%s, %s) ORDER BY line COLLATE "C"',
                [position, position + 1],
            )
            proof["lines"] = [_line(line, contents) for (line,) in cursor.fetchall()]
    return proof


def _contents(cursor: Any, position: int) -> dict[Any, dict[str, str]]:
    """Return the texts, with their salts, of what a leaf has entered: by table and version, of versions by digest."""
    cursor.execute(
        "SELECT DISTINCT table_id FROM audittrail.ledger_entry WHERE position = %s", [position]
    )
    found: dict[Any, dict[str, str]] = {}
    for (table,) in cursor.fetchall():
        cursor.execute(
            "SELECT kind, version, digest, salt, content FROM audittrail.ledger_contents(%s, %s)",
            [table, position],
        )
        for kind, version, digest, salt, content in cursor.fetchall():
            name = (table, version) if kind == "R" else bytes(digest).hex()
            found[name] = {"salt": str(salt).replace("-", ""), "text": content}
    return found


def _line(line: str, contents: dict[Any, dict[str, str]]) -> dict[str, Any]:
    kind, *rest = line.split()
    return {"line": line, "content": contents.get(rest[3]) if kind == "V" else None}
