"""Run Django's own test suite with and without audittrail, and read again what it reads: `python -m tests.django_suite [modules]`.

Takes the source distribution of the installed Django, which pip downloads once. Each module runs with audittrail and, where something
fails, without it, where the same must fail. Then those that query run once more while every question is asked again as of the newest
revision, and has the same answer. What is known to differ is in `known`, with its reason. `--part` takes the modules for five minutes, as CI does.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.django_suite import known, recording, source
from tests.servers import SUPERUSER, Run, Server
from tests.structure.tree import ROOT

MODES: Final = ("with", "replayed")

#: How a module runs to be compared with.
WITHOUT: Final = "without"


@dataclass
class Verdict:
    """What the runs of some modules have shown."""

    ran: Counter[str] = field(default_factory=Counter)
    same: Counter[str] = field(default_factory=Counter)
    known: Counter[str] = field(default_factory=Counter)
    #: Modules that don't run here without audittrail either, with the last words of the attempt.
    not_run: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def add(self, other: Verdict) -> None:
        """Take over what other runs have shown."""
        self.ran += other.ran
        self.same += other.same
        self.known += other.known
        self.not_run |= other.not_run
        self.wrong += other.wrong


def main() -> int:
    """Run what is asked for, print what differs; return 1 if anything does that is not known."""
    parser = argparse.ArgumentParser(prog="python -m tests.django_suite", description=__doc__)
    parser.add_argument("modules", nargs="*", help="test modules of Django's; all by default")
    parser.add_argument(
        "--part", action="store_true", help="only the modules that take a few minutes"
    )
    parser.add_argument("--postgres", default=os.environ.get("AUDITTRAIL_TEST_POSTGRES", "18"))
    parser.add_argument("--driver", default=os.environ.get("AUDITTRAIL_TEST_DRIVER", "psycopg2"))
    parser.add_argument("--jobs", type=int, default=2, help="how many processes at a time")
    parser.add_argument(
        "--group", type=int, default=6, help="how many modules share a test database"
    )
    parser.add_argument(
        "--mode", dest="modes", action="append", choices=MODES, help="only these of the runs"
    )
    chosen = parser.parse_args()

    tests = source.tests_folder()
    names = chosen.modules or (known.PART if chosen.part else source.modules_of(tests))
    groups = [names[at : at + chosen.group] for at in range(0, len(names), chosen.group)]
    verdict = Verdict()
    began = time.monotonic()
    with Run.begin() as run, ThreadPoolExecutor(chosen.jobs) as pool:
        server = run.shared_server(chosen.postgres)
        judged = [pool.submit(judge, group, chosen, tests, server) for group in groups]
        for group, future in zip(groups, judged, strict=True):
            found = future.result()
            verdict.add(found)
            for line in found.wrong:
                print(line, flush=True)
            print(f"-- {' '.join(group)}: {dict(found.ran)} {dict(found.same)}", flush=True)
    print(
        f"Tests {dict(verdict.ran)}, the same answers {dict(verdict.same)}, {time.monotonic() - began:.0f} s"
    )
    for reason, count in verdict.known.most_common():
        print(f"Known, {count} times: {reason}")
    for name, said in verdict.not_run.items():
        print(f"Not run, since it does not without audittrail either: {name} ({said})")
    print(f"{len(verdict.wrong)} differences that are not known")
    return 1 if verdict.wrong else 0


def judge(group: list[str], chosen: Any, tests: Path, server: Server) -> Verdict:
    """Run some modules in each mode, and judge; one by one, if one of them keeps the others from running.

    Without audittrail only those modules run in which something fails with it.
    """
    verdict = Verdict()
    for mode in chosen.modes or MODES:
        modules = [name for name in group if mode != "replayed" or name in known.QUERYING]
        if not modules:
            continue
        outcome, output = _run(modules, mode, chosen, tests, server)
        if outcome is None and len(group) > 1:
            verdict = Verdict()
            for name in group:
                verdict.add(judge([name], chosen, tests, server))
            return verdict
        if outcome is None and _run(modules, WITHOUT, chosen, tests, server)[0] is None:
            said = [line for line in output.splitlines() if recording.ERROR.match(line)]
            verdict.not_run[modules[0]] = (said or [""])[-1]
            return verdict
        if outcome is None:
            verdict.wrong.append(f"{mode}: {' '.join(modules)} did not end:\n{output[-3000:]}")
            return verdict
        verdict.ran[mode] += outcome["ran"]
        if mode == "replayed":
            _judge_answers(verdict, outcome["replayed"])
        elif unknown := _unknown(verdict, outcome["failed"]):
            # Names of tests begin with those of their modules.
            failing = [name for name in group if any(it.startswith(name) for it in unknown)]
            before, output = _run(failing or group, WITHOUT, chosen, tests, server)
            verdict.ran[WITHOUT] += before["ran"] if before else 0
            _judge_failures(verdict, before["failed"] if before else {}, unknown)
    return verdict


def _unknown(verdict: Verdict, failed: dict[str, str]) -> dict[str, str]:
    """Count the failures that are known; return the others."""
    unknown = {}
    for test, text in failed.items():
        if reason := known.why_fails(test):
            verdict.known[reason] += 1
        else:
            unknown[test] = text
    return unknown


def _judge_failures(verdict: Verdict, before: dict[str, str], after: dict[str, str]) -> None:
    for test, text in after.items():
        if test in before:
            verdict.known["fails without audittrail as well"] += 1
        else:
            verdict.wrong.append(f"FAILS {test}: {text}")


def _judge_answers(verdict: Verdict, replayed: Any) -> None:
    verdict.same.update(replayed["same"])
    for found in replayed["refused"]:
        if reason := known.why_refused(found):
            verdict.known[reason] += 1
        else:
            verdict.wrong.append(
                f"REFUSED {found['kind']} in {found['test']}: {found['reason']}\n    {found['question']}"
            )
    for found in replayed["different"]:
        if reason := known.why_differs(found):
            verdict.known[reason] += 1
        else:
            verdict.wrong.append(
                f"DIFFERS {found['kind']} in {found['test']}: {found['difference']}\n    {found['question']}"
            )


def _run(
    modules: list[str], mode: str, chosen: Any, tests: Path, server: Server
) -> tuple[Any, str]:
    """Run modules in a process of its own; return the outcome, None if there is none, and what was printed."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "outcome.json"
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "DJANGO_SETTINGS_MODULE": "tests.django_suite.settings",
            "SUITE_MODE": mode,
            "SUITE_OUTCOME": str(path),
            "SUITE_DATABASE": f"{mode}_{modules[0]}",
            "SUITE_DRIVER": chosen.driver,
            "SUITE_HOST": server.host,
            "SUITE_USER": SUPERUSER,
        }
        done = subprocess.run(
            [sys.executable, "-m", "tests.django_suite.recording", "--tests", str(tests), *modules],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        outcome = json.loads(path.read_text()) if path.exists() else None
        return outcome, done.stdout


if __name__ == "__main__":
    sys.exit(main())
