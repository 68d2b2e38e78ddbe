"""The clock of history never gives a tick twice, and what is newest is told by the order of commits, whatever times say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from audittrail import history
from audittrail.checks import check_database
from audittrail.models import Revision
from tests.builders.fresh import Fresh
from tests.builders.sending import newest, send, sql
from tests.testapp.models import Tag

pytestmark = pytest.mark.django_db(transaction=True)


def audittrail(*arguments: str) -> str:
    output = StringIO()
    call_command("audittrail", *arguments, stdout=output)
    return output.getvalue()


@pytest.fixture
def behind() -> Iterator[int]:
    """Set the clock back to its beginning, as it is where only tables were replicated; give the highest tick."""
    for name in "abc":
        Tag.objects.create(name=name)
    highest = int(newest().committed)
    sql("SELECT setval('audittrail.clock', 1, false)")
    # The session that has recorded before has asked already, as no session of another server has.
    connection.close()
    yield highest
    sql("SELECT audittrail.advance_clock()")


def test_a_change_is_refused_while_the_clock_is_behind(behind: int, connect: Callable) -> None:
    other = connect(autocommit=True)
    for _ in range(2):
        with pytest.raises(Exception, match=r"clock of history is \d+ ticks behind"):
            send(other, "INSERT INTO testapp_tag (name) VALUES ('in the past')")
    assert Tag.objects.count() == 3
    assert newest().committed == behind


def test_everybody_tells_and_sync_puts_it_right(behind: int, connect: Callable) -> None:
    with pytest.raises(CommandError):
        audittrail("status", "--check")
    assert "ticks behind" in audittrail("status")
    with pytest.raises(CommandError):
        audittrail("sync", "--check")
    assert "audittrail.advance_clock()" in audittrail("sync", "--sql")
    assert "audittrail.W015" in [message.id for message in check_database(databases=["default"])]
    assert "ticks behind" in audittrail("sync")
    audittrail("status", "--check")
    assert check_database(databases=["default"]) == []
    send(connect(autocommit=True), "INSERT INTO testapp_tag (name) VALUES ('after')")
    assert newest().committed > behind
    assert [*Tag.history(newest()).values_list("name", flat=True).order_by("pk")] == [*"abc", "after"]  # fmt: skip


def dated(revision: Any, ahead: timedelta) -> None:
    with history.editing("The clock was wrong"):
        Revision.objects.filter(pk=revision.pk).update(committed_at=timezone.now() + ahead)


def test_the_newest_is_the_last_commit_though_its_time_is_earlier() -> None:
    Tag.objects.create(name="a")
    early = newest()
    Tag.objects.all().delete()
    gone = newest()
    # The server's clock was ten minutes fast, and was set back before the tag was deleted.
    dated(early, timedelta(minutes=10))
    correction = newest()
    assert correction.committed > gone.committed > early.committed
    assert Revision.objects.exclude(pk=correction.pk).newest() == gone
    assert list(Revision.objects.newest_first()[:3]) == [correction, gone, early]
    assert Revision.objects.get_by_timestamp(timezone.now()) == correction
    assert sql("SELECT * FROM audittrail.as_of(NULL::testapp_tag, now())") == []
    assert Revision.objects.settled().order_by("committed").last() == correction
    assert list(Tag.history.deleted().values_list("name", flat=True)) == ["a"]
    assert sql("SELECT audittrail.newest_tick()") == [(correction.committed,)]


def test_a_revision_that_took_long_can_be_the_newest(connect: Callable) -> None:
    slow = connect()
    send(slow, "INSERT INTO testapp_tag (name) VALUES ('slow')")
    for number in range(40):
        Tag.objects.create(name=f"{number}")
    before = newest()
    slow.commit()
    assert newest().committed > before.committed and newest().pk < before.pk - 64
    assert sql("SELECT audittrail.newest_tick()") == [(newest().committed,)]
    # Sessions compare the clock with this at their first commit.
    assert sql("SELECT audittrail.given_tick() = audittrail.newest_tick()") == [(True,)]
    assert Revision.objects.for_model(Tag).newest() == newest()


REPLICATED = (
    "INSERT INTO audittrail.revision (id, committed, committed_at) VALUES ({tick}, NULL, NULL)",
    "UPDATE audittrail.revision SET committed = {tick} + 7, committed_at = now() WHERE id = {tick}",
)


@pytest.fixture
def follower(fresh_database: Callable[[], Any]) -> Iterator[Fresh]:
    """Give a database of its own, for what logical replication may bring."""
    with fresh_database() as made:
        yield made


@pytest.mark.parametrize("tick", [500, 10**12])
def test_the_clock_passes_what_is_replicated(follower: Fresh, tick: int) -> None:
    worker = follower.connect(options="-c session_replication_role=replica")
    for statement in REPLICATED:
        send(worker, statement.format(tick=tick))
        assert send(worker, "SELECT audittrail.clock_lag()") == [(0,)]
    ((before,),) = send(worker, "SELECT last_value FROM audittrail.clock")
    assert tick + 7 <= before < tick + 5000
    # What is known of tables can be later than every revision.
    send(worker, "CREATE TABLE late (id int PRIMARY KEY); SELECT audittrail.track('late')")
    send(worker, f"UPDATE audittrail.tracked_table SET mark_tick = {tick} + 5000")
    ((after,),) = send(worker, "SELECT last_value FROM audittrail.clock")
    assert after >= tick + 5000
    # It never goes back: neither beside what has come meanwhile nor where nothing is ahead of it.
    send(worker, "SELECT audittrail.pass_tick(5), audittrail.advance_clock()")
    assert send(worker, "SELECT nextval('audittrail.clock')") == [(after + 1,)]


def test_the_clock_is_not_set_while_somebody_takes_ticks(follower: Fresh) -> None:
    writer, worker = follower.connect(), follower.connect(options="-c lock_timeout=50ms")
    send(writer, "BEGIN")
    send(writer, "SELECT nextval('audittrail.clock')")
    send(worker, "SELECT audittrail.pass_tick(1000)")
    with pytest.raises(Exception, match="lock timeout"):
        send(worker, "SELECT audittrail.pass_tick(1000000)")
    assert send(writer, "SELECT nextval('audittrail.clock')") == [(1001,)]
    send(writer, "COMMIT")
    send(worker, "SELECT audittrail.pass_tick(1000000)")
    assert send(writer, "SELECT nextval('audittrail.clock')") == [(1000001,)]


def test_the_clock_follows_nobody_but_logical_replication(follower: Fresh) -> None:
    """Otherwise every write would pay for the question."""
    with pytest.raises(Exception, match="502 ticks behind"):
        send(
            follower.connect(), "INSERT INTO audittrail.revision (id, committed) VALUES (500, 507)"
        )
