"""Measure what tracking costs: `python -m tests.benchmarks [--rounds N] [--only SERIES ...] [--check]`.

Needs the extra `benchmark`. A PostgreSQL cluster of its own, with fsync and otherwise default settings, is made for the
run and removed after it. In each round every contender takes its turn, so that what drifts drifts for all.
"""

from __future__ import annotations

import argparse
import os
import sys

from tests.servers import DEFAULT_VERSION, Run

#: What the servers of the tests change for speed, as it is by default.
DEFAULT_SETTINGS = {
    "fsync": "on",
    "full_page_writes": "on",
    "max_prepared_transactions": 0,
    "max_locks_per_transaction": 64,
    "deadlock_timeout": "1s",
}


def main() -> int:
    """Run the benchmarks that the command line asks for; return 1 if a limit is asked about and not kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100, help="rounds of the quick series")
    parser.add_argument("--only", nargs="+", metavar="SERIES", help="the series to run")
    parser.add_argument(
        "--contenders", nargs="+", metavar="NAME", help="whom to compare with untracked"
    )
    parser.add_argument("--driver", choices=("psycopg2", "psycopg"), default="psycopg2")
    parser.add_argument(
        "--postgres",
        default=DEFAULT_VERSION,
        help='such as "18" or "15:/usr/lib/postgresql/15/bin"',
    )
    parser.add_argument("--check", action="store_true", help="exit with 1 if a limit is not kept")
    arguments = parser.parse_args()

    with Run.begin() as run:
        server = run.own_server(arguments.postgres, DEFAULT_SETTINGS)
        server.start()
        server.createdb("benchmark")
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "tests.benchmarks.settings",
            "AUDITTRAIL_BENCHMARK_HOST": server.host,
            "AUDITTRAIL_BENCHMARK_DRIVER": arguments.driver,
            "AUDITTRAIL_BENCHMARK_PGBENCH": str(server.binaries.client("pgbench")),
        }
        import django

        django.setup()
        from tests.benchmarks.rounds import run_series

        return run_series(
            rounds=arguments.rounds,
            only=arguments.only,
            contenders=arguments.contenders,
            check=arguments.check,
        )


if __name__ == "__main__":
    sys.exit(main())
