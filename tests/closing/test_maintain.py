"""`manage.py audittrail maintain`, the indexes of history tables, and who reads what has been closed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from io import StringIO
from threading import Thread
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command
from django.db import connection, connections

from audittrail import history
from audittrail.capture import closing, tracking
from audittrail.exceptions import ConfigurationError, UnsettledError
from audittrail.timetravel import tables
from tests.builders.sending import newest, send, snapshot, sql

pytestmark = pytest.mark.django_db(transaction=True)


def maintain(*arguments: str) -> str:
    """Run the command and return what it says."""
    output = StringIO()
    call_command("audittrail", "maintain", *arguments, stdout=output)
    return output.getvalue()


def indexed(table: str) -> set[str]:
    """Return the columns by which our indexes find rows of a history table."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT substring(pg_get_indexdef(indexrelid) FROM '\\((.*)\\)') FROM pg_index"
            " WHERE indrelid = to_regclass(%s) AND indisvalid"
            " AND obj_description(indexrelid, 'pg_class') LIKE 'Repeats%%'",
            [f"audittrail.{table}_history"],
        )
        return {columns for (columns,) in cursor.fetchall()}


@pytest.fixture
def registered() -> Iterator[None]:
    """Forget registrations afterwards, and drop the indexes that they wanted."""
    before = dict(tracking._registered)
    yield
    tracking._registered.clear()
    tracking._registered.update(before)
    maintain()


def test_it_closes_and_says_so() -> None:
    group = Group.objects.create(name="a")
    group.name = "b"
    group.save()
    assert "auth_group: 2 rows, complete" in maintain("auth_group", "--vacuum")
    assert "Every table is closed as far as it can be." in maintain("auth_group")
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(superseded), count(*) FROM audittrail.auth_group_history")
        assert cursor.fetchone() == (1, 2)


def test_an_unknown_table_is_an_error() -> None:
    with pytest.raises(CommandError, match="'nowhere' is not a tracked table"):
        maintain("nowhere")


def test_foreign_keys_are_indexed_by_default() -> None:
    maintain("auth_user_groups")
    assert indexed("auth_user_groups") == {"user_id", "group_id"}


def test_register_says_which_indexes_there_are(registered: None) -> None:
    history.register(User, index=["username", ("is_staff", "email")])
    assert "auth_user: index on is_staff, email built" in maintain("auth_user")
    assert indexed("auth_user") == {"username", "is_staff, email"}
    assert "index" not in maintain("auth_user")
    history.register(User, index=[])
    assert "auth_user: index on username dropped" in maintain("auth_user")
    assert indexed("auth_user") == set()


@pytest.mark.parametrize(
    ("index", "exclude", "message"),
    [
        ("username", [], "give a list of field names"),
        (["nothing"], [], "names 'nothing', which is no column"),
        (["email"], ["email"], "names 'email', which is excluded"),
        ([("username", "email"), 5], [], "has 5; give names of fields, or tuples"),
    ],
)
def test_an_index_on_nothing_is_an_error(registered: None, index, exclude, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        history.register(User, index=index, exclude=exclude)


def test_a_closed_table_is_read_without_a_join() -> None:
    Group.objects.create(name="a")
    closed = newest()
    maintain("auth_group")
    assert "Anti" not in Group.history(revision=closed).explain()
    Group.objects.create(name="b")
    assert "Anti" in Group.history(revision=newest()).explain()


def test_a_process_learns_after_a_while_how_far_a_table_is_closed(monkeypatch) -> None:
    group = Group.objects.create(name="a")
    revision = newest()
    assert Group.history(revision=revision).get() == group
    maintain("auth_group")
    assert "Anti" in Group.history(revision=revision).explain()
    monkeypatch.setattr(tables, "REFRESHED_AFTER", 0.0)
    assert "Anti" not in Group.history(revision=revision).explain()


def test_an_old_snapshot_is_not_believed_to_be_closed_as_far_as_others_see_it() -> None:
    # Others on the server, autovacuum among them, may commit in another database, and a snapshot from before that is refused.
    deadline = time.monotonic() + 120
    while True:
        try:
            read_beside_closing()
        except UnsettledError:
            assert time.monotonic() < deadline
        else:
            break


def read_beside_closing() -> None:
    """Read as of a moment, in a transaction that keeps its snapshot, before and after another one has closed it."""
    Group.objects.all().delete()
    group = Group.objects.create(name="a")
    group.name = "b"
    group.save()
    revision = newest()
    told: list[list[str]] = []

    def close_and_read() -> None:
        maintain("auth_group")
        told.append([*Group.history(revision=revision).values_list("name", flat=True)])
        connections.close_all()

    with snapshot():
        # Nobody has committed since the snapshot was taken, so that the moment is settled for it.
        told.append([*Group.history(revision=revision).values_list("name", flat=True)])
        thread = Thread(target=close_and_read)
        thread.start()
        thread.join()
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(superseded) FROM audittrail.auth_group_history WHERE id = %s",
                [group.pk],
            )
            assert cursor.fetchone() == (0,)
        told.append([*Group.history(revision=revision).values_list("name", flat=True)])
    assert told == [["b"]] * 3


class Watch:
    """Stand in for the module `time`: time passes in sleep alone, and whatever is to happen then happens."""

    def __init__(self, happening: Callable[[], None]) -> None:
        self.now = 0.0
        self.happening = happening

    def monotonic(self) -> float:
        """Return the seconds that have been slept."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
        self.happening()


def registered_rows() -> list[Any]:
    """Return which versions of the registry's rows there are, and how far their tables are closed."""
    return sql(
        "SELECT id, xmin::text, closed_through, tail_from FROM audittrail.tracked_table ORDER BY id"
    )


def test_it_waits_once_for_all_tables_and_writes_nothing_meanwhile(
    monkeypatch: pytest.MonkeyPatch, connect: Callable[..., Any]
) -> None:
    writer = connect()
    send(writer, "INSERT INTO auth_group (name) VALUES ('idle')")
    Group.objects.create(name="a")
    seen: list[Any] = []
    watch = Watch(lambda: seen.append(registered_rows()))
    monkeypatch.setattr(closing, "time", watch)
    maintain()
    assert len(seen[0]) > 20 and closing.LAST_WAIT <= watch.now < closing.LAST_WAIT + 0.1
    assert all(rows == seen[0] for rows in seen)
    assert registered_rows() == seen[0]
    writer.rollback()


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_who_ends_meanwhile_holds_nothing_back(
    monkeypatch: pytest.MonkeyPatch, connect: Callable[..., Any], end: str
) -> None:
    deadline = time.monotonic() + 120
    while True:
        writer = connect()
        now = time.monotonic()
        send(writer, f"INSERT INTO auth_group (name) VALUES ('idle {now}')")
        Group.objects.create(name=f"{now}")
        watch = Watch(getattr(writer, end))
        monkeypatch.setattr(closing, "time", watch)
        maintain("auth_group", "auth_user")
        assert watch.now > 0
        taken_in = sql(
            "SELECT count(*) FROM audittrail.tracked_table"
            " WHERE table_name IN ('auth_group', 'auth_user') AND tail_from > closed_through"
        )
        # Others on the server, autovacuum among them, may write all the while, and hold everybody back.
        if watch.now < closing.LAST_WAIT and taken_in == [(2,)]:
            break
        assert time.monotonic() < deadline
