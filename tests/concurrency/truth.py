"""What the witness saw of transactions that ran at the same time, and what history says of them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from tests.histories import record
from tests.histories.record import GONE, Content, Row
from tests.histories.schemas import Schema, Table
from tests.histories.test_random_histories import joined

#: A row's changes: the transaction's number, the operation, the row.
Chain = list[tuple[int, str, Row]]


@dataclass(frozen=True)
class Change:
    """What a transaction did to a row; a row that changes its key is deleted and inserted."""

    xid: int
    operation: str
    row: Row


class Truth:
    """The changes of each row in the order in which the row was locked, and the revisions of their transactions."""

    def __init__(
        self, observer: Any, schema: Schema, before: dict[str, Content], start: int
    ) -> None:
        """Read what the witness noted in a schema whose tables held `before` when the revision of tick `start` was the newest."""
        self.observer = observer
        self.schema = schema
        self.before = before
        self.names = {
            table.name: {n: name for n, (name, _) in record.columns(observer, table).items()}
            for table in schema.tables
        }
        self.versions = {
            table.name: record.versions(observer, table, self.names[table.name])
            for table in schema.tables
        }
        self.commits = record.commits(observer)
        revisions = record.fetch(
            observer,
            f"SELECT xid::text, id, committed FROM audittrail.revision WHERE committed > {start}",
        )
        self.ticks = {int(xid): tick for xid, _, tick in revisions}
        self.xids = {number: int(xid) for xid, number, _ in revisions}
        self.moved: set[str] = {table.name for table in schema.tables if table.partitioned}
        self.changes: dict[tuple[str, tuple[Any, ...]], list[Change]] = {}
        for table in schema.tables:
            self._read(table)

    def _read(self, table: Table) -> None:
        found = record.fetch(
            self.observer,
            "SELECT xid::text, seq, coalesce(confirmed, seq), op, old_key, new_key, old_image, new_image"
            f" FROM witness.change WHERE planned IS NULL AND tab = '{table.name}' ORDER BY seq",
        )
        numbers = [*self.names[table.name]]
        placed: dict[tuple[Any, ...], list[tuple[int, int, Change]]] = {}
        for xid, seq, confirmed, operation, old_key, new_key, old, new in found:
            before = old and dict(zip(numbers, old, strict=True))
            after = new and dict(zip(numbers, new, strict=True))
            made: list[tuple[list[Any], str, Row]] = []
            if operation == "UPDATE" and old_key == new_key:
                made = [(new_key, "U", after)] if before != after else []
            else:
                if operation != "INSERT":
                    made.append((old_key, "D", before))
                if operation in ("INSERT", "UPDATE"):
                    made.append((new_key, "I", after))
                if operation == "UPDATE":
                    self.moved.add(table.name)
            for key, kind, row in made:
                change = Change(int(xid), kind, row)
                placed.setdefault(tuple(key), []).append((confirmed, seq, change))
        for row_key, changes in placed.items():
            # Transactions follow each other as they came to hold the row; within each, changes as they were made.
            last: dict[int, int] = {}
            for confirmed, _, change in changes:
                last[change.xid] = max(confirmed, last.get(change.xid, 0))
            changes.sort(key=lambda one: (last[one[2].xid], one[1]))
            self.changes[table.name, row_key] = [change for _, _, change in changes]

    def states(self) -> list[tuple[int, dict[str, Content]]]:
        """Return what the tables held after each revision, in commit order."""
        order = sorted(self.ticks, key=lambda xid: self.ticks[xid])
        return [
            (self.ticks[xid], self.after(order[: number + 1])) for number, xid in enumerate(order)
        ] or [(0, self.before)]

    def after(self, xids: Collection[int]) -> dict[str, Content]:
        """Return what the tables hold when these transactions have been committed, and no others."""
        seen = set(xids)
        state = {name: dict(content) for name, content in self.before.items()}
        for (name, key), changes in self.changes.items():
            for change in reversed(changes):
                if change.xid in seen:
                    state[name].pop(key, None)
                    if change.operation != "D":
                        state[name][key] = change.row
                    break
        return state

    def chains(self, table: Table) -> tuple[dict[Any, Chain], dict[Any, Chain]]:
        """Return the changes of each row as history tells them, and as the witness saw them."""
        told: dict[Any, list[Change]] = {}
        for version in self.versions[table.name]:
            if version.operation != "B":
                operation = "D" if version.operation in GONE else version.operation
                change = Change(self.xids.get(version.revision, 0), operation, version.row)
                told.setdefault(version.key, []).append(change)
        seen = {key: made for (name, key), made in self.changes.items() if name == table.name}
        both = [self._chains(table, one) for one in (told, seen)]
        return both[0], both[1]

    def _chains(self, table: Table, changes: dict[Any, list[Change]]) -> dict[Any, Chain]:
        result: dict[Any, Chain] = {}
        for key, made in changes.items():
            by_transaction: dict[int, list[tuple[str, Row]]] = {}
            for change in made:
                by_transaction.setdefault(change.xid, []).append((change.operation, change.row))
            # A key that one row leaves and another one takes in the same statement is updated.
            chain = [
                (xid, operation, row)
                for xid, one in by_transaction.items()
                for operation, row in (joined(one) if table.name in self.moved else one)
            ]
            if chain:
                result[key] = chain
        return result


def is_visible(xid: int, snapshot: str) -> bool:
    """Tell whether a committed transaction is visible in a snapshot, given as PostgreSQL writes it."""
    lowest, highest, running = snapshot.split(":")
    return xid < int(lowest) or (xid < int(highest) and str(xid) not in running.split(","))
