"""Recompute the tree from what is entered, leaf by leaf, and find the parts in which digests differ from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from audittrail.ledger.check_proof import leaf_hash
from audittrail.ledger.digests import Digest
from audittrail.ledger.findings import Finding
from audittrail.ledger.tiles import EMPTY_ROOT, HASH_BYTES, WIDTH, Frontier, stored_tree

#: Leaves that are recomputed at once: of whole tiles.
BATCH: Final = 40 * WIDTH

#: How many revisions are named one by one.
NAMED: Final = 100


@dataclass
class Recomputed:
    """The roots of the trees of the wanted sizes, and what was found on the way."""

    roots: dict[int, bytes] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


class _Follower:
    """Follow the tree beside one digest, and note in which of its segments the two differ."""

    def __init__(self, digest: Digest) -> None:
        self.digest = digest
        self.theirs = digest.segments
        #: The segments from the first that differs on, as they are here: their revisions' numbers, and the hash.
        self.ours: list[tuple[tuple[int, ...], bytes]] = []
        self.differing: list[int] = []
        self.at = 0
        self.members: list[int] = []
        self.tree = Frontier(digest.level, self._finished)

    def add(self, revision: int, leaf: bytes) -> None:
        """Take the next leaf into account."""
        self.members.append(revision)
        self.tree.add(leaf)

    def _finished(self, node: bytes) -> None:
        members, self.members = tuple(self.members), []
        if self.at < len(self.theirs):
            is_other = (members[-1], node) != self.theirs[self.at]
            if is_other or self.ours:
                self.ours.append((members, node))
            if is_other:
                self.differing.append(self.at)
        self.at += 1

    def findings(self, cursor: Any, root: bytes | None) -> Iterator[Finding]:
        """Yield where the digest and the tree differ, given the root that the tree has at the digest's size."""
        digest = self.digest
        if root == digest.root:
            return
        problem = "history, or the ledger itself, is not what it was"
        yield Finding("digest", f"{digest} does not agree: {problem}")
        if digest.level == 0:
            yield from self._by_revision(cursor)
            return
        for at in self.differing[:NAMED]:
            before = self.theirs[at - 1][0] if at else 0
            text = f"{digest}: revisions after {before} through {self.theirs[at][0]} are not what they were"
            yield Finding("revisions", text, self.theirs[at][0])
        if not self.differing:
            before = self.theirs[-1][0] if self.theirs else 0
            yield Finding("revisions", f"{digest}: revisions after {before} are not what they were")

    def _by_revision(self, cursor: Any) -> Iterator[Finding]:
        """Yield which revisions differ, from the first difference on: after it, positions need not be the same."""
        theirs = dict(self.theirs[min(self.at, len(self.theirs)) - len(self.ours) :])
        ours = {members[-1]: node for members, node in self.ours}
        # A revision that only has another position now, beyond the digest's size here or there, was neither removed nor inserted.
        removed = theirs.keys() - ours.keys() - _entered(cursor, theirs.keys() - ours.keys())
        inserted = ours.keys() - theirs.keys()
        if removed:
            inserted -= self._later(cursor, inserted)
        found = [
            *(("removed", number) for number in removed),
            *(("inserted", number) for number in inserted),
            *(("changed", n) for n in theirs.keys() & ours.keys() if theirs[n] != ours[n]),
        ]
        if not found:
            pairs = zip(theirs, ours, strict=False)
            found = [("moved", number) for number, other in pairs if number != other]
        for kind, number in sorted(found, key=lambda pair: pair[1])[:NAMED]:
            text = f"{self.digest}: revision {number} {_SAID[kind]}"
            yield Finding(f"revision {kind}", text, number, "revision", str(number))
        if len(found) > NAMED:
            text = f"{self.digest}: ... and {len(found) - NAMED} more revisions"
            yield Finding("revisions", text)

    def _later(self, cursor: Any, numbers: set[int]) -> set[int]:
        through = self.digest.statement.get("through") or {}
        cursor.execute(
            "SELECT id FROM audittrail.revision WHERE id = ANY (%s) AND committed > %s",
            [list(numbers), through.get("committed") or 0],
        )
        return {number for (number,) in cursor.fetchall()}


_SAID: Final = {
    "removed": "was removed",
    "inserted": "was inserted",
    "changed": "is not what it was, or not what it changed",
    "moved": "has another place in the order",
}


def _entered(cursor: Any, numbers: set[int]) -> set[int]:
    cursor.execute(
        "SELECT version FROM audittrail.ledger_entry WHERE kind = 'R' AND version = ANY (%s)",
        [list(numbers)],
    )
    return {number for (number,) in cursor.fetchall()}


def recompute(
    cursor: Any, size: int, against: Sequence[Digest], report: Callable[[float], None]
) -> Recomputed:
    """Recompute the tree of so many leaves in little memory, and compare it with the stored one and with digests."""
    result = Recomputed()
    tree = Frontier()
    followers = [_Follower(digest) for digest in against]
    wanted = {digest.size for digest in against} | {size}
    if 0 in wanted:
        result.roots[0] = EMPTY_ROOT
    for start in range(0, size, BATCH):
        report(start / size)
        end = min(start + BATCH, size)
        cursor.execute(
            "SELECT l.position, l.revision, l.leaf FROM audittrail.ledger_leaves(%s, %s) l ORDER BY l.position",
            [start, end],
        )
        rows = cursor.fetchall()
        result.findings += _against_stored(rows, _stored(cursor, start, end), start, end)
        for _, revision, leaf in rows:
            node = leaf_hash(leaf.encode())
            tree.add(node)
            if tree.size in wanted:
                result.roots[tree.size] = tree.root()
            for follower in followers:
                if tree.size <= follower.digest.size:
                    follower.add(revision, node)
    if size and stored_tree(cursor, size).root() != tree.root() and not result.findings:
        text = "The hashes that the ledger keeps of its tree are not those of its entries"
        result.findings.append(Finding("ledger", text))
    for follower in followers:
        result.findings += follower.findings(cursor, result.roots.get(follower.digest.size))
    return result


def _against_stored(
    rows: list[tuple[int, int, str]], stored: dict[int, bytes], start: int, end: int
) -> Iterator[Finding]:
    """Yield the revisions whose leaves are not those that the ledger has kept the hashes of."""
    positions = {position for position, _, _ in rows}
    missing = [position for position in range(start, end) if position not in positions]
    if missing:
        text = f"{len(missing)} entries of the ledger are gone, the first at position {missing[0]}"
        yield Finding("ledger", text)
    if len(positions) < len(rows):
        yield Finding(
            "ledger", f"Entries of the ledger were inserted at positions {start} to {end}"
        )
    for position, revision, leaf in rows:
        if stored.get(position) != leaf_hash(leaf.encode()):
            text = f"What the ledger says of revision {revision} is not what it said"
            yield Finding("ledger", text, revision, "revision", str(revision))


def _stored(cursor: Any, start: int, end: int) -> dict[int, bytes]:
    cursor.execute(
        "SELECT number, hashes FROM audittrail.ledger_tile WHERE level = 0 AND number >= %s AND number <= %s",
        [start // WIDTH, (end - 1) // WIDTH],
    )
    found = {}
    for number, hashes in cursor.fetchall():
        for at, first in enumerate(range(0, len(hashes), HASH_BYTES)):
            found[number * WIDTH + at] = bytes(hashes[first : first + HASH_BYTES])
    return found
