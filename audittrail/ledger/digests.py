"""Digests: statements of the whole ledger in a few bytes, to be kept where the database's owner can't reach them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS, connections, transaction

from audittrail.exceptions import LedgerError
from audittrail.ledger import entering, signing, tiles
from audittrail.ledger.check_proof import (
    DIGEST_FORMAT,
    NotProvenError,
    check_signature,
    problem_of,
)

#: At most so many hashes of parts of the tree are in a digest, unless each leaf is wanted: by them `verify` tells where it differs.
SEGMENTS: Final = 256


@dataclass(frozen=True)
class Digest:
    """A digest that was kept: its statement, and where it was read from."""

    statement: dict[str, Any]
    source: str

    @property
    def size(self) -> int:
        """The number of revisions that it is of."""
        return int(self.statement["size"])

    @property
    def root(self) -> bytes:
        """The root of the tree."""
        return bytes.fromhex(self.statement["root"])

    @property
    def level(self) -> int:
        """Of how many leaves its segments are, as a power of two."""
        return int(self.statement["segment"]).bit_length() - 1

    @property
    def segments(self) -> list[tuple[int, bytes]]:
        """For each complete segment of the tree the number of its last revision, and its hash."""
        return [(int(number), bytes.fromhex(node)) for number, node in self.statement["segments"]]

    def __str__(self) -> str:
        """Return what it is called in messages."""
        return f"the digest of {self.statement['time']} ({self.source})"


def make(
    using: str = DEFAULT_DB_ALIAS,
    *,
    every_leaf: bool = False,
    since: Digest | None = None,
    key_file: str | None = None,
) -> dict[str, Any]:
    """Enter what is settled, and return a digest of all revisions of a database: a statement as `json.dumps` takes it.

    Begins the ledger if that has not been done. With `every_leaf` the statement has the hash of each revision, so that later each
    difference can be named, and 80 bytes a revision; otherwise those of at most 256 parts of the tree. `since` is an older digest,
    of which the new one then proves that it extends it. It is signed if there is a key (see `signing`).

    Raises `LedgerError` if a key can't be read, or the older digest is of another ledger.
    """
    signing.private_key(key_file)  # said before anything is done
    entering.begin(using)
    entering.enter(using)
    with transaction.atomic(using=using), connections[using].cursor() as cursor:
        cursor.execute("SELECT id, size FROM audittrail.ledger FOR SHARE")
        number, size = cursor.fetchone()
        tree = tiles.stored_tree(cursor, size)
        statement = {
            "format": DIGEST_FORMAT,
            "database": str(number),
            "name": connections[using].settings_dict["NAME"],
            "size": size,
            "root": tree.root().hex(),
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "through": _through(cursor, size),
            **_segments(cursor, tree, every_leaf),
        }
        if since is not None:
            if since.statement["database"] != str(number) or since.size > size:
                raise LedgerError(
                    f"{since.source} is not an older digest of this ledger: it has {since.size} revisions of "
                    f"{since.statement['database']}, the ledger {size} of {number}."
                )
            path = [node.hex() for node in tree.consistency(since.size, size)]
            statement["consistency"] = {"size": since.size, "path": path}
        statement = signing.signed(statement, key_file)
        _record(cursor, statement)
    return statement


def _through(cursor: Any, size: int) -> dict[str, Any] | None:
    cursor.execute(
        "SELECT e.version, r.committed, r.committed_at FROM audittrail.ledger_entry e"
        " LEFT JOIN audittrail.revision r ON r.id = e.version WHERE e.position = %s AND e.kind = 'R'",
        [size - 1],
    )
    row = cursor.fetchone()
    if row is None:
        return None
    at = None if row[2] is None else row[2].astimezone(UTC).isoformat()
    return {"revision": row[0], "committed": row[1], "committed_at": at}


def _segments(cursor: Any, tree: tiles.Tree, every_leaf: bool) -> dict[str, Any]:
    level = 0
    while not every_leaf and tree.size >> level > SEGMENTS:
        level += 1
    cursor.execute(
        "SELECT e.version FROM audittrail.ledger_entry e WHERE e.kind = 'R' AND e.position = ANY ("
        "SELECT s FROM generate_series(%s, %s - 1, %s::bigint) s) ORDER BY e.position",
        [(1 << level) - 1, tree.size, 1 << level],
    )
    numbers = [number for (number,) in cursor.fetchall()]
    nodes = (tree.node(level, at).hex() for at in range(tree.size >> level))
    return {
        "segment": 1 << level,
        "segments": [list(pair) for pair in zip(numbers, nodes, strict=True)],
    }


def _record(cursor: Any, statement: dict[str, Any]) -> None:
    through = statement["through"] or {}
    cursor.execute(
        "INSERT INTO audittrail.digest (size, root, through, through_at, made_at, public_key)"
        " VALUES (%s, decode(%s, 'hex'), %s, %s, %s, %s) ON CONFLICT (size, root) DO NOTHING",
        [
            statement["size"],
            statement["root"],
            through.get("committed") or 0,
            through.get("committed_at"),
            statement["time"],
            statement.get("public_key", ""),
        ],
    )


def read(path: str, public_key: str | None = None) -> Digest:
    """Return a digest from a file, after checking its signature.

    Takes the public key that must have signed it, if that is known. Raises `LedgerError` if the file is no digest, or was not signed so.
    """
    try:
        statement = json.loads(Path(path).read_text(encoding="utf-8"))
        if statement["format"] != DIGEST_FORMAT:
            problem = f"its format is {statement['format']!r}, not {DIGEST_FORMAT!r}"
            raise LedgerError(f"{path!r} is not a digest of audittrail: {problem}.")
        digest = Digest(statement, path)
        parsed = (digest.size, digest.root, digest.segments, digest.level, statement["database"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LedgerError(
            f"{path!r} is not a digest of audittrail: {problem_of(error)}."
        ) from error
    if len(parsed[2]) != digest.size >> digest.level:
        raise LedgerError(f"{path!r} is not a digest of audittrail: it lacks parts of the tree.")
    try:
        check_signature(statement, public_key)
    except NotProvenError as error:
        raise LedgerError(f"{path!r}: {error}") from error
    return digest
