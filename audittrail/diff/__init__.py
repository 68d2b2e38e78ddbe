"""Differences, the fifth stage: what changed between two states; it knows time travel, revisions and capture, and no requests."""
