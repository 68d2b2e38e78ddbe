"""A restore beside writers: it waits for them and sees what they did, or fails with a clear error; half of it never happens."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.test import override_settings

from audittrail.exceptions import LockedError, RestoreConflictError, RestoreError
from audittrail.testing import assert_no_new_history
from tests.builders.sending import newest, send
from tests.restore.truth import content, verified
from tests.testapp import models as m

pytestmark = pytest.mark.django_db(transaction=True)


def waiting(pid: int) -> bool:
    """Return whether a session waits for a lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT cardinality(pg_blocking_pids(%s)) > 0", [pid])
        return bool(cursor.fetchone()[0])


class Background(threading.Thread):
    """Do something in a session of its own; `result` is what it returned or raised."""

    def __init__(self, work: Any) -> None:
        super().__init__()
        self.work = work
        self.result: Any = None
        self.pid = 0
        self.ready = threading.Event()
        self.start()
        self.ready.wait()

    def run(self) -> None:
        try:
            with connections["default"].cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                (self.pid,) = cursor.fetchone()
            self.ready.set()
            self.result = self.work()
        except Exception as error:  # noqa: BLE001 (told to the test)
            self.result = error
        finally:
            self.ready.set()
            connections.close_all()

    def wait_until_it_waits(self) -> None:
        """Wait until it waits for a lock."""
        while self.is_alive() and not waiting(self.pid):
            pass
        assert self.is_alive(), self.result


@pytest.fixture
def changed() -> Iterator[Any]:
    """Give the revision before a seat was given another label."""
    m.Seat.objects.create(label="a", position=1)
    m.Seat.objects.create(label="b", position=2)
    rev = newest()
    m.Seat.objects.filter(label="a").update(label="z")
    with override_settings(AUDITTRAIL_LOCK_TIMEOUT=60_000):
        yield rev


def test_it_waits_for_a_writer_of_its_rows_and_sees_what_that_did(
    changed: Any, second_connection: Any
) -> None:
    send(second_connection, "UPDATE testapp_seat SET position = 5, label = 'y' WHERE label = 'z'")
    restoring = Background(lambda: m.Seat.history(revision=changed).restore())
    restoring.wait_until_it_waits()
    second_connection.commit()
    restoring.join()
    assert restoring.result.counts == {"inserted": 0, "updated": 1, "deleted": 0}
    assert sorted(m.Seat.objects.values_list("label", "position")) == [("a", 1), ("b", 2)]


def test_a_writer_that_takes_the_value_first_makes_it_fail_as_a_whole(
    changed: Any, second_connection: Any
) -> None:
    send(second_connection, "INSERT INTO testapp_seat (label, position) VALUES ('a', 7)")
    restoring = Background(lambda: m.Seat.history(revision=changed).restore())
    restoring.wait_until_it_waits()
    second_connection.commit()
    restoring.join()
    assert isinstance(restoring.result, RestoreError | RestoreConflictError)
    assert "seat_label" in str(restoring.result) and "Nothing was changed" in str(restoring.result)
    assert sorted(m.Seat.objects.values_list("label", "position")) == [
        ("a", 7), ("b", 2), ("z", 1),
    ]  # fmt: skip


@override_settings(AUDITTRAIL_LOCK_TIMEOUT=50)
def test_locks_are_not_waited_for_for_ever(changed: Any, second_connection: Any) -> None:
    send(second_connection, "UPDATE testapp_seat SET position = 5 WHERE label = 'z'")
    with (
        override_settings(AUDITTRAIL_LOCK_TIMEOUT=50),
        assert_no_new_history(),
        pytest.raises(LockedError, match="nothing was restored"),
    ):
        m.Seat.history(revision=changed).restore()
    with (
        override_settings(AUDITTRAIL_LOCK_TIMEOUT=50),
        assert_no_new_history(),
        pytest.raises(LockedError),
    ):
        changed.restore_all()
    with override_settings(AUDITTRAIL_LOCK_TIMEOUT=50):
        plan = m.Seat.history(revision=changed).restore(dry_run=True)
    assert plan.updated == 1, "a plan waits for nobody"


def test_nobody_can_write_between_restoring_everything_and_its_commit(
    changed: Any, second_connection: Any
) -> None:
    with transaction.atomic():
        changed.restore_all()
        writing = Background(lambda: m.Seat.objects.create(label="new", position=9))
        writing.wait_until_it_waits()
    writing.join()
    assert isinstance(writing.result, m.Seat)
    assert set(m.Seat.objects.values_list("label", flat=True)) == {"a", "b", "new"}
    assert verified() == []


def test_a_session_that_dies_in_the_middle_leaves_nothing(changed: Any) -> None:
    before = content()
    m.Tag.objects.create(name="later")
    state = content()
    assert state != before
    with connection.cursor() as cursor:
        cursor.execute(
            """CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;
            CREATE TRIGGER die AFTER DELETE ON testapp_tag FOR EACH ROW EXECUTE FUNCTION die()"""
        )
    try:
        with pytest.raises(OperationalError):
            changed.rollback_all_later_revisions()
    finally:
        connection.close()
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION die() CASCADE")
    with assert_no_new_history():
        assert content() == state
    assert verified() == []


def test_restores_and_writers_take_turns(changed: Any) -> None:
    stop = threading.Event()

    def write() -> int:
        number = 0
        while not stop.is_set():
            number += 1
            with transaction.atomic():
                m.Seat.objects.filter(label__in=["a", "z"]).update(label="z", position=100 + number)
                m.Tag.objects.create(name=f"n{number}")
        return number

    writer = Background(write)
    done = failed = 0
    try:
        for _ in range(20):
            try:
                changed.restore_all()
                done += 1
            except LockedError:
                failed += 1
    finally:
        stop.set()
        writer.join()
    assert isinstance(writer.result, int | OperationalError), writer.result
    assert done
    assert verified() == []
    changed.restore_all()
    assert sorted(m.Seat.objects.values_list("label", "position")) == [("a", 1), ("b", 2)]
    assert not m.Tag.objects.exists()
