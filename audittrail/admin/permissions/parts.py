"""The parts of one object in the tables that its model inherits from: they come back together, and go together, or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from audittrail.admin.permissions.lacks import Lack, Reason, Why, by_action, is_told
from audittrail.restore.plan import RowPlan

_PART: Final = Reason(Why.PART)


def with_other_parts(lacks: Sequence[Lack]) -> Sequence[Lack]:
    """Return what is lacking of each table of a plan, with the other parts of objects of which a part is left out."""
    pairs = [*_pairs(lacks)]
    while any(_joined(*pair) or _joined(*pair[::-1]) for pair in pairs):
        pass
    return lacks


def _pairs(lacks: Sequence[Lack]) -> Iterator[tuple[tuple[Lack, RowPlan], tuple[Lack, RowPlan]]]:
    """Yield the parts of the same objects, below and above: rows that both come back, or both go; first where not all are told."""
    by_model = {lack.table.model: lack for lack in lacks if lack.table.model is not None}
    for model, below in by_model.items():
        for parent, link in (model._meta.parents if model else {}).items():
            above = by_model.get(parent)
            if above is None or link is None or link.model is not model:
                continue
            for action, rows in by_action(below.table).items():
                others = {row.pk: row for row in by_action(above.table).get(action, ())}
                if action == "U" or not others:
                    continue
                if not (is_told(below.table, action) and is_told(above.table, action)):
                    every = RowPlan(action, (), ())
                    yield (below, every), (above, every)
                for row in rows:
                    if (other := others.get(_linked(row, link))) is not None:
                        yield (below, row), (above, other)


def _linked(row: RowPlan, link: Any) -> Any:
    """Return the key of the part above, to which a part leads."""
    found = [change for change in row.changes if change.field is link]
    return (found[0].old if row.action == "D" else found[0].new) if found else row.pk


def _joined(one: tuple[Lack, RowPlan], other: tuple[Lack, RowPlan]) -> bool:
    """Leave out a part because another is, and return whether it was not yet.

    A part without a place stands for all: they are left out as soon as any other is of which it isn't known to which it belongs.
    """
    (lack, row), (other_lack, part) = one, other
    is_whole = not row.place
    is_left_out = (
        any(action == row.action for action, _place in lack.reasons)
        if is_whole
        else lack.reason_of(row)
    )
    if not is_left_out or other_lack.reason_of(part):
        return False
    other_lack.reasons[part.action, part.place] = _PART
    return True
