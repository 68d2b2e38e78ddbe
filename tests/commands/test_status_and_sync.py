"""`status` and `sync`: what they say, what they exit with, what they put right."""

from __future__ import annotations

import re

import pytest
from django.core.management import CommandError
from django.db import connection, models
from django.db.migrations import AddField, DeleteModel
from django.test import override_settings

from audittrail import history
from audittrail.capture.sync import announce
from tests.builders.workshop import Workshop, create


def failure(shop: Workshop, *arguments: str) -> str:
    """Return the message with which a command fails, after checking that it exits with 1."""
    with pytest.raises(CommandError) as caught:
        shop.command(*arguments)
    assert caught.value.returncode == 1
    return str(caught.value)


def test_status_lists_the_tables(items: Workshop) -> None:
    heading, line = items.command("status", "--check").splitlines()
    assert heading.split() == ["table", "history", "tracked", "since", "state"]
    assert line.split()[:2] == ["workshop_item", "workshop_item_history"]
    assert line.endswith("ok")


def test_status_says_what_is_left_out_and_why(items: Workshop) -> None:
    assert "left out" not in items.command("status")
    with override_settings(AUDITTRAIL_EXCLUDE=["sessions.*"]):
        lines = items.command("status", "-v", "2").splitlines()
    assert "django_session: left out, AUDITTRAIL_EXCLUDE has 'sessions.*'" in lines
    assert "auth_user: left out, AUDITTRAIL_MODELS does not name it" in lines
    assert not any(line.startswith("workshop_item: left out") for line in lines)


def test_a_table_that_is_not_tracked_yet(items: Workshop) -> None:
    items.migrate(create("Other", ("name", models.TextField())), synced=False)
    assert "workshop_other: not tracked yet" in items.command("status")
    assert failure(items, "status", "--check") == "Something needs attention; see above."
    assert failure(items, "sync", "--check") == (
        "Tracking is out of step; run manage.py audittrail sync."
    )
    assert items.output == "workshop_other: created\n"
    assert "workshop_other" in "".join(items.problems())
    assert items.command("sync") == "workshop_other: created\n"
    assert items.command("sync") == "Everything is in step.\n"
    assert items.command("sync", "--check") == "Everything is in step.\n"


def test_a_table_that_is_gone(items: Workshop) -> None:
    items.migrate(DeleteModel("Item"), synced=False)
    assert "table is gone; run sync" in items.command("status")
    failure(items, "status", "--check")
    assert items.command("sync") == "workshop_item: ended (the table was dropped)\n"
    assert "ended" in items.command("status", "--check")


def test_columns_out_of_step(items: Workshop) -> None:
    items.migrate(AddField("Item", "size", models.IntegerField(default=1)), synced=False)
    assert "out of step; run sync" in items.command("status")
    assert "workshop_item: changed (columns" in failure_output(items, "sync", "--check")
    assert items.problems()[0].startswith("audittrail.W013: Tracking of 'workshop_item'")
    items.command("sync")
    items.assert_in_step()


def failure_output(shop: Workshop, *arguments: str) -> str:
    """Return what a command prints before it fails."""
    failure(shop, *arguments)
    return shop.output


def test_the_printed_sql_does_what_sync_does(items: Workshop) -> None:
    items.migrate(
        create(
            "Odd",
            ("name", models.TextField(db_column="it's 100%")),
            db_table="workshop o'clock 100%",
        ),
        AddField("Item", "size", models.IntegerField(default=1)),
        synced=False,
    )
    script = items.command("sync", "--sql")
    failure(items, "sync", "--check")
    items.psql(script)
    items.assert_in_step()
    assert items.command("sync", "--sql") == ""


def test_the_printed_sql_ends_tracking(items: Workshop) -> None:
    with override_settings(AUDITTRAIL_EXCLUDE=["workshop.Item"]):
        items.psql(items.command("sync", "--sql"))
        items.assert_in_step()
        assert "ended" in items.command("status")
    items.sync()


def test_functions_of_another_release(items: Workshop) -> None:
    items.sql("COMMENT ON FUNCTION audittrail.next_version() IS 'audittrail functions of yore'")
    items.sql(
        "CREATE OR REPLACE FUNCTION audittrail.shortened(name text, bytes int) RETURNS text"
        " LANGUAGE sql AS 'SELECT 1'"
    )
    told = "The functions of another release of audittrail are installed.\n"
    assert failure_output(items, "sync", "--check") == told
    assert items.problems()[0].startswith("audittrail.W011")
    items.psql(items.command("sync", "--sql"))
    assert items.command("sync", "--check") == "Everything is in step.\n"
    assert items.sql("SELECT audittrail.shortened('äöü', 3)") == [("ä",)]


def test_capture_functions_edited_by_hand(items: Workshop) -> None:
    items.sql(
        "CREATE OR REPLACE FUNCTION audittrail.workshop_item_history_insert() RETURNS trigger"
        " LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"
    )
    assert "capture functions" in failure_output(items, "sync", "--check")
    assert items.command("sync").startswith("workshop_item: changed")
    items.Item.objects.create(name="d")
    assert items.history("item", "name")[-1] == ("I", "d")


@pytest.mark.parametrize("trigger", ["insert", "update", "delete", "truncate"])
@pytest.mark.parametrize("fault", ["missing", "disabled", "for replicas only"])
def test_what_happened_without_triggers_is_recorded(
    items: Workshop, trigger: str, fault: str
) -> None:
    name = f"audittrail_{trigger}"
    items.sql(
        {
            "missing": f"DROP TRIGGER {name} ON workshop_item",
            "disabled": f"ALTER TABLE workshop_item DISABLE TRIGGER {name}",
            "for replicas only": f"ALTER TABLE workshop_item ENABLE REPLICA TRIGGER {name}",
        }[fault]
    )
    word = "missing" if fault == "missing" else "disabled"
    assert f"{word} triggers" in items.problems()[0]
    assert f"{word} trigger {trigger} on workshop_item" in items.command("status")
    lost = {
        "insert": ("INSERT INTO workshop_item (name) VALUES ('d')", [("B", "d")]),
        "update": ("UPDATE workshop_item SET name = 'b2' WHERE name = 'b'", [("B", "b2")]),
        "delete": ("DELETE FROM workshop_item WHERE name = 'b'", [("D", "b")]),
        "truncate": ("TRUNCATE workshop_item", [("D", "a"), ("D", "b"), ("D", "c")]),
    }
    statement, recorded = lost[trigger]
    before = items.history("item", "name")
    items.sql(statement)
    assert items.history("item", "name") == before
    assert items.command("sync").startswith("workshop_item: changed")
    assert items.history("item", "name") == before + recorded
    items.assert_in_step()


def test_all_triggers_disabled_at_once(items: Workshop) -> None:
    items.sql("ALTER TABLE workshop_item DISABLE TRIGGER ALL")
    items.sql(
        "DELETE FROM workshop_item WHERE name = 'a';"
        "UPDATE workshop_item SET name = 'b2' WHERE name = 'b';"
        "INSERT INTO workshop_item (name) VALUES ('d')"
    )
    items.command("sync")
    assert items.history("item", "name")[3:] == [("B", "b2"), ("D", "a"), ("B", "d")]
    items.assert_in_step()


def test_a_row_that_was_deleted_and_came_back_unrecorded(items: Workshop) -> None:
    items.Item.objects.filter(name="a").delete()
    items.sql("ALTER TABLE workshop_item DISABLE TRIGGER audittrail_insert")
    items.sql("INSERT INTO workshop_item (id, name) VALUES (1, 'a')")
    items.sync()
    assert items.history("item", "name", where="id = 1") == [("I", "a"), ("D", "a"), ("B", "a")]


def test_a_table_left_out_later_and_taken_in_again(items: Workshop) -> None:
    with override_settings(AUDITTRAIL_EXCLUDE=["workshop.*"]):
        assert items.command("sync") == "workshop_item: ended (no longer to be tracked)\n"
        items.Item.objects.filter(name="a").update(name="a2")
        items.Item.objects.filter(name="b").delete()
        assert len(items.history("item", "name")) == 3
    assert items.command("sync") == "workshop_item: created\n"
    items.Item.objects.filter(name="c").update(name="c2")
    # What happened in between is not known; the new baseline says what is there.
    assert items.history("item", "name")[3:] == [("B", "a2"), ("B", "c"), ("U", "c2")]
    items.assert_in_step()


def test_a_column_excluded_later_and_taken_in_again(items: Workshop) -> None:
    items.migrate(AddField("Item", "secret", models.TextField(default="s")))
    history.register(items.Item, exclude=["secret"])
    assert items.command("sync") == "workshop_item: changed (excluded or ignored columns)\n"
    items.Item.objects.filter(name="a").update(secret="hidden")
    items.Item.objects.filter(name="b").update(name="b2", secret="hidden")
    assert items.history("item", "name", "secret")[3:] == [("U", "b2", None)]
    history.register(items.Item)
    items.sync()
    # What is stored again begins with what the rows hold now.
    assert items.history("item", "name", "secret")[4:] == [
        ("B", "a", "hidden"),
        ("B", "b2", "hidden"),
        ("B", "c", "s"),
    ]


def test_an_excluded_column_is_not_stored_by_the_migration_that_adds_it(items: Workshop) -> None:
    history.register(items.Item)
    field = models.TextField(default="secret")
    field.set_attributes_from_name("token")
    items.Item.add_to_class("token", field)
    history.register(items.Item, exclude=["token"], ignore=["token"])
    # `migrate` tells the database what is not to be stored before it begins.
    announce(items.connection)
    items.sql("ALTER TABLE workshop_item ADD token text DEFAULT 'secret'")
    items.sql("UPDATE workshop_item SET name = 'a2', token = 'more secret' WHERE name = 'a'")
    items.sync()
    assert "token" not in items.columns("item")
    assert items.history("item", "name")[3:] == [("U", "a2")]


def test_an_ignored_column(items: Workshop) -> None:
    items.migrate(AddField("Item", "seen", models.IntegerField(default=0)))
    history.register(items.Item, ignore=["seen"])
    items.sync()
    items.Item.objects.update(seen=1)
    items.Item.objects.filter(name="a").update(seen=2, name="a2")
    assert items.history("item", "name", "seen")[3:] == [("U", "a2", 2)]


def test_a_history_table_that_lost_a_column(items: Workshop) -> None:
    session = items.session()
    with session.cursor() as cursor:
        cursor.execute("UPDATE workshop_item SET name = 'a2' WHERE name = 'a'")
        items.sql("ALTER TABLE audittrail.workshop_item_history DROP COLUMN name")
        assert "columns of the history table" in items.problems()[0]
        cursor.execute("UPDATE workshop_item SET name = 'a3' WHERE name = 'a2'")
    # The values are lost; what the rows hold now is recorded again.
    assert items.history("item", "name", where="id = 1")[2:] == [("U", "a3")]
    items.sync()
    assert items.history("item", "name", where="id = 2") == [("I", None), ("B", "b")]


@pytest.mark.parametrize(
    "kind", ["varchar(1)", "text[] USING ARRAY[name]", "integer USING length(name)"]
)
def test_a_history_table_that_got_another_type(items: Workshop, kind: str) -> None:
    items.sql(f"ALTER TABLE audittrail.workshop_item_history ALTER name TYPE {kind}")
    items.Item.objects.filter(name="a").update(name="a longer name")
    items.sync()
    assert items.history("item", "name", where="id = 1")[-1] == ("U", "a longer name")


def test_a_history_table_that_got_a_column_of_its_own(items: Workshop) -> None:
    items.sql("ALTER TABLE audittrail.workshop_item_history ADD remark text DEFAULT 'x'")
    items.Item.objects.filter(name="a").update(name="a2")
    items.sync()
    assert items.history("item", "name", "remark")[-1] == ("U", "a2", "x")


def test_a_history_table_that_was_dropped(items: Workshop) -> None:
    session = items.session()
    with session.cursor() as cursor:
        cursor.execute("UPDATE workshop_item SET name = 'a2' WHERE name = 'a'")
        items.sql("DROP TABLE audittrail.workshop_item_history")
        assert items.problems()
        cursor.execute("UPDATE workshop_item SET name = 'a3' WHERE name = 'a2'")
    items.sync()
    # What it held is gone; history begins again, with the rows as they were: first those that are written.
    assert items.history("item", "name") == [("B", "a2"), ("U", "a3")]
    items.command("backfill")
    assert sorted(items.history("item", "name")) == [
        ("B", "a2"),
        ("B", "b"),
        ("B", "c"),
        ("U", "a3"),
    ]


def test_a_history_table_that_was_dropped_and_not_written_since(items: Workshop) -> None:
    items.sql("DROP TABLE audittrail.workshop_item_history")
    items.command("status")
    items.sync()
    assert items.history("item", "name") == [("B", "a"), ("B", "b"), ("B", "c")]


def test_a_history_table_that_lost_its_indexes(items: Workshop) -> None:
    items.sql(
        "DROP INDEX audittrail.workshop_item_history_key, audittrail.workshop_item_history_version"
    )
    items.Item.objects.filter(name="a").update(name="a2")
    assert items.history("item", "name")[-1] == ("U", "a2")


def test_sync_waits_for_a_lock_and_gives_up(items: Workshop) -> None:
    items.migrate(AddField("Item", "size", models.IntegerField(default=1)), synced=False)
    session = items.session(autocommit=False)
    session.cursor().execute("LOCK TABLE workshop_item IN ROW EXCLUSIVE MODE")
    with (
        override_settings(AUDITTRAIL_LOCK_TIMEOUT=10),
        pytest.raises(
            CommandError, match=r"Table 'workshop_item' stayed locked .* AUDITTRAIL_LOCK_TIMEOUT"
        ),
    ):
        items.command("sync")
    session.rollback()
    items.sync()


def test_a_busy_table_does_not_keep_others_from_being_tracked(items: Workshop) -> None:
    items.migrate(
        AddField("Item", "size", models.IntegerField(default=1)),
        *(create(name, ("name", models.TextField())) for name in ("Before", "Zebra")),
        synced=False,
    )
    session = items.session(autocommit=False)
    session.cursor().execute("LOCK TABLE workshop_item, workshop_zebra IN ROW EXCLUSIVE MODE")
    with override_settings(AUDITTRAIL_LOCK_TIMEOUT=10):
        assert failure(items, "sync") == (
            "Table 'workshop_item' stayed locked by other transactions; its tracking was not changed. "
            "Table 'workshop_zebra' stayed locked by other transactions; its tracking was not changed. "
            "Everything else is in step; run manage.py audittrail sync again at a quieter time, or raise AUDITTRAIL_LOCK_TIMEOUT."
        )
    assert items.output == "workshop_before: created\n"
    session.rollback()
    assert sorted(items.command("sync").splitlines()) == [
        "workshop_item: changed (columns, key, name, or columns of the history table)",
        "workshop_zebra: created",
    ]


def test_the_start_of_all_tracking_beside_one_busy_table(shop: Workshop) -> None:
    names = [f"Table{number:02}" for number in range(12)]
    shop.migrate(*(create(name, ("name", models.TextField())) for name in names), synced=False)
    tables = [f"workshop_{name.lower()}" for name in names]
    busy = "workshop_table03"
    session = shop.session(autocommit=False)
    session.cursor().execute(f"INSERT INTO {busy} (name) VALUES ('open')")
    with override_settings(AUDITTRAIL_LOCK_TIMEOUT=10):
        message = failure(shop, "sync")
    assert re.findall(r"Table '(\w+)' stayed locked", message) == [busy]
    others = [table for table in tables if table != busy]
    assert shop.output.splitlines() == [f"{table}: created" for table in others]
    assert _tracked(shop) == others
    for table in tables:
        shop.sql(f"INSERT INTO {table} (name) VALUES ('written meanwhile')")
    assert [len(shop.history(name.lower(), "name")) for name in names if name != "Table03"] == [
        1
    ] * 11
    session.commit()
    assert shop.command("sync") == f"{busy}: created\n"
    assert _tracked(shop) == tables
    assert shop.history("table03", "name") == [("B", "open"), ("B", "written meanwhile")]
    shop.assert_in_step()


def _tracked(shop: Workshop) -> list[str]:
    return [
        table
        for (table,) in shop.sql(
            "SELECT table_name FROM audittrail.tracked_table"
            " WHERE table_name LIKE 'workshop%' AND until_version IS NULL ORDER BY 1"
        )
    ]


def test_many_tables_in_step_are_looked_at_in_few_queries(items: Workshop) -> None:
    items.migrate(*(create(f"Table{number}", ("name", models.TextField())) for number in range(20)))
    counter = Counter()
    with connection.execute_wrapper(counter):
        items.command("sync", "--check")
    assert counter.count <= 10


class Counter:
    """Count the statements that are sent."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, execute, sql, params, many, context):
        self.count += 1
        return execute(sql, params, many, context)


def disagreements(items: Workshop) -> tuple[bool, bool]:
    """Return whether `status --check` and `sync --check` find something to do."""
    found = []
    for command in ("status", "sync"):
        try:
            items.command(command, "--check")
        except CommandError:
            found.append(True)
        else:
            found.append(False)
    return found[0], found[1]


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE workshop_item ADD size integer",
        "ALTER TABLE workshop_item DISABLE TRIGGER audittrail_update",
        "DROP TRIGGER audittrail_update ON workshop_item",
        "DROP TABLE workshop_item",
        "ALTER TABLE workshop_item RENAME TO workshop_former; CREATE TABLE workshop_item (id bigint PRIMARY KEY, name text)",
        "COMMENT ON FUNCTION audittrail.next_version() IS 'audittrail functions of yore'",
        "SELECT setval('audittrail.clock', 1)",
    ],
)
def test_status_and_sync_agree_on_what_sync_does(items: Workshop, statement: str) -> None:
    assert disagreements(items) == (False, False)
    items.sql(statement)
    assert disagreements(items) == (True, True)
    assert "run sync" in items.command("status") or "audittrail sync" in items.output
    items.command("sync")
    assert disagreements(items) == (False, False)


def test_status_and_sync_agree_on_settings(items: Workshop) -> None:
    with override_settings(AUDITTRAIL_EXCLUDE=["workshop.Item"]):
        assert disagreements(items) == (True, True)
        assert "workshop_item: no longer to be tracked; run sync" in items.command("status")
    history.register(items.Item, ignore=["name"])
    assert disagreements(items) == (True, True)
    assert "workshop_item: excluded or ignored columns; run sync" in items.command("status")
    items.sync()
