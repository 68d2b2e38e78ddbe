"""How many random plays there are, and how they are drawn: with dice, so that none is a slight variation of another.

Set AUDITTRAIL_TEST_HISTORIES to a number to play that many, different ones each time.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from random import Random

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from tests.histories.schemas import Schema, random_schema
from tests.histories.writes import Step, random_step

EXAMPLES = int(os.environ.get("AUDITTRAIL_TEST_HISTORIES", "0"))
CLIENTS = 4

random_plays = settings(
    # A long run makes what it finds small, which takes minutes.
    phases=list(Phase) if EXAMPLES else [Phase.generate],
    max_examples=EXAMPLES or 20,
    derandomize=not EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)

Drawn = tuple[Schema, list[Step]]


def dice() -> st.SearchStrategy[Random]:
    """Draw dice: of a long run hypothesis knows every throw, and can make what is found small."""
    return st.randoms(use_true_random=not EXAMPLES)


@st.composite
def plays(
    draw: st.DrawFn,
    wanted: Callable[[Schema], bool] = lambda schema: True,
    own: Callable[[Random, Schema], Step] | None = None,
    one_in: int = 6,
) -> Drawn:
    """Draw a schema and what happens to it; one in so many steps is the test's `own`."""
    thrown = draw(dice())
    schema = random_schema(thrown)
    while not wanted(schema):
        schema = random_schema(thrown)
    steps = []
    for _ in range(thrown.randint(10, 60)):
        if own is not None and thrown.randint(1, one_in) == 1:
            steps.append(own(thrown, schema))
        else:
            steps.append(random_step(thrown, schema, CLIENTS))
    return schema, steps
