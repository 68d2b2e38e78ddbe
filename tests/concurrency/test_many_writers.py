"""With many writers at once, revisions are in an order that agrees with what everybody saw, and readers miss nothing."""

from __future__ import annotations

import itertools
import random
from concurrent.futures import Future
from datetime import datetime
from threading import Event
from typing import Any
from uuid import uuid4

import pytest
from django.db import connections
from django.utils import timezone

from audittrail.exceptions import UnsettledError
from audittrail.models import Revision
from tests.builders.sending import snapshot
from tests.concurrency.accounts import Accounts, Client
from tests.histories.record import Version, as_of, by_key

WRITERS = 6
TRANSACTIONS = 60
ROWS = "SELECT id, balance, label FROM account"
VERSIONS = (
    "SELECT version, revision_id, operation::text, id, balance, label"
    " FROM audittrail.account_history ORDER BY version"
)
COMMITTED = "SELECT id, committed FROM audittrail.revision WHERE committed IS NOT NULL"


def write(accounts: Accounts, number: int) -> dict[str, set[str]]:
    """Make transactions, each with a label that no other has in any test, and return which labels each of them saw."""
    client = accounts.client(f"writer {number}")
    dice = random.Random(number)
    seen: dict[str, set[str]] = {}
    begun = uuid4().hex[:8]
    for turn in range(TRANSACTIONS):
        label = f"{begun}-{turn}"
        if dice.random() < 0.4:
            # A transaction that is one statement.
            labels = client.value(
                f"UPDATE account SET label = '{label}' WHERE id = {number + 1}"
                " RETURNING (SELECT array_agg(label) FROM account)"
            )
            seen[label] = {found for found in labels if found}
            continue
        client.run("BEGIN")
        if dice.random() < 0.3:
            # Early writes of their own rows must not decide the order, nor early stamps.
            client.run(f"UPDATE account SET balance = balance + 1 WHERE id = {number + 1}")
            if dice.random() < 0.5:
                client.run("SET CONSTRAINTS ALL IMMEDIATE")
        if dice.random() < 0.2:
            client.run("SAVEPOINT s", f"UPDATE account SET balance = -1 WHERE id = {number + 1}")
            client.run("ROLLBACK TO s")
        seen[label] = {found for (_, _, found) in client.run(ROWS) if found}
        client.run(f"UPDATE account SET label = '{label}' WHERE id = {number + 1}")
        if dice.random() < 0.3:
            client.run("UPDATE account SET balance = balance + 1 WHERE id = 9")
        client.run("COMMIT" if dice.random() < 0.9 else "ROLLBACK")
    return seen


def start(accounts: Accounts) -> list[Future[dict[str, set[str]]]]:
    """Start the writers."""
    return [accounts.threads.submit(write, accounts, number) for number in range(WRITERS)]


def test_whoever_saw_a_revision_comes_after_it(accounts: Accounts) -> None:
    writers = start(accounts)
    seen = {label: found for writer in writers for label, found in writer.result().items()}
    ticks = dict(
        accounts.observer.run(
            "SELECT h.label, min(r.committed) FROM audittrail.account_history h"
            " JOIN audittrail.revision r ON r.id = h.revision_id WHERE h.label IS NOT NULL GROUP BY h.label"
        )
    )
    pairs = [(ticks[one], ticks[other]) for one in seen if one in ticks for other in seen[one]]
    assert len(pairs) > WRITERS * TRANSACTIONS
    assert all(own > other for own, other in pairs)
    accounts.check()


def test_the_times_of_revisions_do_not_contradict_their_order_by_much(accounts: Accounts) -> None:
    for writer in start(accounts):
        writer.result()
    # The time is taken right after the tick: only transactions that commit side by side may differ.
    assert (
        accounts.observer.run(
            "SELECT a.committed FROM audittrail.revision a JOIN audittrail.revision b"
            f" ON b.committed > a.committed AND a.committed > {accounts.first}"
            " WHERE b.committed_at < a.committed_at - interval '1 second'"
        )
        == []
    )


def test_the_revision_of_a_time_stays_the_same(accounts: Accounts) -> None:
    over = Event()

    def ask() -> list[tuple[datetime, int]]:
        answers: list[tuple[datetime, int]] = []
        while not over.is_set() or len(answers) < 10:
            now = timezone.now()
            answers.append((now, Revision.objects.using("asked").get_by_timestamp(now).pk))
        connections["asked"].close()
        return answers

    accounts.client("first").run("UPDATE account SET balance = 1 WHERE id = 9")
    with accounts.attached("asked"):
        asking = accounts.threads.submit(ask)
        for writer in start(accounts):
            writer.result()
        over.set()
        answers = asking.result()
        for moment, found in answers:
            assert Revision.objects.using("asked").get_by_timestamp(moment).pk == found


def test_a_follower_of_settled_revisions_misses_none(accounts: Accounts) -> None:
    over = Event()

    def follow() -> list[int]:
        found: list[int] = []
        last = accounts.first
        while True:
            ending = over.is_set()
            settled = Revision.objects.using("followed").settled(timeout=30)
            batch = settled.filter(committed__gt=last).order_by("committed")
            for revision in batch:
                assert revision.committed is not None
                found.append(revision.pk)
                last = revision.committed
            if ending:
                connections["followed"].close()
                return found

    with accounts.attached("followed"):
        follower = accounts.threads.submit(follow)
        for writer in start(accounts):
            writer.result()
        over.set()
        found = follower.result()
    expected = accounts.observer.run(
        f"SELECT id FROM audittrail.revision WHERE committed > {accounts.first} ORDER BY committed"
    )
    assert found == [number for (number,) in expected]


def test_every_snapshot_shows_tables_and_history_of_the_same_moment(accounts: Accounts) -> None:
    over = Event()

    def look(client: Client) -> list[tuple[int, Any]]:
        moments = []
        while not over.is_set():
            client.run("BEGIN ISOLATION LEVEL REPEATABLE READ")
            now = rows(client)
            made, ticks = versions(client), dict(client.run(COMMITTED))
            client.run("COMMIT")
            newest = max(ticks.values())
            assert as_of(newest, made, ticks, {}) == now
            moments.append((newest, now))
        return moments

    looking = accounts.threads.submit(look, accounts.client("reader"))
    for writer in start(accounts):
        writer.result()
    over.set()
    moments = looking.result()
    assert len(moments) > 3
    made, ticks = versions(accounts.observer), dict(accounts.observer.run(COMMITTED))
    assert as_of(max(ticks.values()), made, ticks, {}) == rows(accounts.observer)
    for chain in by_key((version.key, version) for version in made).values():
        assert all(
            one.row != other.row and one.version < other.version
            for one, other in itertools.pairwise(chain)
        )


def rows(client: Client) -> dict[tuple[Any, ...], dict[int, Any]]:
    """Return the accounts as `record` has them."""
    return {(found[0],): dict(enumerate(found)) for found in client.run(ROWS)}


def versions(client: Client) -> list[Version]:
    """Return the versions of the accounts as `record` has them."""
    return [
        Version(version, revision, operation, (row[0],), dict(enumerate(row)))
        for version, revision, operation, *row in client.run(VERSIONS)
    ]


def test_settled_moments_are_not_asked_for_in_an_old_snapshot(accounts: Accounts) -> None:
    """A snapshot that was taken while a transaction was committing never shows it, however long one waits."""
    slow, fast = accounts.client("slow"), accounts.client("fast")
    slow.run(
        "BEGIN",
        "UPDATE account SET balance = 1 WHERE id = 1",
        "PREPARE TRANSACTION 'seen too late'",
    )
    fast.run("UPDATE account SET balance = 2 WHERE id = 2")
    with accounts.attached("old"), snapshot(using="old"):
        fast.run("COMMIT PREPARED 'seen too late'")
        with pytest.raises(UnsettledError, match="snapshot"):
            Revision.objects.using("old").settled(timeout=0.1)
