"""Measure what restoring costs: `python -m tests.benchmarks.restoring [--rows N] [--changed N] [--rounds N] [--check]`.

A table of a million tracked orders (twelve columns, four foreign keys, seven indexes), and a copy of it that is not tracked. Restoring a tenth
of them is compared with one plain statement that does the same to the copy: UPDATE ... FROM, or INSERT ... SELECT. A plan for all of
them tells its time, and the memory that it takes here and in the server's session. A PostgreSQL cluster of its own is made for the run.
"""

from __future__ import annotations

import argparse
import resource
import sys
from collections.abc import Callable
from io import StringIO
from statistics import median
from time import perf_counter
from typing import Any

from tests.benchmarks.time_travel import empty_database
from tests.servers import DEFAULT_VERSION

#: A restore may take at most so many times the plain statement.
LIMIT = 3.0

COLUMNS = "customer_id, product_id, employee_id, warehouse_id, batch, status, placed_at, updated_at, total, paid, address, note"
SETUP = (
    "CREATE TABLE plain (LIKE travel_order INCLUDING ALL)",
    "INSERT INTO plain OVERRIDING SYSTEM VALUE SELECT * FROM travel_order",
    *(
        f"ALTER TABLE plain ADD FOREIGN KEY ({table}_id) REFERENCES travel_{table} DEFERRABLE INITIALLY DEFERRED"
        for table in ("customer", "product", "employee", "warehouse")
    ),
    "VACUUM ANALYZE",
    "CHECKPOINT",
)


def main() -> int:
    """Run the benchmark; return 1 with `--check` if a limit is not kept."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.restoring", description=__doc__
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--changed", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--postgres", default=DEFAULT_VERSION)
    parser.add_argument("--check", action="store_true", help="exit with 1 if a limit is not kept")
    arguments = parser.parse_args()
    with empty_database(arguments.postgres):
        return measure(arguments.rows, arguments.changed, arguments.rounds, check=arguments.check)


def measure(rows: int, changed: int, rounds: int, *, check: bool) -> int:
    """Fill the tables, measure, print; return the exit code."""
    from django.core.management import call_command

    from audittrail.models import Revision
    from tests.benchmarks.travel import filling
    from tests.benchmarks.travel.models import Order
    from tests.builders.sending import sql

    orders: Any = Order
    call_command("migrate", verbosity=0)
    call_command("migrate", run_syncdb=True, verbosity=0)
    customers = max(rows // 10, 1)
    for statement in filling.SMALL:
        sql(statement)
    sql(filling.CUSTOMERS, customers)
    sql(filling.ORDERS, customers, max(rows // 100, 1), 1, rows)
    call_command("audittrail", "maintain", stdout=StringIO())
    for statement in SETUP:
        sql(statement)
    print(f"{rows:,} rows, {changed:,} of them restored; seconds, medians of {rounds} rounds")
    newest = Revision.objects.newest()
    update = "SET status = 'wrong', total = total + 1, updated_at = updated_at + interval '1 day' WHERE id <= %s"
    kept = True

    def report(name: str, times: list[tuple[float, float, float]]) -> None:
        nonlocal kept
        plain, restored, planned = (median(column) for column in zip(*times, strict=True))
        ratio = median(b / a for a, b, _ in times)
        kept = kept and ratio <= LIMIT
        print(
            f"{name:34} plain {plain:6.2f}  restore {restored:6.2f}  {ratio:5.2f} (limit {LIMIT:.2f})   its plan {planned:6.2f}"
        )

    times = []
    for _ in range(rounds):
        sql(f"UPDATE travel_order {update}", changed)
        sql(f"UPDATE plain {update}", changed)
        sql("ANALYZE")
        past = orders.history(revision=newest).filter(pk__lte=changed)
        planned = timed(lambda past=past: past.restore(dry_run=True))
        source = "FROM (SELECT id AS key, status, total, updated_at FROM travel_order WHERE id <= %s) o WHERE p.id = o.key"
        plain = timed(
            lambda source=source: sql(
                f"UPDATE plain p SET status = 'new', total = o.total - 1, updated_at = o.updated_at {source}",
                changed,
            )
        )
        restored = timed(lambda past=past: past.restore())
        times.append((plain, restored, planned))
        sql("VACUUM travel_order, plain")
    report("UPDATE ... FROM", times)
    times = []
    for _ in range(rounds):
        sql("CREATE TABLE gone AS SELECT * FROM plain WHERE id <= %s", changed)
        sql("DELETE FROM travel_order WHERE id <= %s", changed)
        sql("DELETE FROM plain WHERE id <= %s", changed)
        sql("VACUUM ANALYZE travel_order, plain, gone")
        past = orders.history(revision=newest).filter(pk__lte=changed)
        planned = timed(lambda past=past: past.restore(dry_run=True))
        plain = timed(lambda: sql("INSERT INTO plain OVERRIDING SYSTEM VALUE SELECT * FROM gone"))
        restored = timed(lambda past=past: past.restore())
        times.append((plain, restored, planned))
        sql("DROP TABLE gone")
        sql("VACUUM travel_order, plain")
    report("INSERT ... SELECT", times)

    sql(f"UPDATE travel_order {update}", rows)
    sql("VACUUM ANALYZE travel_order")
    before, server = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, session_memory()
    plans = []
    seconds = timed(lambda: plans.append(newest.restore_all(dry_run=True)))
    mine = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(
        f"a plan for {plans[0].updated:,} rows       {seconds:6.2f} s, {mine / 1024:,.0f} MiB more here, "
        f"{(session_memory() - server) / 1024:,.0f} MiB more at most in the session"
    )
    return 0 if kept or not check else 1


def timed(work: Callable[[], Any]) -> float:
    """Return the seconds that some work takes."""
    clock = perf_counter()
    work()
    return perf_counter() - clock


def session_memory() -> int:
    """Return the most memory of its own that the server's session has had by now, in KiB, where the system tells."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as file:  # noqa: PTH123
            return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
    except OSError:
        return 0


if __name__ == "__main__":
    sys.exit(main())
