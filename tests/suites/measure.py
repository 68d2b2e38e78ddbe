"""Measure what audittrail costs a user's test suite: `python -m tests.suites.measure [--rounds 3]`.

The suite is a generated one: 60 models, some hundred small tests. Every figure is taken with and without audittrail
in turn, on a PostgreSQL 18 as test suites have it, with fsync off. Processor time of the suite and of the server is counted,
since other work on the machine disturbs it little, and of several rounds the least.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
from contextlib import suppress
from pathlib import Path

import psutil

from tests.servers import Run, Server

MODEL_COUNT = 60

ONE_TEST = "one test: mostly the test database"
#: Module, pytest's options, and how many tests.
MEASURES: dict[str, tuple[str, tuple[str, ...], int]] = {
    ONE_TEST: ("test_nothing", (), 1),
    "one test, --nomigrations": ("test_nothing", ("--nomigrations",), 1),
    "400 of TestCase": ("test_small", (), 400),
    "60 of TransactionTestCase": ("test_flush", (), 60),
    "60 of TransactionTestCase with FreshHistory": ("test_fresh", (), 60),
}

MODEL = """
class Thing{number}(models.Model):
    name = models.CharField(max_length=100)
    note = models.TextField(blank=True)
    amount = models.DecimalField(max_digits=10, decimal_places=2, default=0)
    made = models.DateTimeField(auto_now_add=True)
"""

SMALL_TESTS = """
from django.test import {base}
from library import models

def work(number):
    kinds = [getattr(models, f"Thing{{(number + step) % {models}}}") for step in range(4)]
    for kind in kinds:
        thing = kind.objects.create(name="a")
        thing.name = "b"
        thing.save()
    kinds[0].objects.update(note="c")
    kinds[1].objects.all().delete()
    assert kinds[2].objects.get().name == "b"

class Tests({base}):
    pass

for number in range({tests}):
    setattr(Tests, f"test_{{number}}", lambda self, number=number: work(number))
"""


FRESH = """
from django.apps import apps
if apps.is_installed("audittrail"):
    from audittrail.testing import FreshHistory
else:
    class FreshHistory: pass

class Tests(FreshHistory, """


def models_file(count: int) -> str:
    """Return a models.py with so many models, each sixth with a many-to-many, all with a foreign key but the first."""
    lines = ["from django.db import models\n"]
    for number in range(count):
        lines.append(MODEL.format(number=number))
        if number:
            lines.append(
                f"    parent = models.ForeignKey(Thing{number - 1}, models.CASCADE, null=True, blank=True)\n"
            )
        if number % 6 == 5:
            lines.append(
                f"    others = models.ManyToManyField(Thing{number - 5}, related_name='+', blank=True)\n"
            )
    return "".join(lines)


def main(rounds: int) -> None:
    """Print the least times of all measures with and without audittrail, and their ratios."""
    from django.conf import settings

    from tests.suites import projects

    server = Run.current().shared_server(settings.POSTGRES)
    with tempfile.TemporaryDirectory() as directory:
        project = projects.create(
            Path(directory),
            "measured",
            {
                "library/models.py": models_file(MODEL_COUNT),
                "urls.py": "urlpatterns = []",
                "library/test_nothing.py": SMALL_TESTS.format(
                    base="TestCase", tests=1, models=MODEL_COUNT
                ),
                "library/test_small.py": SMALL_TESTS.format(
                    base="TestCase", tests=400, models=MODEL_COUNT
                ),
                "library/test_flush.py": SMALL_TESTS.format(
                    base="TransactionTestCase", tests=60, models=MODEL_COUNT
                ),
                "library/test_fresh.py": SMALL_TESTS.format(
                    base="TransactionTestCase", tests=60, models=MODEL_COUNT
                ).replace("class Tests(", FRESH),
            },
        )
        spent: dict[tuple[str, bool], float] = {}
        for name, (module, options, _tests) in MEASURES.items():
            for _round in range(rounds):
                for with_audittrail in (False, True):
                    project.audittrail = with_audittrail
                    begin = processor_seconds(server)
                    project.pytest("--create-db", *options, f"library/{module}.py")
                    seconds = processor_seconds(server) - begin
                    case = name, with_audittrail
                    spent[case] = min(seconds, spent.get(case, seconds))
            plain, ours = spent[name, False], spent[name, True]
            print(f"{name:50} {plain:6.2f} s {ours:6.2f} s  {ours / plain:5.2f}", flush=True)
        for name, (_module, _options, tests) in MEASURES.items():
            if tests > 1:
                plain, ours = (
                    (spent[name, audittrail] - spent[ONE_TEST, audittrail]) / tests * 1000
                    for audittrail in (False, True)
                )
                print(f"{name + ', each':50} {plain:6.1f} ms {ours:5.1f} ms  {ours / plain:5.2f}")


def processor_seconds(server: Server) -> float:
    """Return the processor time that the server and our finished child processes have taken so far."""
    assert server.pid is not None
    postmaster = psutil.Process(server.pid)
    own = postmaster.cpu_times()
    total = own.user + own.system + own.children_user + own.children_system
    for process in postmaster.children():
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return total + children.ru_utime + children.ru_stime


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with Run.begin():
        main(arguments.rounds)
