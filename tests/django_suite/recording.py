"""Within a process of Django's suite: run its tests, and write down which of them failed, and what was read otherwise as of a revision."""

from __future__ import annotations

import argparse
import inspect
import json
import os
import re
import sys
import tempfile
import unittest
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from django.test.runner import DiscoverRunner

#: The line of a traceback that says what went wrong.
ERROR: Final = re.compile(r"[\w.]*(Error|Exception|Warning|Failure)\b")

#: Where the outcome is written: the path of a JSON file.
OUTCOME = "SUITE_OUTCOME"


class Result(unittest.TextTestResult):
    """The result of a run, which says what failed by the names of the tests."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.passed: list[str] = []

    def addSuccess(self, test: unittest.TestCase) -> None:  # noqa: N802 (unittest's name)
        """Note that a test has passed."""
        self.passed.append(test.id())
        super().addSuccess(test)

    def startTest(self, test: unittest.TestCase) -> None:  # noqa: N802 (unittest's name)
        """Begin a test: what is read from now on is read by it."""
        os.environ["SUITE_TEST"] = test.id()
        super().startTest(test)

    def failed(self) -> dict[str, str]:
        """Return what went wrong, by the name of the test."""
        found: dict[str, str] = {}
        for test, text in [*self.failures, *self.errors]:
            case: Any = getattr(test, "test_case", test)
            said = [line for line in text.splitlines() if ERROR.match(line)]
            found.setdefault(case.id(), (said or [text])[-1][:300])
        for test in self.unexpectedSuccesses:
            found.setdefault(test.id(), "passed unexpectedly")
        return found


class Runner(DiscoverRunner):
    """Django's runner, which writes the outcome into a file."""

    def get_resultclass(self) -> Any:
        """Return our class of results."""
        return Result

    def setup_databases(self, **kwargs: Any) -> Any:
        """Make the test databases, and ask again from then on, if that is wanted."""
        made = super().setup_databases(**kwargs)
        if os.environ["SUITE_MODE"] == "replayed":
            from tests.django_suite import replaying

            replaying.install(connection for connection, _, _ in made)
        return made

    def suite_result(self, suite: Any, result: Any, **kwargs: Any) -> Any:
        """Write the outcome."""
        outcome: dict[str, Any] = {
            "ran": result.testsRun,
            "skipped": len(result.skipped),
            "failed": result.failed(),
            "passed": result.passed,
        }
        if os.environ["SUITE_MODE"] == "replayed":
            from tests.django_suite import replaying

            outcome["replayed"] = replaying.outcome()
        Path(os.environ[OUTCOME]).write_text(json.dumps(outcome))
        return super().suite_result(suite, result, **kwargs)


def main(modules: list[str], tests: Path) -> None:
    """Run modules of Django's suite, whose `tests` folder is given, as `SUITE_MODE` says."""
    sys.path.insert(0, str(tests))
    os.chdir(tests)
    runtests: Any = import_module("runtests")
    if os.environ["SUITE_MODE"] != "without":
        runtests.ALWAYS_INSTALLED_APPS.append("audittrail")
    with tempfile.TemporaryDirectory(prefix="django_") as directory:
        tempfile.tempdir = os.environ["TMPDIR"] = directory
        given = {"verbosity": 0, "interactive": False, "test_labels": modules, "parallel": 1}
        unset = {"failfast", "keepdb", "reverse", "debug_sql", "buffer", "timing", "shuffle", "pdb"}
        parameters = inspect.signature(runtests.django_tests).parameters
        arguments = {name: given.get(name, False if name in unset else None) for name in parameters}
        runtests.django_tests(**arguments)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--tests", type=Path, required=True)
    parser.add_argument("modules", nargs="+")
    chosen = parser.parse_args()
    main(chosen.modules, chosen.tests)
