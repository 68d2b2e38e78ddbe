"""Triggers, rules and functions of the user's that write are recorded like every other writer, in true order."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import DatabaseError, connection, transaction

from tests.capture.truth import Witness
from tests.capture.ways import sql

Made = Callable[[str], Witness]

TABLES = """
CREATE TABLE item (id int PRIMARY KEY, name text, number int DEFAULT 0);
CREATE TABLE note (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, text text);
CREATE TABLE untracked_switch (active boolean);
INSERT INTO untracked_switch VALUES (false);
"""
ON = "UPDATE untracked_switch SET active = true"


def trigger(when: str, body: str, name: str = "own", table: str = "item") -> str:
    """Give the DDL of a trigger with its function; an INSERT, UPDATE or DELETE is told by `when`."""
    return f"""
        CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$;
        CREATE {"CONSTRAINT" if "DEFERR" in when else ""} TRIGGER {name} {when.format(table=table)}
            EXECUTE FUNCTION {name}();
    """


def test_a_before_row_trigger_that_changes_the_row(made: Made) -> None:
    witness = made(
        TABLES
        + trigger(
            "BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW",
            "NEW.name := upper(NEW.name); NEW.number := NEW.number + 1; RETURN NEW;",
        )
    )
    with witness.watching() as watch:
        sql("INSERT INTO item VALUES (1, 'a')")
    assert watch.recorded.values("item", "name", 1) == [("I", "A")]
    with witness.watching() as watch:
        sql("UPDATE item SET name = 'b'")
    assert watch.recorded.values("item", "number", 1) == [("U", "2")]


def test_a_before_row_trigger_that_skips_or_reverts(made: Made) -> None:
    witness = made(
        TABLES
        + "INSERT INTO item VALUES (1, 'a'), (2, 'b');"
        + trigger(
            "BEFORE INSERT OR UPDATE OR DELETE ON {table} FOR EACH ROW",
            "IF TG_OP = 'UPDATE' AND OLD.id = 2 THEN RETURN OLD; END IF; RETURN NULL;",
        )
    )
    with witness.watching() as watch:
        sql("INSERT INTO item VALUES (3, 'c')")
        sql("UPDATE item SET name = 'x'")
        sql("DELETE FROM item")
    assert watch.recorded.versions == ()


@pytest.mark.parametrize("level", ["ROW", "STATEMENT"])
@pytest.mark.parametrize("moment", ["BEFORE", "AFTER"])
def test_a_trigger_that_writes_to_another_table(made: Made, level: str, moment: str) -> None:
    witness = made(
        TABLES
        + trigger(
            f"{moment} INSERT OR UPDATE OR DELETE ON {{table}} FOR EACH {level}",
            "INSERT INTO note (text) VALUES (TG_OP); RETURN coalesce(NEW, OLD);",
        )
    )
    for statement in (
        "INSERT INTO item VALUES (1, 'a')",
        "UPDATE item SET name = 'b'",
        "DELETE FROM item",
    ):
        with witness.watching() as watch:
            sql(statement)
        assert watch.recorded.operations == {"item": statement[0], "note": "I"}


def test_a_statement_of_no_row_whose_trigger_writes(made: Made) -> None:
    witness = made(
        TABLES
        + trigger(
            "AFTER UPDATE ON {table} FOR EACH STATEMENT",
            "INSERT INTO note (text) VALUES ('none'); RETURN NULL;",
        )
    )
    with witness.watching() as watch:
        sql("UPDATE item SET name = 'b'")
    assert watch.recorded.operations == {"note": "I"}


@pytest.mark.parametrize("name", ["aaa", "zzz"])  # triggers fire in the order of their names
@pytest.mark.parametrize("level", ["ROW", "STATEMENT"])
class TestATriggerThatUpdatesTheSameTableAgain:
    def make(self, made: Made, name: str, level: str, event: str, body: str) -> Witness:
        witness = made(
            TABLES
            + "INSERT INTO item VALUES (1, 'a'), (2, 'b');"
            + trigger(
                f"AFTER {event} ON {{table}} FOR EACH {level}",
                f"IF pg_trigger_depth() < 3 AND (SELECT active FROM untracked_switch) THEN {body} END IF; RETURN NULL;",
                name,
            )
        )
        sql(ON)
        return witness

    def test_after_insert(self, made: Made, name: str, level: str) -> None:
        witness = self.make(
            made, name, level, "INSERT", "UPDATE item SET number = number + 1 WHERE id > 2;"
        )
        with witness.watching(exact=False) as watch:
            sql("INSERT INTO item VALUES (3, 'c', 0)")
        assert watch.recorded.values("item", "number", 3) == [("I", "0"), ("U", "1")]

    def test_after_update(self, made: Made, name: str, level: str) -> None:
        witness = self.make(
            made, name, level, "UPDATE", "UPDATE item SET number = number + 10 WHERE id = 1;"
        )
        with witness.watching(exact=False) as watch:
            sql("UPDATE item SET number = 1 WHERE id = 1")
        assert watch.recorded.values("item", "number", 1) == [
            ("U", "1"), ("U", "11"), ("U", "21"),
        ]  # fmt: skip

    def test_after_update_that_is_taken_back(self, made: Made, name: str, level: str) -> None:
        witness = self.make(
            made, name, level, "UPDATE", "UPDATE item SET number = 0 WHERE number <> 0;"
        )
        with witness.watching(exact=False) as watch:
            sql("UPDATE item SET number = 1 WHERE id = 1")
        assert watch.recorded.values("item", "number", 1) == [("U", "1"), ("U", "0")]

    def test_after_delete_that_is_taken_back(self, made: Made, name: str, level: str) -> None:
        witness = self.make(
            made,
            name,
            level,
            "DELETE",
            "INSERT INTO item VALUES (1, 'back') ON CONFLICT DO NOTHING;",
        )
        with witness.watching(exact=False) as watch:
            sql("DELETE FROM item WHERE id = 1")
        assert watch.recorded.values("item", "name", 1) == [("D", "a"), ("I", "back")]

    def test_after_insert_that_deletes(self, made: Made, name: str, level: str) -> None:
        witness = self.make(made, name, level, "INSERT", "DELETE FROM item WHERE id = 3;")
        with witness.watching(exact=False) as watch:
            sql("INSERT INTO item VALUES (3, 'c')")
        assert watch.recorded.values("item", "name", 3) == [("I", "c"), ("D", "c")]

    def test_after_update_that_deletes(self, made: Made, name: str, level: str) -> None:
        witness = self.make(made, name, level, "UPDATE", "DELETE FROM item WHERE number = 9;")
        with witness.watching(exact=False) as watch:
            sql("UPDATE item SET number = 9")
        assert watch.recorded.values("item", "number", 2) == [("U", "9"), ("D", "9")]

    def test_other_rows_of_the_table(self, made: Made, name: str, level: str) -> None:
        witness = self.make(
            made, name, level, "UPDATE", "UPDATE item SET number = number + 1 WHERE id = 2;"
        )
        with witness.watching(exact=False) as watch:
            sql("UPDATE item SET number = 5 WHERE id = 1")
        assert watch.recorded.values("item", "number", 1) == [("U", "5")]
        assert watch.recorded.values("item", "number", 2) == [("U", "1"), ("U", "2")]

    def test_upsert(self, made: Made, name: str, level: str) -> None:
        witness = self.make(
            made,
            name,
            level,
            "INSERT OR UPDATE",
            "UPDATE item SET number = number + 1 WHERE number < 7;",
        )
        with witness.watching(exact=False):
            sql(
                "INSERT INTO item VALUES (1, 'x', 5), (3, 'c', 5)"
                " ON CONFLICT (id) DO UPDATE SET number = excluded.number"
            )

    def test_key_change(self, made: Made, name: str, level: str) -> None:
        witness = self.make(made, name, level, "UPDATE", "UPDATE item SET id = 20 WHERE id = 10;")
        with witness.watching(exact=False) as watch:
            sql("UPDATE item SET id = 10 WHERE id = 1")
        assert watch.recorded.values("item", "name", 10) == [("I", "a"), ("D", "a")]
        assert watch.recorded.values("item", "name", 20) == [("I", "a")]

    def test_merge(self, made: Made, name: str, level: str) -> None:
        if connection.pg_version < 150000:  # type: ignore[attr-defined]
            pytest.skip("PostgreSQL has had MERGE since version 15.")
        witness = self.make(
            made,
            name,
            level,
            "INSERT OR UPDATE",
            "UPDATE item SET number = number + 1 WHERE number < 7;",
        )
        with witness.watching(exact=False):
            sql(
                "MERGE INTO item USING (VALUES (1), (2), (3)) s (id) ON item.id = s.id"
                " WHEN MATCHED AND s.id = 1 THEN UPDATE SET number = 5"
                " WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (3, 'c', 5)"
            )


def test_two_triggers_that_update_what_an_upsert_changed(made: Made) -> None:
    """The first one's update makes the second update another row, two statements deep, which the upsert had changed before."""
    body = "IF pg_trigger_depth() < 3 THEN UPDATE item SET number = number + 1 WHERE {which}; END IF; RETURN NULL;"
    witness = made(
        TABLES
        + "INSERT INTO item VALUES (1, 'a', 3);"
        + trigger("AFTER INSERT ON {table} FOR EACH ROW", body.format(which="id = NEW.id"), "a")
        + trigger(
            "AFTER INSERT OR UPDATE ON {table} FOR EACH ROW", body.format(which="number < 9"), "b"
        )
    )
    with witness.watching(exact=False) as watch:
        sql(
            "INSERT INTO item VALUES (2, 'b', 5), (1, 'b', 5)"
            " ON CONFLICT (id) DO UPDATE SET number = item.number + excluded.number"
        )
    assert watch.recorded.values("item", "number", 1) == [("U", "8"), ("U", "9")]


def test_a_before_row_trigger_that_updates_another_row(made: Made) -> None:
    witness = made(
        TABLES
        + "INSERT INTO item VALUES (1, 'a'), (2, 'b');"
        + trigger(
            "BEFORE UPDATE ON {table} FOR EACH ROW WHEN (NEW.id = 1)",
            "UPDATE item SET number = number + 1 WHERE id = 2; RETURN NEW;",
        )
    )
    with witness.watching(exact=False) as watch:
        sql("UPDATE item SET name = 'x' WHERE id = 1")
    assert watch.recorded.values("item", "number", 2) == [("U", "1")]


def test_a_deferred_trigger_that_writes_at_commit(made: Made) -> None:
    witness = made(
        TABLES
        + trigger(
            "AFTER INSERT OR UPDATE ON {table} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW",
            "INSERT INTO note (text) VALUES (NEW.name); RETURN NULL;",
        )
    )
    with witness.watching() as watch, transaction.atomic():
        sql("INSERT INTO item VALUES (1, 'a'), (2, 'b')")
    assert watch.recorded.operations == {"item": "II", "note": "II"}


def test_a_deferred_trigger_that_writes_to_its_own_table_at_commit(made: Made) -> None:
    witness = made(
        TABLES
        + trigger(
            "AFTER INSERT OR UPDATE ON {table} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW",
            "UPDATE item SET number = number + 1 WHERE id = NEW.id AND number < 3; RETURN NULL;",
        )
    )
    with witness.watching(exact=False) as watch, transaction.atomic():
        sql("INSERT INTO item VALUES (1, 'a')")
    assert watch.recorded.values("item", "number", 1) == [
        ("I", "0"), ("U", "1"), ("U", "2"), ("U", "3"),
    ]  # fmt: skip


def test_the_only_change_is_made_by_a_deferred_trigger(made: Made) -> None:
    witness = made(
        "CREATE TABLE untracked_inbox (id int);"
        + TABLES
        + trigger(
            "AFTER INSERT ON {table} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW",
            "INSERT INTO note (text) VALUES ('late'); RETURN NULL;",
            table="untracked_inbox",
        )
    )
    with witness.watching() as watch, transaction.atomic():
        sql("INSERT INTO untracked_inbox VALUES (1)")
    assert watch.recorded.operations == {"note": "I"}


def test_a_trigger_that_raises_leaves_nothing(made: Made) -> None:
    witness = made(
        TABLES
        + trigger(
            "AFTER INSERT ON {table} FOR EACH STATEMENT",
            "RAISE EXCEPTION 'no'; RETURN NULL;",
            "zzz",
        )
    )
    with witness.watching() as watch, pytest.raises(DatabaseError, match="no"):
        sql("INSERT INTO item VALUES (1, 'a')")
    assert watch.recorded.versions == ()


def test_a_deferred_trigger_that_raises_leaves_nothing(made: Made) -> None:
    witness = made(
        TABLES
        + trigger(
            "AFTER INSERT ON {table} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW",
            "INSERT INTO note (text) VALUES ('x'); RAISE EXCEPTION 'no';",
        )
    )
    with witness.watching() as watch, pytest.raises(DatabaseError, match="no"):
        sql("INSERT INTO item VALUES (1, 'a')")
    assert watch.recorded.versions == ()


def test_an_exception_that_a_function_handles_takes_back_its_part_only(made: Made) -> None:
    witness = made(TABLES + "INSERT INTO item VALUES (1, 'a'), (2, 'b');")
    with witness.watching() as watch:
        sql("""
            DO $$ BEGIN
                UPDATE item SET name = 'kept' WHERE id = 1;
                BEGIN
                    UPDATE item SET name = 'lost' WHERE id = 2;
                    INSERT INTO note (text) VALUES ('lost');
                    PERFORM 1 / 0;
                EXCEPTION WHEN division_by_zero THEN NULL;
                END;
                INSERT INTO note (text) VALUES ('kept');
            END $$
        """)
    assert watch.recorded.operations == {"item": "U", "note": "I"}


def test_the_first_change_of_a_transaction_is_taken_back_by_a_handler(made: Made) -> None:
    witness = made(TABLES)
    with witness.watching() as watch:
        sql("""
            DO $$ BEGIN
                BEGIN
                    INSERT INTO note (text) VALUES ('lost');
                    PERFORM 1 / 0;
                EXCEPTION WHEN division_by_zero THEN NULL;
                END;
                INSERT INTO note (text) VALUES ('kept');
            END $$
        """)
    assert watch.recorded.operations == {"note": "I"}


def test_functions_of_every_language_that_write(made: Made) -> None:
    witness = made(
        TABLES + "CREATE FUNCTION write_sql(n int) RETURNS int LANGUAGE sql"
        " AS 'INSERT INTO item VALUES (n, ''s'') RETURNING id';"
        "CREATE FUNCTION write_plpgsql(n int) RETURNS int LANGUAGE plpgsql"
        " AS $$ BEGIN INSERT INTO item VALUES (n, 'p'); EXECUTE 'UPDATE item SET number = 1 WHERE id = 1'; RETURN 1; END $$;"
    )
    with witness.watching() as watch:
        sql("SELECT write_sql(n) FROM generate_series(1, 3) n")
    assert watch.recorded.operations == {"item": "III"}
    with witness.watching() as watch:
        sql("SELECT write_plpgsql(4)")
    assert watch.recorded.operations == {"item": "IU"}


def test_writes_through_views_and_rules(made: Made) -> None:
    witness = made(
        TABLES
        + """
        CREATE VIEW visible AS SELECT id, name FROM item WHERE number >= 0 WITH CHECK OPTION;
        CREATE VIEW instead AS SELECT id, name FROM item;
        CREATE FUNCTION route() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN INSERT INTO item VALUES (NEW.id, NEW.name, 5); RETURN NEW; END $$;
        CREATE TRIGGER route INSTEAD OF INSERT ON instead FOR EACH ROW EXECUTE FUNCTION route();
        CREATE RULE log AS ON DELETE TO item DO ALSO INSERT INTO note (text) VALUES (OLD.name);
        """
    )
    with witness.watching() as watch:
        sql("INSERT INTO visible VALUES (1, 'a')")
    assert watch.recorded.operations == {"item": "I"}
    with witness.watching() as watch:
        sql("UPDATE visible SET name = 'b'")
    assert watch.recorded.operations == {"item": "U"}
    with witness.watching() as watch:
        sql("INSERT INTO instead VALUES (2, 'c')")
    assert watch.recorded.operations == {"item": "I"}
    with witness.watching() as watch:
        sql("DELETE FROM item WHERE id = 1")
    assert watch.recorded.operations["item"] == "D"


def test_triggers_on_a_partition(made: Made) -> None:
    witness = made(
        TABLES
        + """
        CREATE TABLE event (id int PRIMARY KEY, seen int DEFAULT 0) PARTITION BY RANGE (id);
        CREATE TABLE event_low PARTITION OF event FOR VALUES FROM (0) TO (10);
        CREATE TABLE event_high PARTITION OF event FOR VALUES FROM (10) TO (100);
        """
        + trigger(
            "AFTER INSERT ON {table} FOR EACH ROW",
            "UPDATE event SET seen = seen + 1 WHERE id = NEW.id; RETURN NULL;",
            table="event_high",
        )
    )
    with witness.watching(exact=False) as watch:
        sql("INSERT INTO event VALUES (1), (11), (12)")
    assert watch.recorded.values("event", "seen", 1) == [("I", "0")]
    assert watch.recorded.values("event", "seen", 11) == [("I", "0"), ("U", "1")]
    with witness.watching(exact=False) as watch:
        sql("INSERT INTO event_high VALUES (13)")
    assert watch.recorded.values("event", "seen", 13) == [("I", "0"), ("U", "1")]


def test_a_trigger_that_truncates(made: Made) -> None:
    witness = made(
        TABLES
        + "INSERT INTO note (text) VALUES ('a'), ('b');"
        + trigger("AFTER INSERT ON {table} FOR EACH STATEMENT", "TRUNCATE note; RETURN NULL;")
    )
    with witness.watching(deletes="T") as watch:
        sql("INSERT INTO item VALUES (1, 'a')")
    assert watch.recorded.operations == {"item": "I", "note": "TT"}
