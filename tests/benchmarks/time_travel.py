"""Measure what reading the past costs: `python -m tests.benchmarks.time_travel [--rows N] [--rounds N] [--explain]`.

A shop of ten tables, its orders with three versions each, is read through Django's ORM as it is now and as of three moments: an old
one (half way), a recent one (the last that is closed) and the newest (1 % of the versions came after the closing). Each figure is
the ratio to the same query on the live tables, in the same warm session, planning included; rounds are interleaved.
A PostgreSQL cluster of its own, with default settings, is made for the run and removed after it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from statistics import median
from time import perf_counter
from typing import Any

from tests.servers import DEFAULT_VERSION, Run

#: What the servers of the tests change for speed, as it is by default; but for fsync, which only the filling would notice.
DEFAULT_SETTINGS = {
    "full_page_writes": "on",
    "max_prepared_transactions": 0,
    "max_locks_per_transaction": 64,
    "deadlock_timeout": "1s",
    "max_wal_size": "4GB",
}
DATABASE = "travel"

#: Gives the queryset of a model to read from: of the present, or of a moment.
Source = Callable[[Any], Any]


@dataclass(frozen=True)
class Query:
    """A query that is measured, given a source and random numbers; at most so many times the live one's time."""

    name: str
    limit: float | None
    ask: Callable[[Source, Random, int], Any]
    repeat: int = 5

    @property
    def few_rounds(self) -> bool:
        """Whether the query takes too long for many rounds."""
        return self.repeat == 1


def queries() -> Iterator[Query]:
    """Yield what is measured; `rows` is the number of orders."""
    from django.db.models import Avg, Count, Exists, Max, OuterRef, Subquery, Sum

    from tests.benchmarks.travel.models import Customer, Order

    def key(rows: int, random: Random) -> int:
        return random.randint(1, rows)

    def batch(rows: int, random: Random) -> int:
        return random.randrange(max(rows // 100, 1))

    related = (
        "customer__city__region__country", "product__category__department", "employee", "warehouse",
    )  # fmt: skip
    yield Query("key lookup", 4, lambda of, r, n: of(Order).get(pk=key(n, r)), 20)
    yield Query(
        "50 keys", 4, lambda of, r, n: list(of(Order).filter(pk__in=[key(n, r) for _ in range(50)]))
    )
    yield Query(
        "indexed filter, 100 rows", 4, lambda of, r, n: list(of(Order).filter(batch=batch(n, r)))
    )
    yield Query(
        "three-table join, 100 rows",
        4,
        lambda of, r, n: list(of(Order).filter(batch=batch(n, r)).select_related("customer__city")),
    )
    yield Query(
        "three-table join, from the other side",
        4,
        lambda of, r, n: list(
            of(Order).filter(customer__city=r.randint(1, 5000)).select_related("customer__city")
        ),
    )
    yield Query(
        "ordered page of 100",
        4,
        lambda of, r, n: list(of(Order).order_by("placed_at")[key(n // 1000 + 1, r) :][:100]),
    )
    yield Query(
        "newest 100 first", 4, lambda of, r, n: list(of(Order).order_by("-placed_at")[:100])
    )
    yield Query(
        "semi-join",
        6,
        lambda of, r, n: list(
            of(Customer).filter(
                pk__in=of(Order)
                .filter(batch__in=[batch(n, r) for _ in range(5)])
                .values("customer")
            )
        ),
    )
    yield Query(
        "semi-join with EXISTS",
        6,
        lambda of, r, n: list(
            of(Customer).filter(
                Exists(of(Order).filter(customer=OuterRef("pk"), batch=batch(n, r)))
            )
        ),
    )
    yield Query(
        "correlated subquery, 100 rows",
        None,
        lambda of, r, n: list(
            of(Customer)
            .filter(pk__gt=key(n // 20 + 1, r))
            .order_by("pk")
            .annotate(
                last=Subquery(
                    of(Order)
                    .filter(customer=OuterRef("pk"))
                    .order_by("-placed_at")
                    .values("total")[:1]
                )
            )[:100]
        ),
    )
    yield Query(
        "annotated count, one city",
        None,
        lambda of, r, n: list(
            of(Customer).filter(city=r.randint(1, 5000)).annotate(number=Count("orders"))
        ),
    )
    yield Query(
        "prefetch, 20 customers",
        None,
        lambda of, r, n: list(
            of(Customer)
            .filter(pk__gt=key(n // 20 + 1, r))
            .order_by("pk")
            .prefetch_related("orders")[:20]
        ),
    )
    yield Query(
        "ten-table join, 100 rows",
        None,
        lambda of, r, n: list(of(Order).filter(batch=batch(n, r)).select_related(*related)),
    )
    yield Query("count(*)", 15, lambda of, r, n: of(Order).count(), 1)
    yield Query(
        "grouped three-table aggregate",
        15,
        lambda of, r, n: list(
            of(Order)
            .values("customer__city__name")
            .annotate(number=Count("pk"), sum=Sum("total"), last=Max("placed_at"))
        ),
        1,
    )
    yield Query("aggregate of one table", 15, lambda of, r, n: of(Order).aggregate(Avg("total")), 1)


def main() -> int:
    """Run the benchmark as the command line asks; return 1 if `--check` is given and a limit is not kept."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.time_travel", description=__doc__
    )
    parser.add_argument(
        "--rows", type=int, default=1_000_000, help="live orders; a third of the versions"
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument(
        "--only", nargs="+", metavar="WORD", help="queries whose names contain a word"
    )
    parser.add_argument("--explain", action="store_true", help="print the plan of each query too")
    parser.add_argument(
        "--unclosed", action="store_true", help="leave the history as capture makes it"
    )
    parser.add_argument("--driver", choices=("psycopg2", "psycopg"), default="psycopg2")
    parser.add_argument(
        "--postgres",
        default=DEFAULT_VERSION,
        help='such as "18" or "15:/usr/lib/postgresql/15/bin"',
    )
    parser.add_argument(
        "--host",
        help="socket of a running server on which to make the database, or use it if it is there",
    )
    parser.add_argument("--database", default=DATABASE)
    parser.add_argument("--check", action="store_true", help="exit with 1 if a limit is not kept")
    arguments = parser.parse_args()
    if arguments.host:
        return run(arguments, arguments.host)
    with Run.begin() as place:
        server = place.own_server(arguments.postgres, DEFAULT_SETTINGS)
        server.start()
        return run(arguments, server.host)


@contextmanager
def empty_database(postgres: str) -> Iterator[None]:
    """Set Django up with the project `travel`, in an empty database on a server that goes with the block."""
    with Run.begin() as place:
        server = place.own_server(postgres, DEFAULT_SETTINGS)
        server.start()
        server.createdb(DATABASE)
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "tests.benchmarks.travel.settings",
            "AUDITTRAIL_BENCHMARK_HOST": server.host,
        }
        import django

        django.setup()
        yield


def run(arguments: argparse.Namespace, host: str) -> int:
    """Make the shop where there is none yet, and measure."""
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "tests.benchmarks.travel.settings",
        "AUDITTRAIL_BENCHMARK_HOST": host,
        "AUDITTRAIL_BENCHMARK_DRIVER": arguments.driver,
        "AUDITTRAIL_BENCHMARK_DATABASE": arguments.database,
    }
    made = subprocess.run(
        ["psql", "-Xqh", host, "-U", "postgres", "-d", "postgres", "-c", f"CREATE DATABASE {arguments.database}"],
        stderr=subprocess.DEVNULL,
        check=False,
    )  # fmt: skip
    import django

    django.setup()
    if made.returncode == 0:
        _make(arguments.rows, close=not arguments.unclosed)
    return _measure(arguments)


def _make(rows: int, *, close: bool) -> None:
    from django.core.management import call_command

    from audittrail.models import Revision
    from tests.benchmarks.travel import filling
    from tests.benchmarks.travel.models import Country

    for done, seconds in filling.timed(filling.fill(rows)):
        print(f"{done}: {seconds:.1f} s", flush=True)
        if done == "half":
            filling.remember("old", Revision.objects.newest_first()[0])
    clock = perf_counter()
    if close:
        call_command("audittrail", "maintain", "--vacuum", verbosity=0)
    print(f"closed and indexed: {perf_counter() - clock:.1f} s", flush=True)
    filling.remember("recent", Revision.objects.newest_first()[0])
    tail = filling.add_tail(rows)
    filling.remember("newest", Revision.objects.newest_first()[0])
    assert Country._default_manager.exists()
    clock = perf_counter()
    filling.tidy()
    print(f"tail of {tail} versions added; tidied: {perf_counter() - clock:.1f} s", flush=True)


def _measure(arguments: argparse.Namespace) -> int:
    from tests.benchmarks.travel import filling

    moments = filling.moments()
    sources: dict[str, Source] = {"live": lambda model: model._default_manager.all()}
    for name, revision in moments.items():
        sources[name] = lambda model, revision=revision: model.history(revision=revision)
    print(_describe(arguments.rows))
    names = [*sources]
    print(f"{'':40}", *(f"{name:>16}" for name in names), f"{'limit':>6}")
    kept = True
    for query in queries():
        if arguments.only and not any(word in query.name for word in arguments.only):
            continue
        rounds = max(arguments.rounds // 3, 3) if query.few_rounds else arguments.rounds
        taken = _take(query, sources, rounds, arguments.rows)
        cells = []
        for name in names:
            ratio = median(
                mine / live for mine, live in zip(taken[name], taken["live"], strict=True)
            )
            missed = name != "live" and query.limit is not None and ratio > query.limit
            kept = kept and not missed
            figure = f"{median(taken[name]) * 1000:,.2f} ms"
            cells.append(
                figure if name == "live" else f"{figure} {ratio:5.1f}{'!' if missed else ' '}"
            )
        limit = "" if query.limit is None else f"{query.limit:6.0f}"
        print(f"{query.name:40}", *(f"{cell:>16}" for cell in cells), limit, flush=True)
        if arguments.explain:
            for name, source in sources.items():
                _explain(query, name, source, arguments.rows)
    return 0 if kept or not arguments.check else 1


def _take(
    query: Query, sources: dict[str, Source], rounds: int, rows: int
) -> dict[str, list[float]]:
    taken: dict[str, list[float]] = defaultdict(list)
    warm_up = 1 if query.few_rounds else 3
    for turn in range(-warm_up, rounds):
        # Each round begins with another, so that nobody always follows the same one.
        names = [*sources]
        start = turn % len(names)
        for name in (*names[start:], *names[:start]):
            random = Random(turn)
            clock = perf_counter()
            for _ in range(query.repeat):
                query.ask(sources[name], random, rows)
            if turn >= 0:
                taken[name].append((perf_counter() - clock) / query.repeat)
    return taken


def _explain(query: Query, name: str, source: Source, rows: int) -> None:
    from django.db import connection

    asked: list[Any] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        asked.append(
            context["cursor"].mogrify(sql, params) if hasattr(context["cursor"], "mogrify") else sql
        )
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        query.ask(source, Random(0), rows)
    for statement in asked[-2:]:
        text = statement.decode() if isinstance(statement, bytes) else statement
        if not text.lstrip().startswith(("SELECT", "WITH")):
            continue
        with connection.cursor() as cursor:
            cursor.execute(
                f"EXPLAIN (ANALYZE, TIMING OFF, BUFFERS OFF, SUMMARY ON) {text}".replace("%", "%%"),
                [],
            )
            print(
                f"--- {query.name}, {name}", *(line for (line,) in cursor.fetchall()), sep="\n    "
            )


def _describe(rows: int) -> str:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT version(), (SELECT count(*) FROM audittrail.travel_order_history),"
            " (SELECT closed_through FROM audittrail.tracked_table WHERE table_name = 'travel_order')"
        )
        version, versions, through = cursor.fetchone()
    return f"{version.partition(' on ')[0]}, {rows} live orders, {versions} versions, closed through tick {through}"


if __name__ == "__main__":
    sys.exit(main())
