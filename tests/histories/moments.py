"""The truth: what the tables held after each commit, in the order in which the commits have to be.

A prepared transaction has its place from its preparation on, and nobody sees it before its end. So the moments after that place
are known only then: they get its changes afterwards. Nobody else can have touched the same rows meanwhile, for they are locked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.histories.record import Content

#: The numbers of the columns that history knows of, for each table: it learns of new ones at the table's next write.
Followed = dict[str, list[int]]


@dataclass
class State:
    """What can be seen at a time."""

    content: dict[str, Content]
    followed: Followed


@dataclass
class Moment:
    """The place of a transaction among the others, and the state that it left; `revision` is None until there is one."""

    state: State
    revision: int | None = None


class Moments:
    """All moments in their order."""

    def __init__(self) -> None:
        """Begin without any."""
        self.all: list[Moment] = []

    def add(self, state: State, revision: int | None = None) -> Moment:
        """Add the moment that comes after all others by now."""
        moment = Moment(state, revision)
        self.all.append(moment)
        return moment

    def reveal(self, moment: Moment, revision: int | None, before: State, after: State) -> None:
        """Let the transaction of a moment be seen at last, which turns the state `before` into `after`."""
        moment.revision = revision
        for one in self.all[self.all.index(moment) :]:
            one.state = State(
                {
                    table: _changed(held, before.content[table], after.content[table])
                    for table, held in one.state.content.items()
                },
                {
                    table: after.followed[table]
                    if after.followed[table] != before.followed[table]
                    else known
                    for table, known in one.state.followed.items()
                },
            )

    def of_revisions(self) -> dict[int, State]:
        """Return the states by revision."""
        return {one.revision: one.state for one in self.all if one.revision is not None}

    def are_in_order(self, ticks: Mapping[int, int]) -> bool:
        """Tell whether revisions have ticks in the order of their moments."""
        found = [ticks[number] for number in self.of_revisions() if number in ticks]
        return found == sorted(found)


def _changed(held: Content, before: Content, after: Content) -> Content:
    if before == after:
        return held
    changed = dict(held)
    for key in before.keys() | after.keys():
        if key not in after:
            changed.pop(key, None)
        elif before.get(key) != after[key]:
            changed[key] = after[key]
    return changed
