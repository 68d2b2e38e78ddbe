"""Changes made in psql, and sessions that go on writing with the plans that they have."""

from __future__ import annotations

import threading
import time

import pytest
from django.db import models
from django.db.migrations import AddField, RemoveField, RenameField

from tests.builders.workshop import Workshop, create

NAME = ("name", models.TextField())


def test_a_table_is_changed_in_psql(shop: Workshop, item: int) -> None:
    shop.psql(
        """
        BEGIN;
        ALTER TABLE workshop_item ADD size integer DEFAULT 3, ADD note text;
        UPDATE workshop_item SET note = 'one';
        ALTER TABLE workshop_item RENAME note TO remark;
        UPDATE workshop_item SET remark = 'two';
        ALTER TABLE workshop_item ALTER size TYPE text USING 'size ' || size;
        COMMIT;
        INSERT INTO workshop_item (name) VALUES ('after');
        ALTER TABLE workshop_item DROP remark, ADD token uuid DEFAULT gen_random_uuid();
        DELETE FROM workshop_item WHERE name = 'after';
        """
    )
    shop.sync()
    assert shop.history("item", "name", "size", "remark", where=f"id = {item}")[-1] == (
        "B",
        "before",
        "size 3",
        None,
    )
    assert shop.history("item", "size", "remark", "token", where="name = 'after'")[:1] == [
        ("I", "3", None, None)
    ]
    assert shop.history("item", "remark", where="operation = 'U'") == [("U", "one"), ("U", "two")]


def test_a_session_with_cached_plans_goes_on_writing(shop: Workshop, item: int) -> None:
    session = shop.session()
    cursor = session.cursor()

    def write(value: str) -> None:
        # Enough of each kind that every plan is kept.
        for _ in range(8):
            cursor.execute("UPDATE workshop_item SET name = name || '.' WHERE id = %s", [item])
            cursor.execute("INSERT INTO workshop_item (name) VALUES (%s)", [value])
            cursor.execute("DELETE FROM workshop_item WHERE name = %s", [value])

    write("one")
    shop.migrate(AddField("Item", "size", models.IntegerField(default=1)), synced=False)
    write_sized(cursor)
    shop.sync()
    write_sized(cursor)
    shop.migrate(RemoveField("Item", "size"), synced=False)
    write("two")
    shop.sync()
    write("three")
    assert len(shop.history("item", "name")) == 1 + 24 + 2 * 2 + 24 + 24
    assert shop.history("item", "size", where="size > 1") == [
        ("I", 5),
        ("D", 5),
        ("I", 5),
        ("D", 5),
    ]


def write_sized(cursor) -> None:
    cursor.execute("INSERT INTO workshop_item (name, size) VALUES ('sized', 5)")
    cursor.execute("DELETE FROM workshop_item WHERE name = 'sized'")


def test_a_rename_is_waited_for_by_a_session_in_mid_statement(shop: Workshop, item: int) -> None:
    session = shop.session(autocommit=False)
    session.cursor().execute("UPDATE workshop_item SET name = 'a'")
    failures: list[Exception] = []

    def migrate() -> None:
        try:
            other = shop.session()
            with other.cursor() as cursor:
                cursor.execute("ALTER TABLE workshop_item RENAME name TO title")
        except Exception as error:  # noqa: BLE001
            failures.append(error)

    thread = threading.Thread(target=migrate)
    thread.start()
    wait_for_locks(shop, 1)
    session.cursor().execute("UPDATE workshop_item SET name = 'b'")
    session.commit()
    thread.join()
    assert failures == []
    session.cursor().execute("UPDATE workshop_item SET title = 'c'")
    session.commit()
    shop.sync()
    assert shop.history("item", "title") == [("I", "before"), ("U", "a"), ("U", "b"), ("U", "c")]


def wait_for_locks(shop: Workshop, number: int) -> None:
    """Wait until so many sessions of this database wait for a lock; fail when that takes too long."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        ((waiting,),) = shop.sql(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        if waiting == number:
            return
    pytest.fail(f"{waiting} sessions wait for a lock, not {number}.")


@pytest.mark.parametrize(
    "change", ["ADD size integer DEFAULT 1", "RENAME extra TO more", "DROP extra"]
)
def test_writers_that_meet_a_change_at_the_same_moment_do_not_deadlock(
    shop: Workshop, change: str
) -> None:
    shop.migrate(create("Item", NAME, ("extra", models.TextField(default="x"))))
    shop.Item.objects.bulk_create([shop.Item(name=str(n)) for n in range(8)])
    sessions = [shop.session(autocommit=False) for _ in range(8)]
    for session in sessions:
        session.cursor().execute("UPDATE workshop_item SET name = 'warm' WHERE id = 1")
        session.rollback()
    failures: list[Exception] = []
    for turn in range(3):
        # All of them queue up behind the change, and are released by its commit.
        owner = shop.session(autocommit=False)
        owner.cursor().execute("LOCK TABLE workshop_item IN ACCESS EXCLUSIVE MODE")

        def write(session, key: int) -> None:
            try:
                session.cursor().execute(
                    "UPDATE workshop_item SET name = name || '!' WHERE id = %s", [key]
                )
                session.cursor().execute(
                    "UPDATE workshop_item SET name = name || '?' WHERE id = %s", [key]
                )
                session.commit()
            except Exception as error:  # noqa: BLE001
                failures.append(error)
                session.rollback()

        threads = [
            threading.Thread(target=write, args=(session, number + 1))
            for number, session in enumerate(sessions)
        ]
        for thread in threads:
            thread.start()
        wait_for_locks(shop, 8)
        if turn == 0:
            owner.cursor().execute(f"ALTER TABLE workshop_item {change}")
        else:
            owner.cursor().execute(f"ALTER TABLE workshop_item ADD turn{turn} integer")
        owner.commit()
        for thread in threads:
            thread.join()
        assert failures == []
    shop.sync()
    assert shop.sql(
        "SELECT count(*) FROM audittrail.workshop_item_history WHERE operation = 'U'"
    ) == [(8 * 2 * 3,)]


def test_writers_go_on_while_migrations_run(shop: Workshop, item: int) -> None:
    stop = threading.Event()
    failures: list[Exception] = []
    written = [0, 0]

    def write(number: int) -> None:
        session = shop.session(autocommit=False)
        try:
            while not stop.is_set():
                with session.cursor() as cursor:
                    cursor.execute("INSERT INTO workshop_item DEFAULT VALUES RETURNING id")
                    (key,) = cursor.fetchone()
                    cursor.execute("UPDATE workshop_item SET n = n + 1 WHERE id = %s", [key])
                session.commit()
                written[number] += 1
        except Exception as error:  # noqa: BLE001
            failures.append(error)

    shop.migrate(
        create("Item2", ("n", models.IntegerField(db_default=0)), db_table="workshop_other"),
    )
    shop.sql(
        "ALTER TABLE workshop_item ALTER name SET DEFAULT '', ADD n integer NOT NULL DEFAULT 0"
    )
    shop.sync()
    threads = [threading.Thread(target=write, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    try:
        for turn in range(6):
            # With a default of the database, or writers that know nothing of the column would fail by themselves.
            shop.migrate(
                AddField("Item", f"x{turn}", models.TextField(db_default="x")),
                *([RenameField("Item", f"x{turn - 1}", f"y{turn - 1}")] if turn else []),
                *([RemoveField("Item", f"y{turn - 2}")] if turn > 1 else []),
            )
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []
    shop.assert_in_step()
    counts = dict(
        shop.sql(
            "SELECT operation::text, count(*) FROM audittrail.workshop_item_history"
            " WHERE id <> %s GROUP BY 1",
            [item],
        )
    )
    assert counts == {"I": sum(written), "U": sum(written)}
