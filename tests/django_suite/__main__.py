"""Run Django's own test suite with and without audittrail, and read again what it reads: `python -m tests.django_suite [modules]`.

Takes the source distribution of the installed Django, which pip downloads once. Each module runs with audittrail and, where something
fails, without it, where the same must fail. Then those that query run once more while every question is asked again as of the newest
revision, and has the same answer. What is known to differ is in `known`, with its reason. `--part` takes the modules for five minutes, as CI does.

Without arguments it runs everything, the modules that query first: some hours, which need nobody. At the end it says how many tests ran in each
way, what is known to differ and how often, what could not be run and why, and each difference that is not known once more.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

import django

from tests.django_suite import known, source
from tests.django_suite.judging import MODES, Judge, Verdict
from tests.servers import Run, Server


def main() -> int:
    """Run what is asked for, print what differs; return 1 if anything does that is not known."""
    parser = argparse.ArgumentParser(prog="python -m tests.django_suite", description=__doc__)
    parser.add_argument("modules", nargs="*", help="test modules of Django's; all by default")
    parser.add_argument(
        "--part", action="store_true", help="only the modules that take a few minutes"
    )
    parser.add_argument("--postgres", default=os.environ.get("AUDITTRAIL_TEST_POSTGRES", "18"))
    parser.add_argument(
        "--contrib",
        default="17",
        help="the server for modules that need extensions or collations which the first one lacks",
    )
    parser.add_argument("--driver", default=os.environ.get("AUDITTRAIL_TEST_DRIVER", "psycopg2"))
    parser.add_argument("--jobs", type=int, default=2, help="how many processes at a time")
    parser.add_argument(
        "--group", type=int, default=6, help="how many modules share a test database"
    )
    parser.add_argument(
        "--mode", dest="modes", action="append", choices=MODES, help="only these of the runs"
    )
    parser.add_argument(
        "--minutes", type=int, default=120, help="how long the tests of one group may take"
    )
    chosen = parser.parse_args()

    tests = source.tests_folder()
    names = chosen.modules or (known.PART if chosen.part else _all(source.modules_of(tests)))
    groups = [names[at : at + chosen.group] for at in range(0, len(names), chosen.group)]
    judge = Judge(tests, chosen.driver, tuple(chosen.modes or MODES), chosen.minutes * 60)
    verdict = Verdict()
    began = time.monotonic()
    with Run.begin() as run, ThreadPoolExecutor(chosen.jobs) as pool:
        servers = [run.shared_server(chosen.postgres)]
        if not chosen.part and chosen.contrib != chosen.postgres:
            servers.append(_started(run.own_server(chosen.contrib, {})))
        judged = {pool.submit(judge.judge, group, servers): group for group in groups}
        for future in as_completed(judged):
            found = future.result()
            verdict.add(found)
            print(f"-- {' '.join(judged[future])}: {found.tests()} {dict(found.same)}", flush=True)
            for line in found.wrong:
                print(line, flush=True)
    majors = " and ".join(str(server.binaries.major) for server in servers)
    print(
        f"\nDjango {django.get_version()}, Python {sys.version.split()[0]}, {chosen.driver}, PostgreSQL {majors}: {len(names)} modules, "
        f"{time.monotonic() - began:.0f} s"
    )
    _tell(verdict)
    return 1 if verdict.wrong else 0


def _all(modules: list[str]) -> list[str]:
    """Return modules in the order in which they run: those that query first."""
    return sorted(modules, key=lambda name: (name not in known.QUERYING, name))


def _started(server: Server) -> Server:
    server.start()
    return server


def _tell(verdict: Verdict) -> None:
    print(f"Tests: {verdict.tests()}")
    print(f"The same answers: {dict(verdict.same)}")
    for reason, count in verdict.known.most_common():
        print(f"Known, {count} times: {reason}")
    for reason in verdict.outdated():
        print(f"Listed, and no longer so: {reason}")
    for name, said in verdict.not_run.items():
        print(f"Not run, since it does not without audittrail either: {name} ({said})")
    print(f"{len(verdict.wrong)} differences that are not known")
    for line in verdict.wrong:
        print(line)


if __name__ == "__main__":
    sys.exit(main())
