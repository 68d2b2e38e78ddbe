"""Measure the lock that each commit takes: `python -m tests.benchmarks.commit_lock [--clients N] [--transactions N] [--rounds N]`.

Several clients commit one row at a time, in interleaved rounds: without any lock, with the lock on a sequence that commits take, and with a
shared advisory lock, which anybody who may connect could stand in the way of. Told is the processors' time of the server's sessions for a
transaction, which a busy machine changes little, and the time by the clock. A PostgreSQL cluster of its own is made for the run.
"""

from __future__ import annotations

import argparse
import os
from collections import defaultdict
from collections.abc import Sequence
from statistics import median
from threading import Barrier, Thread
from time import perf_counter
from typing import Any

import psycopg2

from tests.benchmarks import processors
from tests.benchmarks.time_travel import DATABASE, DEFAULT_SETTINGS
from tests.servers import DEFAULT_VERSION, SUPERUSER, Run

#: What a transaction does before it commits, by what it shows.
LOCKS = {
    "no lock": "SELECT 'commits'::regclass",
    "sequence": "SELECT pg_sequence_last_value('commits')",
    "advisory": "SELECT pg_advisory_xact_lock_shared(1, 2)",
}


def main() -> int:
    """Run the benchmark and print the medians."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.commit_lock", description=__doc__
    )
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--transactions", type=int, default=2_000, help="of a client in a round")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--postgres", default=DEFAULT_VERSION)
    options = parser.parse_args()
    with Run.begin() as run:
        server = run.own_server(options.postgres, DEFAULT_SETTINGS)
        server.start()
        server.createdb(DATABASE)
        sessions = [
            psycopg2.connect(host=server.host, user=SUPERUSER, dbname=DATABASE)
            for _number in range(options.clients)
        ]
        for session in sessions:
            session.autocommit = True
        sessions[0].cursor().execute(
            "CREATE TABLE item (id bigserial PRIMARY KEY, name text); CREATE SEQUENCE commits"
        )
        taken = _taken(sessions, options.rounds, options.transactions)
        for session in sessions:
            session.close()
    print(f"{options.clients} clients, load {os.getloadavg()[0]:.1f}: medians of a transaction")
    for name, found in taken.items():
        processor, clock = (median(values) for values in zip(*found, strict=True))
        print(
            f"{name:10} {processor:7.1f} µs of the server's sessions {clock:9.1f} µs by the clock"
        )
    return 0


def _taken(
    sessions: Sequence[Any], rounds: int, transactions: int
) -> dict[str, list[tuple[float, float]]]:
    taken: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for number in range(rounds + 1):
        for name, lock in LOCKS.items():
            found = _round(sessions, lock, transactions)
            if number:  # the first one warms up
                taken[name].append(found)
    return taken


def _round(sessions: Sequence[Any], lock: str, transactions: int) -> tuple[float, float]:
    """Let all clients commit; return the processors' time and the time of a transaction in microseconds."""
    statement = f"BEGIN; INSERT INTO item (name) VALUES ('x'); {lock}; COMMIT"
    barrier = Barrier(len(sessions))

    def work(session: Any) -> None:
        cursor = session.cursor()
        barrier.wait()
        for _number in range(transactions):
            cursor.execute(statement)

    threads = [Thread(target=work, args=(session,)) for session in sessions]
    processes = [session.info.backend_pid for session in sessions]
    before, begin = processors.seconds(processes), perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spent, passed = processors.seconds(processes) - before, perf_counter() - begin
    count = len(sessions) * transactions
    return spent / count * 1e6, passed / count * 1e6


if __name__ == "__main__":
    raise SystemExit(main())
