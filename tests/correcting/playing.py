"""Random plays in which history is pruned now and then, and what has to remain of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random
from typing import Any
from unittest import mock

from hypothesis import note, settings

from audittrail.capture import closing, pruning
from audittrail.exceptions import LockedError
from audittrail.models import Revision
from audittrail.revisions.pruning import prune
from tests.builders.sending import send
from tests.closing import reading
from tests.closing.test_random_histories import ClosingPlay
from tests.histories import record
from tests.histories.drawing import CLIENTS, EXAMPLES, random_plays
from tests.histories.moments import State
from tests.histories.record import GONE, Version
from tests.histories.schemas import Schema, Table
from tests.histories.writes import Step

#: The Django database in which plays are corrected.
ALIAS = "corrected"

random_corrections = settings(random_plays, max_examples=EXAMPLES or 10)


def correction(dice: Random, schema: Schema, action: str, first_key: int) -> Step:
    """Draw a step that corrects history in a way, or now and then closes versions; with one of six keys."""
    return Step(
        client=dice.randint(0, CLIENTS - 1),
        action=dice.choice(["close", action, action]),
        table=dice.randint(0, len(schema.tables) - 1),
        key=dice.randint(first_key, first_key + 5),
        value=dice.randint(0, 9),
    )


def play_out(play: Any, chosen: Iterable[Step], check: Callable[[Any], None]) -> None:
    """Let a play take the chosen steps, and check what came of it; note what was done, however it ends."""
    for text in play.schema.statements():
        note(text)
    try:
        for step in chosen:
            play.step(step)
        play.finish()
        check(play)
    finally:
        note("\n".join(play.script))


class GaveUpError(Exception):
    """The one who prunes gave up."""


class PruningPlay(ClosingPlay):
    """A play with steps that prune: `value` chooses the cutoff, `key` how many versions stay and after how many batches it is given up."""

    def __init__(self, schema: Schema, connect: Callable[[], Any], clients: int) -> None:
        super().__init__(schema, connect, clients)
        #: The commit tick of every revision that there was.
        self.ticks = dict(self.seen)
        #: The last cutoff of each table, by name.
        self.kept_from: dict[str, int] = {}
        self.prunings = 0

    def step(self, step: Step) -> None:
        """Let a client do something, close versions, or prune."""
        if step.action != "prune":
            super().step(step)
            self.ticks |= self.seen
            return
        # Pruning waits for a prepared transaction that has taken its place, and gives up after some seconds.
        if self.prepared or self._is_locked() or not self._bring_in_step():
            return
        self.ticks |= record.commits(self.observer)
        present = sorted((tick, number) for number, tick in record.commits(self.observer).items())
        if not present:
            return
        tick, number = present[step.value * len(present) // 10]
        # Sometimes one table, sometimes it is given up half way.
        names = [self.schema.tables[step.table].name] if step.key % 2 else []
        self.prune(tick, number, step.key // 2, names, patience=step.client * 2 if step.key == 5 else None)  # fmt: skip

    def _is_locked(self) -> bool:
        # A table whose columns are being changed can't be read, and neither can its history.
        return bool(
            record.fetch(
                self.observer,
                "SELECT FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE l.mode = 'AccessExclusiveLock'"
                " AND c.relnamespace IN ('public'::regnamespace, 'audittrail'::regnamespace) LIMIT 1",
            )
        )

    def _bring_in_step(self) -> bool:
        """Let history follow the columns, so that it can be read; return whether nobody stood in the way."""
        for table in self.schema.tables if self.schema.changing else ():
            try:
                send(self.closer, f"SELECT audittrail.track('{table.name}')")
            except Exception as error:
                code = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
                if code != "55P03":
                    raise
                return False
            finally:
                self._observe([], changed_schema=True)
        return True

    def prune(
        self, tick: int, number: int, keep_last: int, names: list[str], patience: int | None = None
    ) -> None:
        """Prune the named tables (all by default) and compare what is left with what was there before."""
        chosen = [table for table in self.schema.tables if not names or table.name in names]
        before = {table.name: self.answers(table, tick) for table in self.schema.tables}
        versions = {table.name: self.versions(table) for table in chosen}
        revisions = record.commits(self.observer)
        self.script.append(
            f"pruner: {names} before {tick}, keeping {keep_last}, {patience} batches"
        )
        whole = self._prune(number, keep_last, names, patience)
        seen = record.commits(self.observer)
        for made in seen.keys() - revisions.keys():
            self.moments.add(State(self.content, self._read(set()).followed), made)
        self.seen = seen
        self.ticks |= seen
        known = self._look()
        for table in self.schema.tables:
            name = table.name
            if table in chosen and known[name].kept_from == tick:
                self.kept_from[name] = max(tick, self.kept_from.get(name, 0))
            assert known[name].kept_from == self.kept_from.get(name, 0)
            after = self.answers(table, tick)
            # The record of the pruning is a moment that was not there before.
            assert {moment: after.get(moment) for moment in before[name]} == before[name], name
        if whole:
            self.prunings += 1
            for table in chosen:
                expected = remaining(versions[table.name], revisions, tick, number, keep_last)
                assert self.versions(table) == expected, f"{table.name} before tick {tick}"
            self._check_revisions(revisions, tick)

    def _prune(self, number: int, keep_last: int, names: list[str], patience: int | None) -> bool:
        revision = Revision.objects.using(ALIAS).get(pk=number)
        carry_out, batches = pruning._batch, 0

        def batch(*arguments: Any) -> Any:
            nonlocal batches
            batches += 1
            if patience is not None and batches > patience:
                raise GaveUpError
            return carry_out(*arguments)

        with (
            mock.patch.object(pruning, "_batch", batch),
            mock.patch.object(pruning, "PATIENCE", 5),
            mock.patch.object(pruning, "ATTEMPTS", 1),
            mock.patch.object(pruning, "GRACE", 0.01),
            mock.patch.object(closing, "ATTEMPTS", 1),
        ):
            try:
                planned = prune(
                    revision, keep_last=keep_last, tables=names, using=ALIAS, dry_run=True
                )
                done = prune(revision, keep_last=keep_last, tables=names, using=ALIAS, batch_size=1)
            except (LockedError, GaveUpError) as error:
                self.script.append(f"   {error!r}")
                return False
        assert (planned.tables, planned.revisions) == (done.tables, done.revisions)
        self.script.append(f"   {done}")
        return True

    def _check_revisions(self, before: dict[int, int], tick: int) -> None:
        used = {number for table in self.schema.tables for number in self._revisions_of(table)}
        needed = record.fetch(
            self.observer,
            "SELECT r.id FROM audittrail.revision r WHERE r.context ? 'corrected'"
            " OR r.id IN (SELECT since_revision FROM audittrail.tracked_table)",
        )
        used |= {number for (number,) in needed}
        assert {n for n, committed in before.items() if committed >= tick or n in used} == (
            before.keys() & record.commits(self.observer).keys()
        )

    def _revisions_of(self, table: Table) -> Iterable[int]:
        found = record.fetch(
            self.observer, f"SELECT revision_id FROM audittrail.{table.name}_history"
        )
        return [number for (number,) in found]

    def versions(self, table: Table) -> list[tuple[int, Version]]:
        """Return the versions of a table, committed or not."""
        return sorted(
            ((v.version, v) for v in record.versions(self.observer, table, self.names[table.name])),
            key=lambda pair: (pair[0], repr(pair[1].key)),
        )

    def answers(self, table: Table, tick: int) -> dict[int, list[Any]]:
        """Return what a table held as of each moment from a tick on."""
        past = reading.known(self.observer, [table.name])[table.name]
        columns = record.columns(self.observer, table)
        values = ", ".join(f"{column}::text" for column, _ in columns.values())
        moments = [c for c in record.commits(self.observer).values() if c >= tick]
        return {
            moment: reading.as_of(self.observer, past, moment, values)
            for moment in sorted(moments)
            if moment >= max(past.since, past.kept_from)
        }


def remaining(
    made: list[tuple[int, Version]],
    commits: dict[int, int],
    cutoff: int,
    revision: int,
    keep_last: int,
) -> list[tuple[int, Version]]:
    """Return which versions have to stay when everything that a moment from the cutoff on needs is kept, and nothing else."""

    def by_then(version: Version) -> bool:
        return version.revision not in commits_after and version.revision in commits

    commits_after = {number for number, tick in commits.items() if tick > cutoff}
    stays = []
    for position, version in made:
        later = [v for _, v in made if v.key == version.key and v.version > version.version]
        needless = any(by_then(v) for v in later) or (
            version.operation in GONE and by_then(version)
        )
        if version.revision == revision or len(later) < keep_last or not needless:
            stays.append((position, version))
    return stays
