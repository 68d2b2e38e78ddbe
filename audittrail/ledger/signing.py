"""Sign digests with Ed25519, where a key is at hand: the setting `AUDITTRAIL_LEDGER_KEY`, or a file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audittrail import conf
from audittrail.exceptions import LedgerError
from audittrail.ledger.check_proof import signed_bytes
from audittrail.revisions.wording import unreadable

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def signed(statement: dict[str, Any], key_file: str | None = None) -> dict[str, Any]:
    """Return a statement with its signature, if there is a key: that of a file, or that of the setting; otherwise as it is.

    Raises `LedgerError` if a key can't be read, or the package `cryptography` is missing.
    """
    key = private_key(key_file)
    if key is None:
        return statement
    named = statement | {"public_key": public_hex(key)}
    return named | {"signature": key.sign(signed_bytes(named)).hex()}


def private_key(key_file: str | None = None) -> Ed25519PrivateKey | None:
    """Return the key to sign with: of a file, or of the setting `AUDITTRAIL_LEDGER_KEY`; None if there is none.

    A key is 64 hexadecimal digits, or a private key in PEM; the setting may name a file that holds one.

    Raises `LedgerError` for a key that can't be read.
    """
    if key_file is not None:
        text = _read(key_file, repr(key_file))
    else:
        text = conf.ledger_key()
        if text and not _is_key(text):
            # A key with a slip in it must not stand in the error.
            text = _read(text, "AUDITTRAIL_LEDGER_KEY")
    if not text:
        return None
    ed25519 = _ed25519()
    text = text.strip()
    if re.fullmatch("[0-9a-fA-F]{64}", text):
        key: Ed25519PrivateKey = ed25519.Ed25519PrivateKey.from_private_bytes(bytes.fromhex(text))
        return key
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        loaded = load_pem_private_key(text.encode(), password=None)
    except (ValueError, TypeError) as error:
        problem = "is encrypted" if isinstance(error, TypeError) else "is not a private key in PEM"
        raise LedgerError(
            f"The key to sign digests with {problem}; manage.py audittrail ledger key makes one that can be used."
        ) from error
    if not isinstance(loaded, ed25519.Ed25519PrivateKey):
        raise LedgerError(
            f"Digests are signed with a key of Ed25519, not with {type(loaded).__name__!r}; "
            "manage.py audittrail ledger key makes one."
        )
    pem: Ed25519PrivateKey = loaded
    return pem


def new_key() -> tuple[str, str]:
    """Return a new private key and its public key, in hexadecimal digits."""
    key = _ed25519().Ed25519PrivateKey.generate()
    return key.private_bytes_raw().hex(), public_hex(key)


def public_hex(key: Ed25519PrivateKey) -> str:
    """Return the public key of a private one, in hexadecimal digits."""
    return key.public_key().public_bytes_raw().hex()


def _is_key(text: str) -> bool:
    return bool(re.fullmatch(r"\s*[0-9a-fA-F]{64}\s*", text)) or "-----BEGIN" in text


def _read(path: str, called: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        raise LedgerError(
            f"{called} is neither a key of 64 hexadecimal digits nor the name of a file that holds one: {unreadable(error)}."
        ) from None


def _ed25519() -> Any:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError:
        raise LedgerError(
            "Signatures need the package cryptography: python -m pip install 'django-pg-audittrail[ledger]'."
        ) from None
    return ed25519
