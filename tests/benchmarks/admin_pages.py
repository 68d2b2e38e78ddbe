"""Measure the pages of the admin: `python -m tests.benchmarks.admin_pages [--revisions N] [--rounds N] [--keep DIRECTORY] [--check]`.

An office of 200,000 orders is changed by a million transactions, of which 10,000 change the same order. Every page is asked
for by Django's test client, most as a superuser; printed are the number of its queries, its time, and the ratio to the changelist
that Django itself makes. With `--check` the exit code is 1 if a page takes more queries than it may, or is slower than a
second at first and half a second afterwards; on a busy machine, so many times slower than Django's changelist.
A PostgreSQL cluster of its own, with default settings, is made for the run and removed after it, unless `--keep` names a
directory for it, in which the next run finds the office as it was filled.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from tests.benchmarks.time_travel import DEFAULT_SETTINGS
from tests.servers import DEFAULT_VERSION, Run

#: Seconds that a page may take when it is first asked for, and the median of all requests; or how many times the changelist.
FIRST, MEDIAN = 1.0, 0.5
TIMES_FIRST, TIMES = 12, 6


def main() -> int:
    """Run the benchmark as the command line asks; return 1 if `--check` is given and a limit is not kept."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.admin_pages", description=__doc__
    )
    parser.add_argument("--revisions", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--only", nargs="+", metavar="WORD", help="pages whose names contain a word"
    )
    parser.add_argument(
        "--slowest", action="store_true", help="print the slowest query of each page"
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
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="DIRECTORY",
        help="where to keep the server, or find that of an earlier run with its filled database",
    )
    parser.add_argument("--check", action="store_true", help="exit with 1 if a limit is not kept")
    arguments = parser.parse_args()
    if arguments.host:
        return run(arguments, arguments.host)
    if arguments.keep:
        keep = arguments.keep.resolve()
        with Run.kept_server(keep, arguments.postgres, DEFAULT_SETTINGS) as server:
            return run(arguments, server.host)
    with Run.begin() as place:
        server = place.own_server(arguments.postgres, DEFAULT_SETTINGS)
        server.start()
        return run(arguments, server.host)


def run(arguments: argparse.Namespace, host: str) -> int:
    """Make the office unless it is there as it would be made, and measure."""
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "tests.benchmarks.office.settings",
        "AUDITTRAIL_BENCHMARK_HOST": host,
        "AUDITTRAIL_BENCHMARK_DRIVER": arguments.driver,
        "AUDITTRAIL_BENCHMARK_DATABASE": f"office_{arguments.revisions}",
    }
    import django

    django.setup()
    from tests.benchmarks.office import filling

    if not filling.is_filled():
        filling.make_database()
        for done, seconds in filling.timed(filling.fill(arguments.revisions)):
            print(f"{done}: {seconds:.1f} s", flush=True)
    print(", ".join(f"{number:,} {name}" for name, number in filling.sizes().items()))
    return measure(arguments)


def measure(arguments: argparse.Namespace) -> int:
    """Ask for the pages and print what they take; return the exit code."""
    from django.test import Client

    from tests.benchmarks.office import pages

    clients = {is_limited: Client() for is_limited in (False, True)}
    for is_limited, user in ((False, _superuser()), (True, _viewer())):
        clients[is_limited].force_login(user)
    kept = True
    stock = None
    print(f"{'':36} {'queries':>8} {'first':>10} {'median':>10} {'ratio':>7} {'KiB':>6}")
    for page in pages.pages():
        if stock and arguments.only and not any(word in page.name for word in arguments.only):
            continue
        path, client = page.path(), clients[page.is_limited]
        if path is None:
            print(f"{page.name:36} the admin has no such page")
            continue
        if stock is None:
            ask(client, path)  # the templates of all pages are read here
        times, statements, size = zip(
            *(ask(client, path) for _ in range(arguments.rounds)), strict=True
        )
        seconds, number = median(times), max(map(len, statements)) - pages.LOGIN
        stock = stock or seconds
        wrong = (
            number > page.queries
            or times[0] > max(FIRST, TIMES_FIRST * stock)
            or seconds > max(MEDIAN, TIMES * stock)
        )
        kept = kept and not wrong
        figures = f"{number:8} {times[0] * 1000:7.0f} ms {seconds * 1000:7.0f} ms {seconds / stock:7.1f} {size[0] // 1024:6}"
        print(f"{page.name:36} {figures}{' !' if wrong else ''}", flush=True)
        if arguments.slowest:
            slowest = max(statements[-1], key=lambda statement: float(statement["time"]))
            print(f"    {slowest['time']} s: {' '.join(slowest['sql'].split())[:1000]}")
    return 0 if kept or not arguments.check else 1


def ask(client: Any, path: str) -> tuple[float, list[dict[str, str]], int]:
    """Return the seconds that a page takes, its queries, and the bytes of its answer."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    clock = perf_counter()
    with CaptureQueriesContext(connection) as captured:
        response = client.get(path)
        size = len(b"".join(response) if response.streaming else response.content)
    seconds = perf_counter() - clock
    if response.status_code != 200:
        raise SystemExit(f"{path} answers with {response.status_code}.")
    return seconds, captured.captured_queries, size


def _superuser() -> Any:
    from django.contrib.auth.models import User

    found = User.objects.filter(is_superuser=True).first()
    return found or User.objects.create_superuser("superuser")


def _viewer() -> Any:
    """Return somebody who may view the office and nothing else, so that every revision has to be asked what it changed."""
    from django.contrib.auth.models import Permission, User

    user, _is_new = User.objects.get_or_create(username="viewer", defaults={"is_staff": True})
    office = {"content_type__app_label": "office", "codename__startswith": "view_"}
    user.user_permissions.set(Permission.objects.filter(**office))
    return user


if __name__ == "__main__":
    sys.exit(main())
