"""What is measured: each series takes a contender and returns seconds (or bytes) by measure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from random import Random
from time import perf_counter
from typing import Any, Final

from django.db import connections

from tests.benchmarks import parcels
from tests.benchmarks.contenders import PREFILLED, Contender, order, settle, size_of_row, sizes
from tests.benchmarks.workers import Workers

Figures = dict[str, float]

#: Single-row operations in one block, and rows of a bulk operation.
BLOCK: Final = 25
PAGES: Final = 5
BULK: Final = 50_000
#: Single rows are changed among the newest ones, as in life; their pages are soon in the cache and in the WAL.
RECENT: Final = 5_000
PROCESSES: Final = 4
CHANGES_OF_A_PROCESS: Final = 50
CHANGES_FOR_BYTES: Final = 4_000
BLOCKS_FOR_BYTES: Final = 5

_numbers = count(PREFILLED)
_random = Random(20240101)


@dataclass(frozen=True)
class Series:
    """Measures that are taken together, in as many rounds as asked for; `limits` by measure, None: for information.

    `scale` and `unit` say how a figure is printed; `rounds` is the share of the rounds asked for; `kind` the table that is needed.
    """

    name: str
    take: Callable[[Contender], Figures]
    limits: dict[str, float | None]
    unit: str = "µs"
    scale: float = 1e6
    rounds: float = 1.0
    is_ratio: bool = False
    kind: str = "orders"


def single_rows(contender: Contender) -> Figures:
    """Insert, update and delete single rows, each in a transaction of its own."""
    new = [order(contender.model, next(_numbers)) for _ in range(BLOCK)]
    recent = _recent(contender, BLOCK)
    clock = perf_counter()
    for instance in new:
        instance.save(using=contender.alias)
    inserted = perf_counter()
    for instance in recent:
        instance.save()
    updated = perf_counter()
    for instance in new:
        instance.delete()
    deleted = perf_counter()
    return {
        "save() inserts": (inserted - clock) / BLOCK,
        "save() updates": (updated - inserted) / BLOCK,
        "delete()": (deleted - updated) / BLOCK,
    }


def in_a_context(contender: Contender) -> Figures:
    """Update single rows, each in a context of its own, as a request would."""
    recent = _recent(contender, BLOCK)
    clock = perf_counter()
    for number, instance in enumerate(recent):
        with contender.context(
            user=number % 5 + 1, method="POST", path="/admin/shop/order/17/change/"
        ):
            instance.save()
    return {"save() updates, in a context": (perf_counter() - clock) / BLOCK}


def many_rows(contender: Contender) -> Figures:
    """Create, update and delete many rows, each in one statement."""
    new = [order(contender.model, next(_numbers)) for _ in range(BULK)]
    settle()
    clock = perf_counter()
    contender.orders.bulk_create(new)
    created = perf_counter()
    rows = contender.orders.filter(code__gte=new[0].code)
    changed = rows.update(status="shipped", updated_at=datetime.now(UTC))
    updated = perf_counter()
    removed, _ = rows.delete()
    deleted = perf_counter()
    assert changed == removed == BULK
    return {
        f"bulk_create() of {BULK:,}": created - clock,
        f"QuerySet.update() of {BULK:,}": updated - created,
        f"QuerySet.delete() of {BULK:,}": deleted - updated,
    }


def warm_session(contender: Contender) -> Figures:
    """Update many rows in a session that has updated 1,000 single rows, as a multiple of a fresh session's time."""
    return {
        "update of 50,000, warm to fresh session": _update_half(contender, 1_000)
        / _update_half(contender, 0)
    }


def _update_half(contender: Contender, single: int) -> float:
    connections[contender.alias].close()
    for instance in _recent(contender, single):
        instance.save()
    settle()
    clock = perf_counter()
    changed = contender.orders.filter(pk__lte=BULK).update(updated_at=datetime.now(UTC))
    elapsed = perf_counter() - clock
    assert changed == BULK
    return elapsed


def reads(contender: Contender) -> Figures:
    """Read single rows and pages of rows, without and with a context."""
    keys = [_random.randint(1, PREFILLED) for _ in range(BLOCK)]
    clock = perf_counter()
    for key in keys:
        contender.orders.get(pk=key)
    got = perf_counter()
    for key in keys[:PAGES]:
        list(contender.orders.filter(pk__gte=key).order_by("pk")[:100])
    paged = perf_counter()
    with contender.context(user=1, method="GET", path="/admin/shop/order/"):
        for key in keys:
            contender.orders.get(pk=key)
    return {
        "get()": (got - clock) / BLOCK,
        "page of 100 rows": (paged - got) / PAGES,
        "get(), in a context": (perf_counter() - paged) / BLOCK,
    }


def processes(contender: Contender) -> Figures:
    """Update single rows in four processes at once: seconds for each row of any of them."""
    elapsed = Workers.running(PROCESSES).update(contender.name, CHANGES_OF_A_PROCESS)
    return {f"{PROCESSES} processes updating": elapsed / PROCESSES / CHANGES_OF_A_PROCESS}


def growth(contender: Contender) -> Figures:
    """Return the bytes that single-row updates add to the history, as a multiple of a live row with its indexes.

    The first block, after which the history is vacuumed, brings it to the state in which it goes on growing. Then there are so many
    that the pages of an index, which fill up and split all at about the same time, have done so once or twice.
    """
    settle()
    before = 0
    for block in range(1 + BLOCKS_FOR_BYTES):
        if block == 1:
            settle()
            before = sizes(contender.history)
        for instance in _recent(contender, CHANGES_FOR_BYTES):
            instance.save()
    grown = sizes(contender.history) - before
    changes = BLOCKS_FOR_BYTES * CHANGES_FOR_BYTES
    return {"bytes of history for each change": grown / changes / size_of_row(contender)}


def _recent(contender: Contender, number: int) -> list[Any]:
    """Return recent orders with another status each, not yet saved."""
    keys = _random.sample(range(PREFILLED - RECENT + 1, PREFILLED + 1), number)
    chosen = list(contender.orders.filter(pk__in=keys))
    _random.shuffle(chosen)
    moment = datetime.now(UTC)
    for position, instance in enumerate(chosen):
        instance.status = f"step {position % 97}"
        instance.updated_at = moment
    return chosen


SERIES = (
    Series(
        "single",
        single_rows,
        {"save() inserts": 1.2, "save() updates": 1.25, "delete()": 1.25},
    ),
    Series("context", in_a_context, {"save() updates, in a context": None}),
    Series("reads", reads, {"get()": 1.0, "page of 100 rows": 1.0, "get(), in a context": None}),
    Series("processes", processes, {f"{PROCESSES} processes updating": 1.2}),
    Series(
        "bulk",
        many_rows,
        {
            f"bulk_create() of {BULK:,}": 1.17,
            f"QuerySet.update() of {BULK:,}": 1.6,
            f"QuerySet.delete() of {BULK:,}": 1.3,
        },
        unit="s",
        scale=1,
        rounds=0.07,
    ),
    Series(
        "warm",
        warm_session,
        {"update of 50,000, warm to fresh session": 1.0},
        rounds=0.03,
        is_ratio=True,
    ),
    Series("bytes", growth, {"bytes of history for each change": 1.2}, rounds=0, is_ratio=True),
    Series(
        "requests",
        parcels.in_requests,
        {
            "save() inserts": 1.16,
            "save() updates one field": 1.16,
            "3 labels added, 2 removed": 1.1,
            "delete()": 1.12,
        },
        kind="parcels",
    ),
    Series(
        "transaction",
        parcels.in_one_transaction,
        {f"{parcels.TRANSACTION:,} save()s in a transaction": 1.18},
        rounds=0.1,
        kind="parcels",
    ),
    Series(
        "clients",
        parcels.in_processes,
        {f"{parcels.PROCESSES} processes updating parcels": 1.22},
        kind="parcels",
    ),
    Series(
        "pgbench",
        parcels.in_sql,
        {"4 clients of pgbench updating": 1.27},
        rounds=0.2,
        kind="parcels",
    ),
    Series("fresh", parcels.in_fresh_sessions, {}, rounds=0.2, kind="parcels"),
    Series(
        "history",
        parcels.bytes_of_history,
        {
            "bytes of history, insert": 1.22,
            "bytes of history, update": 1.14,
            "bytes of history, delete": 1.08,
        },
        rounds=0,
        is_ratio=True,
        kind="parcels",
    ),
)
