"""Whoever dies in the middle of a job: nothing is lost, nothing is invented, and the job goes on where it was.

Each run plays other rounds; a failure names the arguments that play it again with `python -m tests.faults.crashes`, which plays as many as
are wanted.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from django.conf import settings
from pytest_django import DjangoDbBlocker

from tests.databases import OwnServer
from tests.faults.crashes import bank
from tests.faults.crashes.jobs import JOBS
from tests.faults.crashes.rounds import Suite, judge
from tests.servers import DEFAULT_VERSION, Run


@pytest.fixture(scope="module")
def suite(django_db_blocker: DjangoDbBlocker) -> Iterator[Suite]:
    """Give a suite on a server of its own."""
    wanted = DEFAULT_VERSION if "://" in settings.POSTGRES else settings.POSTGRES
    made = Run.current().own_server(wanted, {})
    server = OwnServer(made.binaries, made.directory, {})
    server.start()
    with django_db_blocker.unblock():
        suite = Suite(server)
        yield suite
        suite.close()
    server.stop("immediate")


@pytest.mark.parametrize(
    "deaths", [("client", "terminate"), ("backend", "server")], ids="-or-".join
)
@pytest.mark.parametrize("job", JOBS)
def test_a_death_in_the_middle_of_a_job(suite: Suite, job: str, deaths: tuple[str, ...]) -> None:
    seed = random.randrange(10**6)
    death = random.choice(deaths)
    print(f"python -m tests.faults.crashes --job {job} --death {death} --seed {seed} --rounds 1")
    suite.play(job, death, seed)


@pytest.mark.parametrize(
    "tamper",
    [
        "DELETE FROM audittrail.account_history WHERE version = (SELECT max(version) FROM audittrail.account_history)",
        "UPDATE audittrail.large_history SET label = 'x' WHERE operation = 'U' AND id = 50",
        "DELETE FROM audittrail.revision WHERE reason = 'three'",
        "UPDATE audittrail.branch_history SET name = 'invented' WHERE operation = 'I' AND id = 7",
        "ALTER TABLE account DISABLE TRIGGER USER; DELETE FROM account WHERE id = 3",
        "UPDATE account SET amount = amount + 1 WHERE id = 3",
    ],
)
def test_the_judge_notices_what_is_lost_or_invented(suite: Suite, tamper: str) -> None:
    with suite.database("backfill") as name, bank.opened(suite.server, name) as left:
        live = left.live()
        judge(suite, "backfill", left, live, suite.spare)
        left.run(f"BEGIN; SET LOCAL audittrail.editing = 'on'; {tamper}; COMMIT")
        with pytest.raises(AssertionError):
            judge(suite, "backfill", left, live, suite.spare)
