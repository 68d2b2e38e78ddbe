"""Revisions, the second stage: what was captured, by whom, why and from where; it knows capture and nothing above."""
