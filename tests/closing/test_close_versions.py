"""What `audittrail.close_versions()` notes, beside whom, and when it waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.builders.sending import send
from tests.closing import reading
from tests.closing.reading import close, known

COLUMNS = "id::text, name"


@pytest.fixture
def connect(fresh_database: Callable[[], Any]) -> Iterator[Callable[[], Any]]:
    """Give a function that opens a connection to a database with the tracked table `item`."""
    with fresh_database() as database:
        send(database.connect(), "CREATE TABLE item (id int PRIMARY KEY, name text)")
        send(database.connect(), "SELECT audittrail.track('item')")
        yield database.connect


def versions(connection: Any) -> list[tuple[Any, ...]]:
    """Return key, operation, and whether and by which revision's commit each version is closed."""
    return send(
        connection,
        "SELECT h.id, h.operation::text, (SELECT r.id FROM audittrail.revision r WHERE r.committed = h.superseded)"
        " = h.revision_id FROM audittrail.item_history h ORDER BY h.id, h.version",
    )


def newest_tick(connection: Any) -> int:
    """Return the newest commit's tick."""
    return int(send(connection, "SELECT max(committed) FROM audittrail.revision")[0][0])


def names(connection: Any, tick: int) -> list[str]:
    """Return the names in the table as of a tick."""
    past = known(connection, ["item"])["item"]
    return [row[1] for row in reading.as_of(connection, past, tick, COLUMNS)]


def test_a_version_is_closed_by_the_commit_that_made_the_next_one(connect) -> None:
    connection = connect()
    send(connection, "INSERT INTO item VALUES (1, 'a'), (2, 'b')")
    send(connection, "BEGIN; UPDATE item SET name = 'c' WHERE id = 1; DELETE FROM item; COMMIT")
    close(connection, "item")
    # True: within the revision that made the version itself; False: by another; None: not at all.
    assert versions(connection) == [
        (1, "I", False), (1, "U", True), (1, "D", None), (2, "I", False), (2, "D", None),
    ]  # fmt: skip


def test_it_can_be_done_tick_by_tick_and_again(connect) -> None:
    connection = connect()
    for name in "abc":
        send(
            connection,
            f"INSERT INTO item VALUES (1, '{name}') ON CONFLICT (id) DO UPDATE SET name = excluded.name",
        )
    steps = [close(connection, "item", 1)]
    while steps[-1][1] < steps[-1][2]:
        steps.append(close(connection, "item", 1))
    assert sum(looked for looked, *_ in steps) == 3
    assert versions(connection) == [(1, "I", False), (1, "U", False), (1, "U", None)]
    assert close(connection, "item")[0] == 0
    assert versions(connection) == [(1, "I", False), (1, "U", False), (1, "U", None)]


def test_what_is_still_open_is_left_to_the_tail(connect) -> None:
    connection, writer = connect(), connect()
    send(connection, "INSERT INTO item VALUES (1, 'a'), (2, 'b')")
    send(writer, "BEGIN; UPDATE item SET name = 'late' WHERE id = 1")
    send(connection, "UPDATE item SET name = 'early' WHERE id = 2")
    _, through, settled, tail = close(connection, "item")
    assert through == settled == newest_tick(connection)
    send(writer, "COMMIT")
    (first,) = send(
        connection, "SELECT min(version) FROM audittrail.item_history WHERE name = 'late'"
    )[0]
    assert tail <= first < through
    assert names(connection, through) == ["a", "early"]
    assert names(connection, newest_tick(connection)) == ["late", "early"]
    close(connection, "item")
    assert names(connection, through) == ["a", "early"]
    assert names(connection, newest_tick(connection)) == ["late", "early"]


def test_it_neither_waits_for_writers_nor_keeps_them_waiting(connect) -> None:
    connection, writer, closer = connect(), connect(), connect()
    send(connection, "INSERT INTO item VALUES (1, 'a'), (2, 'b')")
    send(connection, "UPDATE item SET name = name || '!'")
    for session in (writer, closer):
        send(session, "SET lock_timeout = '50ms'")
    send(writer, "BEGIN; UPDATE item SET name = 'x' WHERE id = 1")
    send(closer, "BEGIN")
    assert close(closer, "item")[0] == 4
    send(writer, "UPDATE item SET name = 'y' WHERE id = 2; DELETE FROM item WHERE id = 1; COMMIT")
    send(closer, "COMMIT")
    assert names(connection, newest_tick(connection)) == ["y"]
    close(connection, "item")
    assert names(connection, newest_tick(connection)) == ["y"]


def test_a_commit_that_is_under_way_is_waited_for(connect) -> None:
    connection, writer = connect(), connect()
    send(connection, "INSERT INTO item VALUES (1, 'a')")
    send(writer, "BEGIN; UPDATE item SET name = 'b'; PREPARE TRANSACTION 'half'")
    try:
        with pytest.raises(Exception, match="began to commit is still not visible"):
            send(connection, "SELECT audittrail.settled_tick('20 milliseconds')")
    finally:
        send(writer, "COMMIT PREPARED 'half'")
    assert send(connection, "SELECT audittrail.settled_tick()") == [(newest_tick(connection),)]


def test_an_isolated_transaction_is_refused(connect) -> None:
    connection = connect()
    send(connection, "BEGIN ISOLATION LEVEL REPEATABLE READ")
    with pytest.raises(Exception, match="does not run at isolation level"):
        close(connection, "item")


def test_a_mark_of_another_cluster_holds_nothing_up(connect) -> None:
    connection = connect()
    assert send(connection, "SELECT audittrail.have_ended('9000000000000'::xid8)") == [(True,)]


@pytest.mark.parametrize(
    ("correction", "past"),
    [
        ("DELETE FROM audittrail.item_history WHERE name = 'b'", [["a"], ["a"], ["c"], []]),
        ("DELETE FROM audittrail.item_history WHERE name = 'c'", [["a"], ["b"], ["b"], ["b"]]),
        ("UPDATE audittrail.item_history SET name = 'z' WHERE name = 'b'", [["a"], ["z"], ["c"], []]),
        ("UPDATE audittrail.item_history SET id = 2 WHERE name = 'b'", [["a"], ["a", "b"], ["b", "c"], ["b"]]),
        ("UPDATE audittrail.item_history SET superseded = 1", [["a"], ["b"], ["c"], []]),
    ],
)  # fmt: skip
def test_a_correction_of_history_is_closed_again(connect, correction: str, past: list[Any]) -> None:
    connection = connect()
    ticks = []
    for statement in (
        "INSERT INTO item VALUES (1, 'a')",
        "UPDATE item SET name = 'b'",
        "UPDATE item SET name = 'c'",
        "DELETE FROM item",
    ):
        send(connection, statement)
        ticks.append(newest_tick(connection))
    close(connection, "item")
    send(connection, f"BEGIN; SET LOCAL audittrail.editing = 'on'; {correction}; COMMIT")

    def told() -> list[list[str]]:
        return [sorted(names(connection, tick)) for tick in ticks]

    assert told() == past
    reading.reopen(connection, "item")
    assert told() == past


def test_a_table_tracked_again_goes_on(connect) -> None:
    connection = connect()
    send(connection, "INSERT INTO item VALUES (1, 'a'), (2, 'gone unseen')")
    close(connection, "item")
    send(connection, "SELECT audittrail.untrack(id) FROM audittrail.tracked_table")
    send(connection, "DELETE FROM item WHERE id = 2; UPDATE item SET name = 'b'")
    send(connection, "SELECT audittrail.track('item')")
    first = newest_tick(connection)
    send(connection, "UPDATE item SET name = 'c'")
    for _ in range(2):
        assert names(connection, first) == ["b"]
        assert names(connection, newest_tick(connection)) == ["c"]
        close(connection, "item")


def test_a_baseline_written_after_the_closing_is_part_of_the_past(connect) -> None:
    connection = connect()
    send(connection, "CREATE TABLE large (id int PRIMARY KEY, name text)")
    send(connection, "INSERT INTO large VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    send(connection, "SELECT audittrail.track('large', baseline_limit => 0)")
    first = newest_tick(connection)
    close(connection, "large")
    send(connection, "UPDATE large SET name = 'x' WHERE id = 2")
    send(
        connection,
        "SELECT audittrail.backfill_batch(id, 10) FROM audittrail.tracked_table WHERE table_name = 'large'",
    )
    for _ in range(2):
        past = known(connection, ["large"])["large"]
        told = [
            reading.as_of(connection, past, tick, COLUMNS)
            for tick in (first, newest_tick(connection))
        ]
        assert [[name for _, name in rows] for rows in told] == [["a", "b", "c"], ["a", "x", "c"]]
        close(connection, "large")
