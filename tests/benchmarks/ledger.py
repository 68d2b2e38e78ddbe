"""Measure the ledger: `python -m tests.benchmarks.ledger [--revisions N] [--postgres VERSION] [--check]`.

A million revisions of one row each are entered, verified against a digest, and one of them proved. Told are revisions a second, by the
clock and by the processors' time (of the server's session and of this process, which a busy machine does not change), the bytes that the
ledger takes beside those of history, and the most memory that the two processes took. A PostgreSQL cluster of its own is made for the run.
"""

from __future__ import annotations

import argparse
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter, process_time
from typing import Any

from tests.benchmarks.time_travel import empty_database
from tests.servers import DEFAULT_VERSION

#: At least so many revisions a second are to be entered.
LIMIT = 20_000

TABLE = (
    "CREATE TABLE item (id bigint PRIMARY KEY, name text, price numeric(10, 2), made timestamptz)"
)
#: As capture and its stamp write them, without their triggers: what is measured begins after the commits.
FILL = (
    "SET session_replication_role = replica",
    (
        "INSERT INTO audittrail.revision (id, committed, committed_at, committed_by, client_addr, db_user, application_name, reason, context)"
        " SELECT 1000 + 2 * n, 1001 + 2 * n, '2026-01-01'::timestamptz + n * interval '1 second', n % 1000, '10.0.0.1', 'app', 'benchmark',"
        ' \'Order \' || n, \'{{"path": "/orders/", "method": "POST"}}\' FROM generate_series(1, {revisions}) n'
    ),
    (
        "INSERT INTO audittrail.item_history (version, revision_id, operation, id, name, price, made)"
        " SELECT 1000 + 2 * n, 1000 + 2 * n, CASE WHEN n <= {revisions} / 2 THEN 'I' ELSE 'U' END::\"char\", n % ({revisions} / 2), 'Item number ' || n, n % 1000 / 4.0,"
        " '2026-01-01'::timestamptz + n * interval '1 second' FROM generate_series(1, {revisions}) n"
    ),
    "SELECT setval('audittrail.clock', 1001 + 2 * {revisions})",
    "RESET session_replication_role",
    "VACUUM ANALYZE",
)
BYTES = """
SELECT sum(pg_total_relation_size(c.oid)) FILTER (WHERE c.relname LIKE 'ledger%%')::bigint, sum(pg_total_relation_size(c.oid)) FILTER (WHERE c.relname IN ('revision', 'item_history'))::bigint
  FROM pg_class c WHERE c.relnamespace = 'audittrail'::regnamespace AND c.relkind = 'r'
"""


def main() -> int:
    """Run the benchmark; return 1 with `--check` if the limit is not kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.ledger", description=__doc__)
    parser.add_argument("--revisions", type=int, default=1_000_000)
    parser.add_argument("--postgres", default=DEFAULT_VERSION)
    parser.add_argument("--check", action="store_true", help="exit with 1 if the limit is not kept")
    options = parser.parse_args()
    with empty_database(options.postgres):
        return measure(options.revisions, check=options.check)


def measure(revisions: int, *, check: bool) -> int:
    """Fill the tables, measure, print; return the exit code."""
    from django.core.management import call_command
    from django.db import connection

    from audittrail.ledger import digests, entering, proving, verifying

    call_command("migrate", "audittrail", verbosity=0)
    with connection.cursor() as cursor:
        for statement in (TABLE, "SELECT audittrail.track('item')"):
            cursor.execute(statement)
        for statement in FILL:
            cursor.execute(statement.format(revisions=revisions))
        cursor.execute("SELECT pg_backend_pid()")
        (backend,) = cursor.fetchone()
    entering.begin()
    with measured("entered", revisions, backend) as entered:
        entering.enter()
    with connection.cursor() as cursor:
        cursor.execute(BYTES)
        ledger, history = cursor.fetchone()
    print(
        f"the ledger takes {ledger / revisions:.0f} bytes a revision, history {history / revisions:.0f}"
    )
    with measured("digest of", revisions, backend):
        digest = digests.Digest(digests.make(), "benchmark")
    with measured("verified", revisions, backend):
        report = verifying.verify(against=[digest])
    assert report.is_clean, report.findings[:3]
    with measured("proved of", revisions, backend):
        proving.prove(1000 + revisions, digest)
    if check and revisions / entered["processors"] < LIMIT:
        print(f"Fewer than {LIMIT} revisions a second of the processors' time.")
        return 1
    return 0


@contextmanager
def measured(what: str, revisions: int, backend: int) -> Iterator[dict[str, float]]:
    """Print how long the block took, and the most memory that both processes have taken so far."""
    import psutil

    session: Any = psutil.Process(backend)
    clock, own, server = perf_counter(), process_time(), sum(session.cpu_times()[:2])
    taken: dict[str, float] = {}
    yield taken
    seconds = perf_counter() - clock
    client, there = process_time() - own, sum(session.cpu_times()[:2]) - server
    taken["processors"] = client + there
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    info = session.memory_info()
    print(
        f"{what} {revisions} revisions in {seconds:.1f} s ({revisions / seconds:.0f} a second); processors: {there:.1f} s there,"
        f" {client:.1f} s here ({revisions / (client + there):.0f} a second); memory: {memory} MiB here, {(info.rss - info.shared) // 2**20} MiB there",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
