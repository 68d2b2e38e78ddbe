"""What is measured of the narrow table: the writes that people do all day, one object and one transaction in a request.

Beside the time by the clock, which tells what a request waits for, stand the processors' time of the server's session, which other work on
the machine changes little, and the bytes of WAL.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, Final

from django.db import connections, transaction

from tests.benchmarks import processors
from tests.benchmarks.contenders import (
    FOREIGN_ROWS,
    PREFILLED,
    Contender,
    parcel,
    settle,
    size_of_parcel,
    sizes,
)
from tests.benchmarks.workers import Workers

Figures = dict[str, float]

BLOCK: Final = 25
RECENT: Final = 5_000
PROCESSES: Final = 4
CHANGES_OF_A_PROCESS: Final = 50
TRANSACTION: Final = 1_000
CHANGES_FOR_BYTES: Final = 4_000
FRESH: Final = 8

_numbers = count(PREFILLED)
_random = Random(20240101)


def in_requests(contender: Contender) -> Figures:
    """Insert, update and delete single rows, and change the labels of some, each as a request does."""
    new = [parcel(contender.parcel, next(_numbers)) for _ in range(BLOCK)]
    chosen = _recent(contender, BLOCK)

    def relabel(instance: Any) -> None:
        labels = _random.sample(range(1, FOREIGN_ROWS + 1), 3)
        instance.labels.add(*labels)
        instance.labels.remove(*labels[:2])

    return {
        **_measured(contender, "save() inserts", new, lambda one: one.save(using=contender.alias)),
        **_measured(
            contender,
            "save() updates one field",
            chosen,
            lambda one: one.save(update_fields=["status"]),
        ),
        **_measured(contender, "3 labels added, 2 removed", chosen[:10], relabel),
        **_measured(contender, "delete()", new, lambda one: one.delete()),
    }


def _request(contender: Contender, number: int) -> AbstractContextManager[Any]:
    return contender.context(
        user=number % 5 + 1,
        method="POST",
        path=f"/admin/shop/parcel/{number}/change/",
        remote_addr="192.0.2.17",
        request_id=f"{_random.getrandbits(128):032x}",
    )


def _measured(
    contender: Contender, name: str, instances: Iterable[Any], act: Callable[[Any], object]
) -> Figures:
    instances = list(instances)
    session = _session(contender)
    wal, busy, clock = _wal(), processors.nanoseconds(session), perf_counter()
    for number, instance in enumerate(instances):
        with _request(contender, number), transaction.atomic(using=contender.alias):
            act(instance)
    passed = perf_counter() - clock
    busy = processors.nanoseconds(session) - busy
    return {
        name: passed / len(instances),
        f"  {name}, server": busy / 1e9 / len(instances),
        f"  {name}, WAL": (_wal() - wal) / len(instances),
    }


def _session(contender: Contender) -> int:
    connection = connections[contender.alias]
    connection.ensure_connection()
    return int(connection.connection.info.backend_pid)


def _wal() -> int:
    """Return how many bytes of WAL there have been; asked of a session that measures nothing."""
    with connections["watcher"].cursor() as cursor:
        cursor.execute("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint")
        return int(cursor.fetchone()[0])


def in_one_transaction(contender: Contender) -> Figures:
    """Save many changed rows one by one in a transaction."""
    chosen = _recent(contender, TRANSACTION)
    clock = perf_counter()
    with _request(contender, 1), transaction.atomic(using=contender.alias):
        for instance in chosen:
            instance.save()
    return {f"{TRANSACTION:,} save()s in a transaction": (perf_counter() - clock) / TRANSACTION}


def in_fresh_sessions(contender: Contender) -> Figures:
    """Change one row in a session that has done nothing before, by the time of the server's session."""
    figures: Figures = {}
    for name, act in (
        ("first update of a session, server", lambda one: one.save(update_fields=["status"])),
        ("first delete of a session, server", lambda one: one.delete()),
    ):
        taken = []
        for instance in _recent(contender, FRESH):
            connections[contender.alias].close()
            session = _session(contender)
            # What Django asks of a new connection, and the plans that both need, are not the question.
            contender.parcels.filter(pk=instance.pk).first()
            busy = processors.nanoseconds(session)
            with _request(contender, 1), transaction.atomic(using=contender.alias):
                act(instance)
            taken.append(processors.nanoseconds(session) - busy)
        figures[name] = sorted(taken)[len(taken) // 2] / 1e9
    return figures


def in_processes(contender: Contender) -> Figures:
    """Update single rows in four processes at once: seconds for each row of any of them."""
    elapsed = Workers.running(PROCESSES).update(contender.name, CHANGES_OF_A_PROCESS, "parcels")
    return {f"{PROCESSES} processes updating parcels": elapsed / PROCESSES / CHANGES_OF_A_PROCESS}


def in_sql(contender: Contender) -> Figures:
    """Let four clients of pgbench update single rows, by a prepared statement and in autocommit: seconds for each."""
    table = contender.parcel_table
    with TemporaryDirectory() as directory:
        script = Path(directory) / "update.sql"
        script.write_text(
            f"\\set key random({PREFILLED - RECENT + 1}, {PREFILLED})\n\\set weight random(1, 30000)\n"
            f"UPDATE {table} SET weight = :weight, updated_at = now() WHERE id = :key;\n"
        )
        database = connections[contender.alias].settings_dict
        command = [
            *(os.environ["AUDITTRAIL_BENCHMARK_PGBENCH"], "-n", "-M", "prepared", "-c", "4"),
            *("-t", "250", "-f", str(script), "-h", database["HOST"], "-U", database["USER"]),
        ]
        told = subprocess.run(
            [*command, database["NAME"]], capture_output=True, text=True, check=True
        ).stdout
    found = re.search(r"^tps = ([\d.]+)", told, re.MULTILINE)
    assert found
    return {"4 clients of pgbench updating": 1 / float(found[1])}


def bytes_of_history(contender: Contender) -> Figures:
    """Return the bytes of history for each insert, update and delete, as a multiple of a live row with its indexes."""
    new = [parcel(contender.parcel, next(_numbers)) for _ in range(CHANGES_FOR_BYTES)]
    chosen = _recent(contender, CHANGES_FOR_BYTES)
    return {
        f"bytes of history, {name}": _grown(contender, instances, act)
        for name, instances, act in (
            ("insert", new, lambda one: one.save(using=contender.alias)),
            ("update", chosen, lambda one: one.save()),
            ("delete", new, lambda one: one.delete()),
        )
    }


def _grown(contender: Contender, instances: list[Any], act: Callable[[Any], object]) -> float:
    settle()
    before = sizes(contender.parcel_history)
    for number, instance in enumerate(instances):
        with _request(contender, number), transaction.atomic(using=contender.alias):
            act(instance)
    grown = sizes(contender.parcel_history) - before
    return grown / len(instances) / size_of_parcel(contender)


def _recent(contender: Contender, number: int) -> list[Any]:
    """Return recent parcels with another status each, not yet saved."""
    keys = _random.sample(range(PREFILLED - RECENT + 1, PREFILLED + 1), number)
    chosen = list(contender.parcels.filter(pk__in=keys))
    _random.shuffle(chosen)
    moment = datetime.now(UTC)
    for position, instance in enumerate(chosen):
        instance.status = f"step {position % 97}"
        instance.updated_at = moment
    return chosen
