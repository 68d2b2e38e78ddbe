"""One round: a job is begun, somebody dies, what is left is judged, the job is done again, and the end is judged."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from os import kill
from typing import Any

from django.core.management import call_command
from django.db.backends.postgresql.base import Database

from tests.databases import OwnServer
from tests.faults.crashes import bank
from tests.faults.crashes.bank import TABLES, Bank, Moment
from tests.faults.crashes.jobs import ALIAS, ENTRIES, JOBS
from tests.structure.tree import ROOT

#: Seconds that anything may take before a round is given up.
PATIENCE = 60.0

_numbers = count(1)


@dataclass
class Client:
    """A process that does a job."""

    process: subprocess.Popen[str]
    said: list[str] = field(default_factory=list)

    @classmethod
    def begin(cls) -> Client:
        """Start a process, which then waits for its job."""
        command = [sys.executable, "-m", "tests.faults.crashes.client"]
        pipes: Any = {
            "stdin": subprocess.PIPE,
            "stdout": subprocess.PIPE,
            "stderr": subprocess.PIPE,
        }
        return cls(subprocess.Popen(command, cwd=ROOT, text=True, **pipes))

    def expect(self, word: str) -> str:
        """Read what it says up to a line that begins with a word, and return that; "" if it ends before."""
        assert self.process.stdout is not None
        while line := self.process.stdout.readline().rstrip("\n"):
            self.said.append(line)
            if line.startswith(word):
                return line
        return ""

    def tell(self, text: str) -> None:
        """Write a line to its standard input."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # where it is dead already
            self.process.stdin.write(text + "\n")
            self.process.stdin.flush()

    def end(self) -> str:
        """Wait for its end; return what it wrote to standard error."""
        out, errors = self.process.communicate(timeout=PATIENCE)
        self.said += out.splitlines()
        return errors


def client_dies(server: OwnServer, client: Client, control: Bank) -> None:
    """Kill the process of the client."""
    client.process.kill()


def backend_is_terminated(server: OwnServer, client: Client, control: Bank) -> None:
    """End the session of the client, as an administrator does."""
    control.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s",
        [ALIAS],
    )


def backend_dies(server: OwnServer, client: Client, control: Bank) -> None:
    """Kill the server process of the client's session: PostgreSQL ends all sessions and recovers."""
    for (pid,) in control.run(
        "SELECT pid FROM pg_stat_activity WHERE application_name = %s", [ALIAS]
    ):
        with suppress(ProcessLookupError):  # where its client had done its job
            kill(pid, signal.SIGKILL)


def server_dies(server: OwnServer, client: Client, control: Bank) -> None:
    """Kill every process of the server, and start it again."""
    server.kill()
    server.start()


Death = Callable[[OwnServer, Client, Bank], None]

DEATHS: dict[str, Death] = {
    "client": client_dies,
    "terminate": backend_is_terminated,
    "backend": backend_dies,
    "server": server_dies,
}


@dataclass(frozen=True)
class Reference:
    """How a job ends when nobody dies: what the tables hold then, and what the versions are; its statements and its seconds."""

    live: dict[str, Any]
    versions: dict[str, Any]
    pruned: list[tuple[Any, ...]]
    statements: int
    seconds: float


class Suite:
    """A server of its own, with the database that rounds copy."""

    def __init__(self, server: OwnServer) -> None:
        """Make the database on a server that runs, which the suite may kill."""
        self.server = server
        server.createdb(bank.TEMPLATE)
        with server.attached(ALIAS, bank.TEMPLATE):
            call_command("migrate", "audittrail", database=ALIAS, verbosity=0)
        with bank.opened(server, bank.TEMPLATE) as made:
            self.moments = bank.make(made)
        self.references: dict[str, Reference] = {}
        self.spare = Client.begin()

    def close(self) -> None:
        """End the client that was started for the next round."""
        self.spare.process.kill()
        self.spare.end()

    @contextmanager
    def database(self, job: str) -> Iterator[str]:
        """Give the name of a database in which a job can be done."""
        name = f"crash_{next(_numbers)}"
        with bank.opened(self.server, "postgres") as control:
            control.run(f"CREATE DATABASE {name} TEMPLATE {bank.TEMPLATE}")
        with bank.opened(self.server, name) as prepared:
            # PostgreSQL (16 and 18) copies a sequence with the values that are ahead of its log, and logs none of them: after a crash a
            # copied one would go back. setval() is logged.
            prepared.run("SELECT setval('audittrail.clock', last_value) FROM audittrail.clock")
            if JOBS[job].prepare:
                prepared.run(JOBS[job].prepare)
        try:
            yield name
        finally:
            with bank.opened(self.server, "postgres") as control:
                control.run(f"DROP DATABASE {name} WITH (FORCE)")

    def client(self) -> Client:
        """Return a client that is ready, and start the next one meanwhile."""
        made, self.spare = self.spare, Client.begin()
        assert made.expect("ready"), made.end()
        return made

    def do(self, database: str, job: str) -> tuple[int, float]:
        """Do a job to its end; return how many statements and seconds it took."""
        client = self.client()
        client.tell(f"{self.server.host} {database} {job} 0")
        client.expect("begin")
        begun = time.monotonic()
        if job == "capture":
            for number in range(3):
                assert client.expect(f"committed {number}")
            seconds = time.monotonic() - begun
            client.process.kill()
            client.end()
            self.wait_for_sessions(database)
            return 15, seconds
        end = client.expect("end")
        seconds = time.monotonic() - begun
        errors = client.end()
        assert end, f"{job} failed:\n{errors}"
        return int(end.split()[1]), seconds

    def reference(self, job: str) -> Reference:
        """Return how a job ends when nobody dies."""
        if job not in self.references:
            with self.database(job) as name:
                statements, seconds = self.do(name, job)
                with bank.opened(self.server, name) as done:
                    assert done.faults() == []
                    assert bool(pruned(done)) == (job == "prune")
                    self.references[job] = Reference(
                        done.live(), done.versions(), pruned(done), statements, seconds
                    )
        return self.references[job]

    def wait_for_sessions(self, database: str) -> None:
        """Wait until the server runs and the dead client's session has ended."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                with bank.opened(self.server, "postgres") as control:
                    if not control.run(
                        "SELECT FROM pg_stat_activity WHERE datname = %s", [database]
                    ):
                        return
            except (Database.OperationalError, Database.InterfaceError):
                pass  # it recovers
            assert time.monotonic() < deadline, f"sessions of {database} do not end"
            time.sleep(0.01)

    def play(self, job: str, death: str, seed: int) -> str:
        """Play a round; return in a few words where the job was when somebody died. The seed says when."""
        chance = random.Random(seed)
        reference = self.reference(job)
        at = chance.randint(1, reference.statements) if chance.random() < 0.5 else 0
        with self.database(job) as name:
            with bank.opened(self.server, name) as before:
                live = before.live()
            client = self.client()
            with bank.opened(self.server, "postgres") as control:
                client.tell(f"{self.server.host} {name} {job} {at}")
                client.expect("begin")
                if at:
                    client.expect("stopped")
                    where = f"before statement {at} of {reference.statements}"
                else:
                    delay = chance.uniform(0, reference.seconds)
                    # Not to wait for anything: the moment is a matter of chance.
                    time.sleep(delay)
                    where = f"after {delay:.3f} of {reference.seconds:.3f} s"
                DEATHS[death](self.server, client, control)
            client.tell("go on")
            client.end()
            self.wait_for_sessions(name)
            with bank.opened(self.server, name) as left:
                judge(self, job, left, live, client)
            if job == "capture":
                return where
            self.do(name, job)
            with bank.opened(self.server, name) as done:
                judge_end(self, job, done)
        return where


def pruned(done: Bank) -> list[tuple[Any, ...]]:
    """Return how many versions of each table, and revisions, went, as the revisions that record it say."""
    return done.run(
        "SELECT p.what, sum(p.number::int) FROM audittrail.revision r,"
        " LATERAL (SELECT * FROM jsonb_each_text(r.context #> '{pruned,versions}')"
        "          UNION ALL SELECT 'revisions', r.context #>> '{pruned,revisions}') p (what, number)"
        " WHERE r.context ? 'pruned' AND p.number IS NOT NULL GROUP BY p.what ORDER BY p.what"
    )


def judge(suite: Suite, job: str, left: Bank, before: dict[str, Any], client: Client) -> None:
    """Assert that what is left is what was, or what the job makes of it, and nothing in between."""
    after = suite.reference(job).live
    if job == "capture":
        return judge_capture(suite, left, client)
    assert left.live() in (before, after)
    assert left.faults(in_step=job != "sync") == []
    judge_moments(suite, job, left)
    return None


def judge_moments(suite: Suite, job: str, left: Bank) -> None:
    """Assert that the past is what it was."""
    for moment in suite.moments:
        try:
            found = left.as_of(moment.at)
        except Database.DatabaseError as error:
            # What is pruned is refused, which is no partial answer.
            is_pruned = job == "prune" and moment.reason in ("one", "two")
            if not is_pruned or "is kept only since" not in str(error):
                raise
            continue
        assert found in allowed(job, moment), f"{job}: the state as of {moment.reason!r}"


def allowed(job: str, moment: Moment) -> list[dict[str, Any]]:
    """Return what may be read as of a moment."""
    if job != "redact":
        return [moment.rows]
    rows = [
        (key, "redacted" if key < 200 else owner, *rest)
        for key, owner, *rest in moment.rows["account"]
    ]
    return [moment.rows, {**moment.rows, "account": rows}]


def judge_capture(suite: Suite, left: Bank, client: Client) -> None:
    """Assert that every commit that was acknowledged is there, at most one more, and each of them whole."""
    acknowledged = sum(line.startswith("committed") for line in client.said)
    runs = left.run(
        "SELECT run, count(*), count(*) FILTER (WHERE amount = -1) FROM entry GROUP BY run ORDER BY run"
    )
    assert runs == [(number, ENTRIES, 1) for number in range(len(runs))]
    assert acknowledged <= len(runs) <= acknowledged + 1
    expected = [(f"capture {number}", ENTRIES + 1) for number in range(len(runs))]
    recorded = left.run(
        "SELECT r.reason, count(*) FROM audittrail.revision r JOIN audittrail.entry_history h ON h.revision_id = r.id"
        " GROUP BY r.id, r.reason, r.committed ORDER BY r.committed"
    )
    assert recorded == expected
    assert left.faults() == []
    judge_moments(suite, "capture", left)


def judge_end(suite: Suite, job: str, done: Bank) -> None:
    """Assert that a job that was done again has come to the end that it has when nobody dies."""
    reference = suite.reference(job)
    assert done.live() == reference.live
    assert done.faults() == []
    judge_moments(suite, job, done)
    versions = done.versions()
    for table in TABLES:
        assert versions[table] == reference.versions[table], f"{job}: versions of {table}"
    assert pruned(done) == reference.pruned
