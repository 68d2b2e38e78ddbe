"""Check what `manage.py audittrail ledger` has written, without Django, a database or anything else of audittrail.

    python check_proof.py proof.json [--digest digest.json] [--key PUBLIC_KEY]
    python check_proof.py digest.json [--since older.json] [--key PUBLIC_KEY]

Needs Python alone; for signatures also the package `cryptography`. Exits with 0 if everything holds, with 1 if not. The tree is
that of RFC 9162, section 2.1: SHA-256, with a byte 0 before what a leaf says and a byte 1 before the two hashes of a node.
"""

import argparse
import json
import sys
from hashlib import sha256
from typing import Any

DIGEST_FORMAT = "audittrail digest 1"
PROOF_FORMAT = "audittrail proof 1"


#: How many lines of a proof have a digest of their own; the digest in the leaf is that of these.
LINES = 1000


class NotProvenError(Exception):
    """Something does not follow from what was given."""


def problem_of(error: Exception) -> str:
    """Return what is wrong with a file of JSON, by the error that reading it has raised."""
    if isinstance(error, OSError):
        return error.strerror or "it can't be read"
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError | RecursionError):
        return "it does not hold JSON"
    if isinstance(error, KeyError):
        return f"it lacks {error.args[0]!r}"
    return "a value in it is not of the right kind"


def leaf_hash(leaf: bytes) -> bytes:
    """Return the hash of a leaf."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node of two others."""
    return sha256(b"\x01" + left + right).digest()


def root_of_inclusion(leaf: bytes, position: int, size: int, path: list[bytes]) -> bytes:
    """Return the root of a tree of which a leaf's hash is at a position (RFC 9162, 2.1.3.2).

    Raises `NotProvenError` if the path is not as long as it has to be.
    """
    if not 0 <= position < size:
        raise NotProvenError(f"Position {position} is not in a tree of {size} leaves.")
    root, at, last = leaf, position, size - 1
    for sibling in path:
        if last == 0:
            raise NotProvenError("The proof has more hashes than its place in the tree takes.")
        if at & 1 or at == last:
            root = node_hash(sibling, root)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            root = node_hash(root, sibling)
        at, last = at >> 1, last >> 1
    if last != 0:
        raise NotProvenError("The proof has fewer hashes than its place in the tree takes.")
    return root


def roots_of_consistency(
    old_size: int, size: int, old_root: bytes, path: list[bytes]
) -> tuple[bytes, bytes]:
    """Return the roots of the old and the new tree that follow from a consistency proof (RFC 9162, 2.1.4.2).

    Raises `NotProvenError` if the path is not as long as it has to be.
    """
    if not 0 <= old_size <= size:
        raise NotProvenError(f"A tree of {size} leaves does not extend one of {old_size}.")
    if old_size in (0, size):
        if path:
            raise NotProvenError("The proof has more hashes than its place in the tree takes.")
        return old_root, old_root
    nodes = list(path)
    if old_size & (old_size - 1) == 0:
        nodes.insert(0, old_root)
    if not nodes:
        raise NotProvenError("The proof has fewer hashes than its place in the tree takes.")
    at, last = old_size - 1, size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    first = second = nodes[0]
    for node in nodes[1:]:
        if last == 0:
            raise NotProvenError("The proof has more hashes than its place in the tree takes.")
        if at & 1 or at == last:
            first, second = node_hash(node, first), node_hash(node, second)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            second = node_hash(second, node)
        at, last = at >> 1, last >> 1
    if last != 0:
        raise NotProvenError("The proof has fewer hashes than its place in the tree takes.")
    return first, second


def signed_bytes(statement: dict[str, Any]) -> bytes:
    """Return the bytes of a statement that its signature is of: all of it but the signature."""
    content = {name: value for name, value in statement.items() if name != "signature"}
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def check_signature(statement: dict[str, Any], public_key: str | None) -> str:
    """Return what can be said of a digest's signature, given the public key (hexadecimal) that it must be of, if known.

    Raises `NotProvenError` if it is not by that key, or by none and one is given.
    """
    signature, named = statement.get("signature"), statement.get("public_key")
    if not signature:
        if public_key:
            raise NotProvenError(f"The digest of {statement['time']} is not signed.")
        return "not signed"
    if public_key and named != public_key:
        raise NotProvenError(
            f"The digest of {statement['time']} is signed with the key {named!r}, not with {public_key!r}."
        )
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        raise NotProvenError("To check signatures, install the package cryptography.") from None
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(str(named)))
        key.verify(bytes.fromhex(signature), signed_bytes(statement))
    except (InvalidSignature, ValueError):
        raise NotProvenError("The digest's signature is wrong.") from None
    whose = "the given key" if public_key else f"the key {named}, which the digest names itself"
    return f"signed with {whose}"


def check_lines(leaf: str, lines: list[str]) -> None:
    """Check that a leaf is of these lines; raises `NotProvenError` if not."""
    _, _, said = leaf.splitlines()
    chunks = (lines[start : start + LINES] for start in range(0, len(lines), LINES))
    digests = b"".join(
        sha256("".join(f"{line}\n" for line in chunk).encode()).digest() for chunk in chunks
    )
    if said != f"lines {len(lines)} {sha256(digests).hexdigest()}":
        raise NotProvenError("The lines of the proof are not the ones that its leaf is of.")


def check_content(digest: str, content: dict[str, Any]) -> str:
    """Return the text that a digest is of; raises `NotProvenError` if it is of another."""
    text = str(content["text"])
    if sha256(bytes.fromhex(content["salt"]) + text.encode()).hexdigest() != digest:
        raise NotProvenError(
            f"The text {text!r} with its salt does not have the digest {digest} that the leaf gives for it."
        )
    return text


def check_proof(
    proof: dict[str, Any], digest: dict[str, Any] | None, public_key: str | None
) -> list[str]:
    """Return what a proof shows, as sentences; raises `NotProvenError` if it does not hold."""
    statement = digest or proof["digest"]
    told = [
        f"The digest of {statement['size']} revisions is {check_signature(statement, public_key)}."
    ]
    leaf = str(proof["leaf"])
    path = [bytes.fromhex(node) for node in proof["path"]]
    root = root_of_inclusion(leaf_hash(leaf.encode()), proof["position"], proof["size"], path)
    if proof["size"] != statement["size"] or root.hex() != statement["root"]:
        raise NotProvenError(
            f"The proof leads to the root {root.hex()} of {proof['size']} leaves, the digest has {statement['root']} of {statement['size']}."
        )
    _, about, _ = leaf.splitlines()
    _, number, _, about_digest = about.split()
    told.append(
        f"Revision {number} is leaf {proof['position']} of the tree of the digest of {statement['time']}."
    )
    if proof.get("content"):
        told.append(f"It holds: {check_content(about_digest, proof['content'])}")
    lines = proof.get("lines")
    if lines is not None:
        check_lines(leaf, [entry["line"] for entry in lines])
        for entry in lines:
            kind, table, version, *rest = entry["line"].split()
            if entry.get("content"):
                told.append(
                    f"Version {version} of table {table}: {check_content(rest[1], entry['content'])}"
                )
            elif kind == "V":
                told.append(f"Version {version} of table {table}: erased since.")
    return told


def check_digest(
    statement: dict[str, Any], older: dict[str, Any] | None, public_key: str | None
) -> list[str]:
    """Return what a digest shows, as sentences; raises `NotProvenError` if it does not hold."""
    told = [
        f"The digest of {statement['size']} revisions is {check_signature(statement, public_key)}."
    ]
    if older is None:
        return told
    told.append(f"The older one, of {older['size']}, is {check_signature(older, public_key)}.")
    if statement["database"] != older["database"]:
        raise NotProvenError("The two digests are of different databases.")
    proof = statement.get("consistency")
    if statement["size"] == older["size"]:
        first = second = bytes.fromhex(older["root"])
    elif not proof or proof["size"] != older["size"]:
        raise NotProvenError("The digest was not made with --since and this older one.")
    else:
        path = [bytes.fromhex(node) for node in proof["path"]]
        old_root = bytes.fromhex(older["root"])
        first, second = roots_of_consistency(older["size"], statement["size"], old_root, path)
        if older["size"] == 0:
            second = bytes.fromhex(statement["root"])
    if first.hex() != older["root"] or second.hex() != statement["root"]:
        raise NotProvenError(
            "The newer tree does not begin with the older one: revisions were changed or removed."
        )
    told.append("The newer tree begins with the older one.")
    return told


def main(arguments: list[str]) -> int:
    """Check the files that the command line names."""
    parser = argparse.ArgumentParser(
        description="Check a proof, or a digest, of audittrail's ledger."
    )
    parser.add_argument("file", help="a proof or a digest")
    parser.add_argument(
        "--digest", metavar="FILE", help="the digest that you have kept, instead of the proof's own"
    )
    parser.add_argument(
        "--since", metavar="FILE", help="an older digest, which this one has to extend"
    )
    parser.add_argument("--key", metavar="HEX", help="the public key that must have signed")
    options = parser.parse_args(arguments)
    try:
        given = _read(options.file)
        if given.get("format") == PROOF_FORMAT:
            kept = _read(options.digest) if options.digest else None
            told = check_proof(given, kept, options.key)
        elif given.get("format") == DIGEST_FORMAT:
            told = check_digest(given, _read(options.since) if options.since else None, options.key)
        else:
            raise NotProvenError(f"{options.file} is neither a proof nor a digest of this format.")
    except NotProvenError as error:
        print(f"NOT PROVEN: {error}")
        return 1
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        print(f"NOT PROVEN: a proof or digest can't be used: {problem_of(error)}.")
        return 1
    print("\n".join(told))
    print("Everything holds.")
    return 0


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123 (a script that stands alone)
            return dict(json.load(file))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise NotProvenError(f"{path!r} can't be used: {problem_of(error)}.") from error


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
