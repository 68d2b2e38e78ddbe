"""Since a restore from a dump another table may have the oid that the registry gives: what is begun anew, or read, is the right one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.builders.sending import send

STALE = "UPDATE audittrail.tracked_table SET relation = {} WHERE table_name = 'kept'"
KEPT = "(SELECT t.id FROM audittrail.tracked_table t WHERE t.table_name = 'kept')"
UNTRACK = f"SELECT audittrail.untrack({KEPT})"


@pytest.fixture
def connection(fresh_database: Callable[[], Any]) -> Iterator[Any]:
    """Give a connection to a database with two tracked tables."""
    with fresh_database() as made:
        connection = made.connect()
        send(connection, "CREATE TABLE kept (id int PRIMARY KEY, name text)")
        send(connection, "CREATE TABLE other (id int PRIMARY KEY, name text)")
        send(connection, "SELECT audittrail.track('other')")
        send(connection, "INSERT INTO other VALUES (7, 'other')")
        yield connection


def track(connection: Any, baseline_limit: int = 1_000_000) -> None:
    send(connection, "INSERT INTO kept VALUES (1, 'a'), (2, 'b')")
    send(connection, f"SELECT audittrail.track('kept', baseline_limit => {baseline_limit})")


@pytest.mark.parametrize("oid", ["1", "'other'::regclass"])
@pytest.mark.parametrize(
    "anew", ["SELECT audittrail.reset_history()", "SELECT audittrail.erase_later(1)"]
)
def test_history_that_begins_anew_is_that_of_the_table(
    connection: Any, oid: str, anew: str
) -> None:
    track(connection)
    send(connection, STALE.format(oid))
    send(connection, anew)
    told = "SELECT id, name, operation::text FROM audittrail.kept_history ORDER BY version, id"
    assert send(connection, told) == [(1, "a", "B"), (2, "b", "B")]
    send(connection, "UPDATE kept SET name = 'c' WHERE id = 1")
    assert send(connection, told)[2:] == [(1, "c", "U")]
    assert send(connection, f"SELECT * FROM audittrail.verify({KEPT})") == []


def test_the_past_of_a_table_that_is_not_tracked_any_more_is_found_by_its_name(
    connection: Any,
) -> None:
    track(connection)
    ((then,),) = send(connection, "SELECT clock_timestamp()")
    send(connection, UNTRACK)
    send(connection, "CREATE TABLE third (id int PRIMARY KEY, name text)")
    send(connection, STALE.format("'third'::regclass"))
    assert send(connection, "SELECT * FROM audittrail.as_of(NULL::kept, %s)", then) == [
        (1, "a"),
        (2, "b"),
    ]
    with pytest.raises(Exception, match="third is not tracked"):
        send(connection, "SELECT * FROM audittrail.as_of(NULL::third, %s)", then)


def test_after_its_tracking_has_ended_a_table_is_not_read(connection: Any) -> None:
    track(connection)
    send(connection, UNTRACK)
    send(connection, "UPDATE kept SET name = 'unrecorded'")
    with pytest.raises(Exception, match="kept is not tracked any more since"):
        send(connection, "SELECT * FROM audittrail.as_of(NULL::kept, clock_timestamp())")


def test_rows_without_a_version_get_one_before_tracking_ends(connection: Any) -> None:
    track(connection, 0)
    send(connection, "UPDATE kept SET name = 'c' WHERE id = 1")
    ((then,),) = send(connection, "SELECT clock_timestamp()")
    send(connection, UNTRACK)
    send(connection, "UPDATE kept SET name = 'unrecorded'")
    assert send(connection, "SELECT * FROM audittrail.as_of(NULL::kept, %s) ORDER BY id", then) == [
        (1, "c"),
        (2, "b"),
    ]
