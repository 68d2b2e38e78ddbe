"""What plays leave out, since it is known that history is not right there; a list that is to become shorter."""

from __future__ import annotations

from tests.histories.schemas import TRIGGERS, Schema
from tests.histories.writes import Step

UPSERTS = ("upsert many", "many writes")


def is_left_out(schema: Schema, step: Step) -> bool:
    """Tell whether a step is left out."""
    # After an upsert that inserts a row and updates another one, a nested change may stand before the statement's own.
    return step.action in UPSERTS and len(_row_triggers(schema)) > 1


def _row_triggers(schema: Schema) -> list[str]:
    return [t.name for t in schema.triggers if TRIGGERS[t.kind][0].startswith("AFTER")]
