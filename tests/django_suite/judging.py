"""Run test modules of Django's with and without audittrail, and once more while everything is asked again, and judge what came of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.django_suite import known, recording
from tests.servers import SUPERUSER, Server
from tests.structure.tree import ROOT

MODES: Final = ("with", "replayed")

#: How a module runs to be compared with.
WITHOUT: Final = "without"


@dataclass
class Verdict:
    """What the runs of some modules have shown."""

    ran: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    same: Counter[str] = field(default_factory=Counter)
    known: Counter[str] = field(default_factory=Counter)
    #: Reasons for tests to fail, by how many of those tests passed.
    passed: Counter[str] = field(default_factory=Counter)
    #: Modules that run here on none of the servers, without audittrail either, with the last words of the attempt.
    not_run: dict[str, str] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def add(self, other: Verdict) -> None:
        """Take over what other runs have shown."""
        self.ran += other.ran
        self.skipped += other.skipped
        self.same += other.same
        self.known += other.known
        self.passed += other.passed
        self.not_run |= other.not_run
        self.wrong += other.wrong

    def outdated(self) -> list[str]:
        """Return the reasons for tests to fail that are none any more: those tests have run, and not one failed."""
        return sorted(set(self.passed) - set(self.known))

    def tests(self) -> str:
        """Return how many tests ran in each way, those that skip themselves apart."""
        return ", ".join(
            f"{count - self.skipped[mode]} {mode} ({self.skipped[mode]} skipped)"
            for mode, count in sorted(self.ran.items())
        )


@dataclass(frozen=True)
class Judge:
    """How modules are run: which tests, by which driver, in which modes, and how many seconds each process may take."""

    tests: Path
    driver: str
    modes: tuple[str, ...]
    seconds: int

    def judge(self, group: list[str], servers: list[Server]) -> Verdict:
        """Run some modules in each mode, and judge; one by one, if one of them keeps the others from running.

        Those that the first server has not what they need for run on the next one. Without audittrail only those modules run in which
        something fails with it.
        """
        verdict = Verdict()
        for mode in self.modes:
            modules = [name for name in group if mode != "replayed" or name in known.QUERYING]
            if not modules:
                continue
            outcome, output = self._run(modules, mode, servers[0])
            if outcome is None and len(group) > 1:
                verdict = Verdict()
                for name in group:
                    verdict.add(self.judge([name], servers))
                return verdict
            if outcome is None and self._run(modules, WITHOUT, servers[0])[0] is None:
                if len(servers) > 1:
                    return self.judge(group, servers[1:])
                said = [line for line in output.splitlines() if recording.ERROR.match(line)]
                verdict.not_run[modules[0]] = (said or output.splitlines() or [""])[-1]
                return verdict
            if outcome is None:
                verdict.wrong.append(f"{mode}: {modules[0]} did not end:\n{output[-3000:]}")
                return verdict
            verdict.ran[mode] += outcome["ran"]
            verdict.skipped[mode] += outcome["skipped"]
            if mode == "replayed":
                _judge_answers(verdict, outcome["replayed"])
                continue
            verdict.passed.update(filter(None, map(known.why_fails, outcome["passed"])))
            if unknown := _unknown(verdict, outcome["failed"]):
                # Names of tests begin with those of their modules.
                failing = [name for name in group if any(it.startswith(name) for it in unknown)]
                before, output = self._run(failing or group, WITHOUT, servers[0])
                if before:
                    verdict.ran[WITHOUT] += before["ran"]
                    verdict.skipped[WITHOUT] += before["skipped"]
                _judge_failures(verdict, before["failed"] if before else {}, unknown)
        return verdict

    def _run(self, modules: list[str], mode: str, server: Server) -> tuple[Any, str]:
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
                "SUITE_DRIVER": self.driver,
                "SUITE_HOST": server.host,
                "SUITE_USER": SUPERUSER,
            }
            with subprocess.Popen(
                [sys.executable, "-m", "tests.django_suite.recording", "--tests", str(self.tests), *modules],
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            ) as process:  # fmt: skip
                try:
                    output, _ = process.communicate(timeout=self.seconds)
                except subprocess.TimeoutExpired:
                    # Some tests start servers and shells, which go as well.
                    os.killpg(process.pid, signal.SIGKILL)
                    output, _ = process.communicate()
                    output += f"\nTimeoutError: more than {self.seconds} s"
            outcome = json.loads(path.read_text()) if path.exists() else None
            return outcome, output


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
    for outcome, why_known, told in (
        ("refused", known.why_refused, "reason"),
        ("different", known.why_differs, "difference"),
    ):
        for found in replayed[outcome]:
            if reason := why_known(found):
                verdict.known[reason] += 1
            else:
                verdict.wrong.append(
                    f"{outcome.upper()} {found['kind']} in {found['test']}: {found[told]}\n    {found['question']}"
                )
