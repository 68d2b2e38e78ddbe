"""Whatever dies or fails, history holds exactly what was committed."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from threading import Barrier, Event

import pytest
from django.core.management import call_command
from django.db.backends.postgresql.base import Database
from django.db.backends.postgresql.psycopg_any import errors
from pytest_django import DjangoDbBlocker

from tests.concurrency.accounts import Client
from tests.databases import OwnServer
from tests.faults.things import TABLE, Things

WAIT = 60
DRIVER_ERRORS = (Database.OperationalError, Database.InterfaceError)
MANY = 50_000
ADD = "UPDATE thing SET amount = amount + {1} WHERE id = {0}"


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def terminate(things: Things, client: Client) -> None:
    assert things.observer.value(
        f"SELECT pg_terminate_backend({client.connection.info.backend_pid}, {WAIT * 1000})"
    )


def sever(things: Things, client: Client) -> None:
    with socket.socket(fileno=os.dup(client.connection.fileno())) as wire:
        wire.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("end", [terminate, sever])
def test_a_client_that_dies_leaves_nothing_of_its_transaction(
    things: Things, end: Callable[[Things, Client], None]
) -> None:
    victim = things.client("victim")
    victim.run("INSERT INTO thing VALUES (1, 10), (2, 20)")
    victim.run("BEGIN", ADD.format(1, 5), "SAVEPOINT s", "DELETE FROM thing WHERE id = 2")
    victim.run("RELEASE s", "INSERT INTO thing VALUES (3, 30)", "SET CONSTRAINTS ALL IMMEDIATE")
    end(things, victim)
    with pytest.raises(DRIVER_ERRORS):
        victim.run("COMMIT")
    # This waits for the locks of the dead one, and so for its end.
    things.client("next").run("UPDATE thing SET amount = amount + 1")
    assert things.rows() == [(1, 11), (2, 21)]
    assert things.revisions() == ["victim", "next"]
    assert things.versions() == [
        ("victim", "I", 1, 10),
        ("victim", "I", 2, 20),
        ("next", "U", 1, 11),
        ("next", "U", 2, 21),
    ]
    things.check()


def test_a_killed_server_keeps_exactly_what_was_committed(
    own_server: Callable[..., OwnServer], django_db_blocker: DjangoDbBlocker, stack: ExitStack
) -> None:
    server, enough, acknowledged = own_server(), Event(), []
    server.createdb("faults")
    with django_db_blocker.unblock(), server.attached("faults", "faults"):
        call_command("migrate", "audittrail", database="faults", verbosity=0)

    def connect(**parameters: str) -> object:
        return stack.enter_context(closing(server.connect("faults", autocommit=True, **parameters)))

    def load(client: Client) -> None:
        for number in range(1_000_000):
            client.run(
                "BEGIN",
                f"INSERT INTO thing SELECT {number} * 10 + n, n FROM generate_series(1, 10) n",
                f"UPDATE thing SET amount = -amount WHERE id = {number} * 10 + 1",
                "COMMIT",
            )
            acknowledged.append(number)
            if len(acknowledged) == 20:
                enough.set()

    before = Things(connect)
    before.observer.run(TABLE, "SELECT audittrail.track('thing')")
    before.observer.run("INSERT INTO thing VALUES (-1, 0)")
    unfinished = before.client("unfinished")
    unfinished.run("BEGIN", "INSERT INTO thing VALUES (-2, 0)", ADD.format(-1, 7))
    with ThreadPoolExecutor() as threads:
        importing = threads.submit(load, before.client("import"))
        try:
            assert enough.wait(WAIT)
            unfinished.run("INSERT INTO thing VALUES (-3, 0)")
            tick = before.last_tick()
        finally:
            server.kill()
        assert isinstance(importing.exception(WAIT), DRIVER_ERRORS)
    server.start()

    after = Things(connect)
    imported = after.observer.value("SELECT count(*) FROM thing WHERE id > 0 AND id % 10 = 1")
    # A commit that the kill has kept from being acknowledged may have been made.
    assert len(acknowledged) <= imported <= len(acknowledged) + 1
    assert after.revisions() == ["observer"] + ["import"] * imported
    expected = [("observer", "I", -1, 0)]
    for number in range(imported):
        expected += [("import", "I", number * 10 + n, n) for n in range(1, 11)]
        expected += [("import", "U", number * 10 + 1, -1)]
    assert after.versions() == expected
    after.check()

    last = after.last_tick()
    assert last >= tick
    after.client("later").run(ADD.format(-1, 1))
    assert after.versions() == [*expected, ("later", "U", -1, 1)]
    assert after.revisions()[-1] == "later"
    assert after.observer.value("SELECT max(version) FROM audittrail.thing_history") > last
    after.check()


def test_statements_that_spill_to_disk_are_recorded_row_by_row(things: Things) -> None:
    client = things.client("client")
    client.run(
        "SET work_mem = '64kB'",
        f"INSERT INTO thing SELECT n, n, repeat('x', 100) FROM generate_series(1, {MANY}) n",
        "UPDATE thing SET amount = -amount",
        "DELETE FROM thing",
    )
    assert things.revisions() == ["client"] * 3
    assert things.observer.run(
        "SELECT operation::text, count(*), count(DISTINCT id), min(id), max(id), count(DISTINCT version),"
        " bool_and(amount = CASE operation WHEN 'I' THEN id ELSE -id END AND label = repeat('x', 100))"
        " FROM audittrail.thing_history GROUP BY operation ORDER BY min(version)"
    ) == [(operation, MANY, MANY, 1, MANY, 1, True) for operation in "IUD"]
    things.check()


def test_a_retried_serialization_failure_is_recorded_once(things: Things) -> None:
    things.observer.run("INSERT INTO thing VALUES (1, 10), (2, 20)")
    first, second = things.client("first"), things.client("second")
    transaction = ("BEGIN ISOLATION LEVEL REPEATABLE READ", ADD.format(2, 3))
    second.run(*transaction)
    first.run("BEGIN ISOLATION LEVEL REPEATABLE READ", ADD.format(1, 1), "COMMIT")
    with pytest.raises(errors.SerializationFailure):
        second.run(ADD.format(1, 3))
    second.run("ROLLBACK", *transaction, ADD.format(1, 3), "COMMIT")
    assert things.revisions() == ["observer", "first", "second"]
    assert things.versions()[2:] == [
        ("first", "U", 1, 11),
        ("second", "U", 2, 23),
        ("second", "U", 1, 14),
    ]
    things.check()


def test_a_retried_deadlock_is_recorded_once(things: Things) -> None:
    things.observer.run("INSERT INTO thing VALUES (1, 0), (2, 0)")
    both_have_one = Barrier(2)

    def transfer(client: Client, source: int, target: int) -> int:
        for failed in range(100):
            client.run("BEGIN", ADD.format(source, -5))
            if not failed:
                both_have_one.wait(WAIT)
            try:
                client.run(ADD.format(target, 5), "COMMIT")
            except errors.DeadlockDetected:
                client.run("ROLLBACK")
            else:
                return failed
        raise AssertionError("The deadlock went on.")

    with ThreadPoolExecutor() as threads:
        tasks = [
            threads.submit(transfer, things.client("one"), 1, 2),
            threads.submit(transfer, things.client("two"), 2, 1),
        ]
        assert sum(task.result(WAIT) for task in tasks) >= 1
    early, late = ("one", 1, 2), ("two", 2, 1)
    if things.revisions()[1] == "two":
        early, late = late, early
    assert things.revisions() == ["observer", early[0], late[0]]
    assert things.versions()[2:] == [
        (early[0], "U", early[1], -5),
        (early[0], "U", early[2], 5),
        (late[0], "U", late[1], 0),
        (late[0], "U", late[2], 0),
    ]
    assert things.rows() == [(1, 0), (2, 0)]
    things.check()
