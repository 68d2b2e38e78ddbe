"""Writers in threads of their own, each with transactions that were drawn beforehand, and a reader beside them."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from queue import Empty, Queue
from random import Random
from threading import Event
from typing import Any

from tests.closing import reading
from tests.histories import record
from tests.histories.clients import ISOLATION, code, is_expected
from tests.histories.drawing import CLIENTS
from tests.histories.record import Content
from tests.histories.schemas import Schema
from tests.histories.writes import STATEMENTS, Step, random_step, statement

#: Errors after which an application tries again: serialization, deadlock, lock timeout.
AGAIN = ("40001", "40P01", "55P03")
#: Why audittrail may refuse a write as well: others truncate tables.
REFUSALS = ("may have deleted",)
ATTEMPTS = 4
BETWEEN = ("SAVEPOINT s", "ROLLBACK TO s", "RELEASE s", "SET CONSTRAINTS ALL IMMEDIATE")
ENDS = ("COMMIT", "COMMIT", "COMMIT", "COMMIT", "ROLLBACK", "PREPARE TRANSACTION")


@dataclass(frozen=True)
class Transaction:
    """What one transaction is to do."""

    begin: str
    statements: tuple[str, ...]
    end: str


@dataclass
class Ended:
    """A transaction that was carried out: its number, snapshot, and the times between which it took its place."""

    xid: int
    snapshot: str
    earliest: float
    latest: float


@dataclass
class Session:
    """What several threads do to one schema, and what they noted."""

    schema: Schema
    database: str
    prepared: Queue[str] = field(default_factory=Queue)
    ended: list[Ended] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def write(self, connection: Any, number: int, transactions: Iterable[Transaction]) -> None:
        """Carry out the transactions, some of them again and again, and end what others have prepared."""
        for turn, transaction in enumerate(transactions):
            self.end_prepared(connection, "ROLLBACK" if turn % 4 == 3 else "COMMIT")
            for attempt in range(ATTEMPTS):
                identifier = f"{self.database} {number} {turn} {attempt}"
                if self._carry_out(connection, transaction, identifier) not in AGAIN:
                    break

    def end_prepared(self, connection: Any, how: str) -> bool:
        """End one of the prepared transactions, whoever prepared it; return whether there was one."""
        try:
            identifier = self.prepared.get_nowait()
        except Empty:
            return False
        record.execute(connection, f"{how} PREPARED '{identifier}'")
        return True

    def _carry_out(self, connection: Any, transaction: Transaction, identifier: str) -> str:
        """Run a transaction; return the SQLSTATE of the error that ended it, if one did."""
        saved = False
        record.execute(connection, transaction.begin)
        try:
            for text in transaction.statements:
                if not saved and text in ("ROLLBACK TO s", "RELEASE s"):
                    continue
                saved = (saved or text == "SAVEPOINT s") and text != "RELEASE s"
                try:
                    record.execute(connection, text)
                except Exception as error:
                    if not is_expected(error, REFUSALS) or code(error) in AGAIN or not saved:
                        raise
                    record.execute(connection, "ROLLBACK TO s")
            ((xid, snapshot),) = record.fetch(
                connection,
                "SELECT pg_current_xact_id_if_assigned()::text, pg_current_snapshot()::text",
            )
            prepare = transaction.end == "PREPARE TRANSACTION"
            end = f"{transaction.end} '{identifier}'" if prepare else transaction.end
            earliest = time.monotonic()
            record.execute(connection, end)
        except Exception as error:
            record.execute(connection, "ROLLBACK")
            if not is_expected(error, REFUSALS):
                raise
            self.errors.append(code(error))
            return code(error)
        if xid is not None and transaction.end != "ROLLBACK":
            self.ended.append(Ended(int(xid), snapshot, earliest, time.monotonic()))
        if prepare:
            self.prepared.put(identifier)
        return ""


@dataclass
class Reader:
    """Somebody who reads the tables in snapshots, and their past as of settled moments, until it is over."""

    connection: Any
    schema: Schema
    values: dict[str, str]
    #: The newest tick before anybody wrote.
    start: int
    #: Snapshots, and what the tables held in them.
    snapshots: list[tuple[str, dict[str, Content]]] = field(default_factory=list)
    #: Ticks, and what the tables held as of them.
    answers: list[tuple[int, dict[str, list[Any]]]] = field(default_factory=list)

    def read(self, over: Event) -> None:
        """Read until it is over, and once more."""
        names = [table.name for table in self.schema.tables]
        while True:
            ending = over.is_set()
            try:
                # The lock comes before the snapshot: what is truncated in between is gone for every snapshot.
                record.execute(self.connection, "BEGIN ISOLATION LEVEL REPEATABLE READ")
                record.execute(
                    self.connection, f"LOCK TABLE {', '.join(names)} IN ACCESS SHARE MODE"
                )
                ((snapshot,),) = record.fetch(self.connection, "SELECT pg_current_snapshot()::text")
                content = {t.name: record.live(self.connection, t) for t in self.schema.tables}
                self.snapshots.append((snapshot, content))
                record.execute(self.connection, "COMMIT")
                question = "SELECT audittrail.settled_tick('0.1 s')"
                ((tick,),) = record.fetch(self.connection, question)
                if tick > self.start:
                    self.answers.append((tick, self.as_of(tick)))
            except Exception as error:
                # A table that is being truncated, also by writers that lock tables in another order; a prepared transaction.
                record.execute(self.connection, "ROLLBACK")
                if code(error) not in ("55P03", "55006", "40P01"):
                    raise
            if ending:
                return

    def as_of(self, tick: int, count: int = 1) -> dict[str, list[Any]]:
        """Return the rows of each table as of a tick."""
        known = reading.known(self.connection, list(self.values))
        return {
            name: reading.as_of(self.connection, known[name], tick, values, count)
            for name, values in self.values.items()
        }


def random_transactions(
    dice: Random, schema: Schema, columns: dict[str, dict[str, str]], version: int
) -> list[Transaction]:
    """Draw the transactions of one writer."""
    made = []
    for _ in range(dice.randint(6, 14)):
        begin = dice.choice([ISOLATION["begin"], *ISOLATION.values()])
        statements = []
        for _ in range(dice.randint(1, 5)):
            if dice.randint(0, 3) == 0:
                statements.append(dice.choice(BETWEEN))
            step: Step = random_step(dice, schema, CLIENTS)
            while step.action not in STATEMENTS:
                step = random_step(dice, schema, CLIENTS)
            table = schema.tables[step.table].name
            statements.append(statement(schema, step, columns[table], version))
        made.append(Transaction(begin, tuple(statements), dice.choice(ENDS)))
    return made
