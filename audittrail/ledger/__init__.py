"""The ledger, the third stage: a Merkle tree over revisions whose digests show when history was changed behind its back; it knows capture and revisions."""
