"""The Merkle tree of RFC 9162 in the database: tiles of 256 hashes, and the roots and proofs that follow from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from audittrail.ledger.check_proof import node_hash

#: Hashes a tile has, as a power of two.
BITS: Final = 8
WIDTH: Final = 1 << BITS
HASH_BYTES: Final = 32

#: How many tiles a tree keeps at hand.
KEPT: Final = 1024

#: The root of a tree without leaves: the hash of nothing.
EMPTY_ROOT: Final = bytes.fromhex(
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

ReadTile = Callable[[int, int], bytes]


class Frontier:
    """A tree of which leaves are only added: its complete subtrees, the largest first, and no more.

    `level` and `finished` let a caller hear of each complete subtree of 2**level leaves.
    """

    def __init__(self, level: int = 0, finished: Callable[[bytes], None] | None = None) -> None:
        self.size = 0
        self.peaks: list[tuple[int, bytes]] = []
        self.level = level
        self.finished = finished

    def add(self, leaf: bytes) -> None:
        """Add the hash of a leaf."""
        level, node = 0, leaf
        if self.finished is not None and self.level == 0:
            self.finished(node)
        while self.peaks and self.peaks[-1][0] == level:
            node = node_hash(self.peaks.pop()[1], node)
            level += 1
            if self.finished is not None and level == self.level:
                self.finished(node)
        self.peaks.append((level, node))
        self.size += 1

    def root(self) -> bytes:
        """Return the root of the tree so far."""
        if not self.peaks:
            return EMPTY_ROOT
        node = self.peaks[-1][1]
        for _, peak in reversed(self.peaks[:-1]):
            node = node_hash(peak, node)
        return node


class Tree:
    """A tree of a size whose tiles can be read, in the database or elsewhere."""

    def __init__(self, size: int, read: ReadTile) -> None:
        self.size = size
        self._read = read
        self._tiles: dict[tuple[int, int], bytes] = {}

    def root(self, size: int | None = None) -> bytes:
        """Return the root of the first so many leaves, by default of all."""
        size = self.size if size is None else size
        return self._subtree(0, size) if size else EMPTY_ROOT

    def node(self, level: int, number: int) -> bytes:
        """Return the hash of the complete subtree of 2**level leaves of that number."""
        tile, within = divmod(level, BITS)
        first = number << within
        hashes = self._tile(tile, first >> BITS)
        start = (first & (WIDTH - 1)) * HASH_BYTES
        nodes = [
            hashes[at : at + HASH_BYTES]
            for at in range(start, start + (HASH_BYTES << within), HASH_BYTES)
        ]
        return _combined(nodes)

    def inclusion(self, position: int, size: int) -> list[bytes]:
        """Return the path from a leaf to the root of the first so many leaves (RFC 9162, 2.1.3.1)."""
        path: list[bytes] = []
        start, end = 0, size
        while end - start > 1:
            split = start + _split(end - start)
            if position < split:
                path.append(self._subtree(split, end))
                end = split
            else:
                path.append(self._subtree(start, split))
                start = split
        return path[::-1]

    def consistency(self, old_size: int, size: int) -> list[bytes]:
        """Return the proof that the tree of the first so many leaves extends an older one (RFC 9162, 2.1.4.1)."""
        if old_size in (0, size):
            return []
        path: list[bytes] = []
        start, end, whole = 0, size, True
        while old_size != end:
            split = start + _split(end - start)
            if old_size <= split:
                path.append(self._subtree(split, end))
                end = split
            else:
                path.append(self._subtree(start, split))
                start, whole = split, False
        if not whole:
            path.append(self._subtree(start, end))
        return path[::-1]

    def _subtree(self, start: int, end: int) -> bytes:
        count = end - start
        if count & (count - 1) == 0:
            return self.node(count.bit_length() - 1, start // count)
        split = start + _split(count)
        return node_hash(self._subtree(start, split), self._subtree(split, end))

    def _tile(self, level: int, number: int) -> bytes:
        key = (level, number)
        if key not in self._tiles:
            if len(self._tiles) > KEPT:
                self._tiles.clear()
            self._tiles[key] = self._read(level, number)
        return self._tiles[key]


def stored_tree(cursor: Any, size: int) -> Tree:
    """Return the tree that the database holds, of so many leaves."""

    def read(level: int, number: int) -> bytes:
        cursor.execute(
            "SELECT hashes FROM audittrail.ledger_tile WHERE level = %s AND number = %s",
            [level, number],
        )
        row = cursor.fetchone()
        return b"" if row is None else bytes(row[0])

    return Tree(size, read)


def append(cursor: Any, size: int, leaves: Iterable[bytes]) -> None:
    """Add leaves to the tree that the database holds, which has so many already."""
    read = stored_tree(cursor, size)
    added, level, first = b"".join(leaves), 0, size
    while added:
        number, present = divmod(first, WIDTH)
        hashes = (read._tile(level, number)[: present * HASH_BYTES] if present else b"") + added
        rows, above = [], []
        for start in range(0, len(hashes), WIDTH * HASH_BYTES):
            tile = hashes[start : start + WIDTH * HASH_BYTES]
            rows.append((level, number + start // (WIDTH * HASH_BYTES), tile))
            if len(tile) == WIDTH * HASH_BYTES:
                above.append(_combined(_hashes(tile)))
        cursor.executemany(
            "INSERT INTO audittrail.ledger_tile (level, number, hashes) VALUES (%s, %s, %s)"
            " ON CONFLICT (level, number) DO UPDATE SET hashes = EXCLUDED.hashes",
            rows,
        )
        added, level, first = b"".join(above), level + 1, number


def _hashes(tile: bytes) -> list[bytes]:
    return [tile[at : at + HASH_BYTES] for at in range(0, len(tile), HASH_BYTES)]


def _combined(nodes: list[bytes]) -> bytes:
    while len(nodes) > 1:
        nodes = [
            node_hash(left, right) for left, right in zip(nodes[::2], nodes[1::2], strict=True)
        ]
    return nodes[0]


def _split(count: int) -> int:
    """Return the largest power of two that is smaller than a count of 2 or more."""
    return 1 << ((count - 1).bit_length() - 1)
