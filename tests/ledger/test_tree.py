"""The tree is that of RFC 9162, and its proofs prove what they should and nothing else."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audittrail.ledger import check_proof, tiles
from audittrail.ledger.check_proof import NotProvenError

#: Leaves and roots of trees of 0 to 8 leaves, as implementations of certificate transparency use them in their tests.
LEAVES = ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")  # fmt: skip
ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)


class Kept(dict[tuple[int, int], bytes]):
    """Stand in for a cursor on the table of tiles."""

    row: tuple[bytes] | None = None

    def execute(self, statement: str, parameters: list[int]) -> None:
        key = (parameters[0], parameters[1])
        self.row = (self[key],) if key in self else None

    def fetchone(self) -> tuple[bytes] | None:
        return self.row

    def executemany(self, statement: str, rows: list[tuple[int, int, bytes]]) -> None:
        for level, number, hashes in rows:
            self[level, number] = hashes


def tree_of(leaves: list[bytes], *batches: int) -> tiles.Tree:
    """Return a stored tree of leaves that were added in batches of so many, the rest at once."""
    kept, size = Kept(), 0
    for batch in [*batches, len(leaves)]:
        added = leaves[size : size + batch]
        tiles.append(kept, size, added)
        size += len(added)
    return tiles.stored_tree(kept, size)


def plain_root(leaves: list[bytes]) -> bytes:
    """Return the root as section 2.1.1 defines it, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return sha256(b"\x01" + plain_root(leaves[:k]) + plain_root(leaves[k:])).digest()


@pytest.mark.parametrize("size", range(9))
def test_roots_are_those_that_others_compute(size: int) -> None:
    leaves = [check_proof.leaf_hash(bytes.fromhex(leaf)) for leaf in LEAVES[:size]]
    assert tree_of(leaves).root().hex() == ROOTS[size]
    frontier = tiles.Frontier()
    for leaf in leaves:
        frontier.add(leaf)
    assert frontier.root().hex() == ROOTS[size]


@given(
    st.integers(0, 1100), st.lists(st.integers(1, 300), max_size=5), st.integers(0), st.integers(0)
)
def test_proofs_prove(size: int, batches: list[int], one: int, other: int) -> None:
    leaves = [sha256(b"%d" % number).digest() for number in range(size)]
    tree = tree_of(leaves, *batches)
    assert tree.root() == plain_root(leaves)
    part = one % (size + 1)
    assert tree.root(part) == plain_root(leaves[:part])
    if part:
        position = other % part
        path = tree.inclusion(position, part)
        root = check_proof.root_of_inclusion(leaves[position], position, part, path)
        assert root == tree.root(part)
        with pytest.raises(NotProvenError):
            check_proof.root_of_inclusion(leaves[position], position, part, [*path, b"x" * 32])
        forged = check_proof.root_of_inclusion(b"x" * 32, position, part, path)
        assert forged != root
    path = tree.consistency(part, size)
    old, new = check_proof.roots_of_consistency(part, size, tree.root(part), path)
    assert old == tree.root(part)
    assert part == 0 or new == tree.root()


def test_another_history_is_not_consistent() -> None:
    leaves = [sha256(b"%d" % number).digest() for number in range(20)]
    others = [*leaves[:3], sha256(b"forged").digest(), *leaves[4:]]
    path = tree_of(others).consistency(7, 20)
    old, _ = check_proof.roots_of_consistency(7, 20, tree_of(leaves).root(7), path)
    assert old != tree_of(leaves).root(7)


def test_a_subtree_is_heard_of_when_it_is_complete() -> None:
    heard: list[bytes] = []
    leaves = [sha256(b"%d" % number).digest() for number in range(11)]
    frontier = tiles.Frontier(2, heard.append)
    for leaf in leaves:
        frontier.add(leaf)
    assert heard == [plain_root(leaves[:4]), plain_root(leaves[4:8])]
