"""What several commands, referential actions and triggers of one statement do to a row is told in true order.

They are captured in another order than they come about in, and the last version of each row must be the row all the same.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import transaction

from tests.capture.truth import Witness
from tests.capture.ways import sql

Made = Callable[[str], Witness]

PARENT_AND_CHILD = """
CREATE TABLE person (id int PRIMARY KEY);
CREATE TABLE page (id int PRIMARY KEY, creator int REFERENCES person ON DELETE SET NULL ON UPDATE CASCADE,
                   editor int REFERENCES person ON DELETE SET NULL ON UPDATE CASCADE, edits int DEFAULT 0);
CREATE FUNCTION count_edit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN UPDATE page SET edits = edits + 1 WHERE id = NEW.id; RETURN NULL; END $$;
CREATE TRIGGER count_edit AFTER UPDATE OF creator, editor ON page FOR EACH ROW EXECUTE FUNCTION count_edit();
INSERT INTO person SELECT generate_series(1, 3);
INSERT INTO page VALUES (1, 1, 1), (2, 1, 2), (3, 2, 1), (4, 3, 3);
"""
TREE = """
CREATE TABLE node (id int PRIMARY KEY, parent int REFERENCES node ON UPDATE CASCADE ON DELETE CASCADE, name text);
INSERT INTO node VALUES (1, NULL, 'root'), (2, 1, 'a'), (3, 1, 'b'), (4, 2, 'c');
"""


def test_two_referential_actions_and_a_row_trigger_on_one_row(made: Made) -> None:
    witness = made(PARENT_AND_CHILD)
    with witness.watching(exact=False) as watch:
        sql("DELETE FROM person WHERE id = 1")
    assert watch.recorded.values("page", "edits", 1) == [
        ("U", "0"),
        ("U", "0"),
        ("U", "1"),
        ("U", "2"),
    ]
    with witness.watching(exact=False):
        sql("UPDATE person SET id = id + 10")
    with witness.watching(exact=False):
        sql("DELETE FROM person")


def test_both_in_a_transaction_with_other_changes(made: Made) -> None:
    witness = made(PARENT_AND_CHILD)
    with witness.watching(exact=False), transaction.atomic():
        sql("UPDATE page SET edits = 5")
        sql("DELETE FROM person WHERE id = 1")
        sql("UPDATE page SET creator = 3, editor = 2")
        sql("DELETE FROM person WHERE id > 1")


def test_a_cascade_of_keys_within_a_table_that_uses_a_key_again(made: Made) -> None:
    witness = made(TREE)
    with witness.watching(exact=False):
        sql(
            "WITH gone AS (UPDATE node SET id = 20 WHERE id = 2 RETURNING 1)"
            " INSERT INTO node SELECT 2, NULL, 'new' FROM gone"
        )
    with witness.watching(exact=False):
        sql("UPDATE node SET id = id + 1 WHERE id IN (20, 4)")
    with witness.watching(exact=False):
        sql("UPDATE node SET id = CASE id WHEN 1 THEN 100 ELSE id END, name = name || '!'")


def test_an_insert_beside_a_deletion_that_cascades_to_the_new_row(made: Made) -> None:
    witness = made(TREE)
    with witness.watching(exact=False) as watch:
        sql(
            "WITH i AS (INSERT INTO node VALUES (5, 2, 'd') RETURNING 1) DELETE FROM node WHERE id = 2"
        )
    assert watch.recorded.values("node", "name", 5) == [("I", "d"), ("D", "d")]
    with witness.watching(exact=False):
        sql(
            "WITH i AS (INSERT INTO node VALUES (6, 3, 'd'), (7, NULL, 'e') RETURNING 1) DELETE FROM node WHERE id = 3"
        )
    with witness.watching(exact=False):
        sql(
            "WITH d AS (DELETE FROM node WHERE id = 7 RETURNING *) INSERT INTO node SELECT id, 1, 'again' FROM d"
        )


def test_a_key_that_is_left_and_taken_by_two_commands_of_a_statement(made: Made) -> None:
    witness = made(
        "CREATE TABLE spot (id int PRIMARY KEY, name text); INSERT INTO spot VALUES (1, 'a'), (2, 'b'), (3, 'c')"
    )
    with witness.watching(exact=False):
        sql(
            "WITH a AS (UPDATE spot SET id = id + 100 WHERE id < 3 RETURNING id)"
            " INSERT INTO spot SELECT 1, 'new' FROM a LIMIT 1"
        )
    with witness.watching(exact=False):
        sql(
            "WITH d AS (DELETE FROM spot WHERE id >= 101 RETURNING id) INSERT INTO spot SELECT 101, 'newer' FROM d LIMIT 1"
        )
    with witness.watching(exact=False):
        sql(
            "WITH d AS (DELETE FROM spot WHERE id = 101 RETURNING id) UPDATE spot SET id = 101 WHERE id = 1 AND EXISTS (SELECT FROM d)"
        )


def test_a_key_that_is_taken_again_by_the_first_statement_of_a_transaction(made: Made) -> None:
    witness = made(
        """
        CREATE TABLE owner (id int PRIMARY KEY);
        CREATE TABLE part (id int, state int DEFAULT 0, owner int REFERENCES owner ON DELETE CASCADE, n int,
                           PRIMARY KEY (id, state)) PARTITION BY LIST (state);
        CREATE TABLE part_0 PARTITION OF part FOR VALUES IN (0);
        INSERT INTO part (id, n) VALUES (2, 5), (3, 6);
        """
    )
    with witness.watching(exact=False) as watch, transaction.atomic():
        sql(
            "WITH c AS (INSERT INTO part (id, n) VALUES (1, 8), (2, 0) ON CONFLICT (id, state)"
            " DO UPDATE SET n = part.n + EXCLUDED.n RETURNING 1)"
            " UPDATE part SET id = id + 10 WHERE EXISTS (SELECT FROM c)"
        )
    assert watch.recorded.values("part", "n", 2, 0) == [("D", "5"), ("I", "0")]


@pytest.mark.parametrize("deferred", ["DEFERRABLE", "DEFERRABLE INITIALLY DEFERRED"])
def test_rows_that_share_a_deferrable_key_for_a_while(made: Made, deferred: str) -> None:
    witness = made(
        f"CREATE TABLE place (id int PRIMARY KEY {deferred}, name text); INSERT INTO place VALUES (1, 'a'), (2, 'b'), (3, 'c')"
    )
    with witness.watching(exact=False), transaction.atomic():
        sql("SET CONSTRAINTS ALL DEFERRED")
        sql("INSERT INTO place VALUES (1, 'new')")
        sql("DELETE FROM place WHERE name = 'a'")
    with witness.watching(exact=False), transaction.atomic():
        sql("SET CONSTRAINTS ALL DEFERRED")
        sql("UPDATE place SET id = 3 WHERE id = 2")
        sql("UPDATE place SET id = 2 WHERE name = 'c'")
    with witness.watching(exact=False), transaction.atomic():
        sql("SET CONSTRAINTS ALL DEFERRED")
        sql("UPDATE place SET id = 2 WHERE name = 'b'")
        sql("DELETE FROM place WHERE name = 'b'")
    with witness.watching(exact=False):
        sql("UPDATE place SET id = 3 - id WHERE id < 3")
    with witness.watching(exact=False), transaction.atomic():
        sql("SET CONSTRAINTS ALL DEFERRED")
        sql(
            "WITH i AS (INSERT INTO place SELECT id, name || '2' FROM place RETURNING 1) DELETE FROM place"
        )
    with witness.watching(exact=False), transaction.atomic():
        sql("SET CONSTRAINTS ALL DEFERRED")
        sql("UPDATE place SET id = id + 1")
        sql(
            "UPDATE place SET id = 2, name = 'x' WHERE id = 4; UPDATE place SET id = 1 WHERE name = 'new2'"
        )
        sql("DELETE FROM place WHERE name = 'x'")


def test_an_insert_that_a_trigger_changes_again_beside_the_same_row_of_a_loop(made: Made) -> None:
    """A counter that every row of one statement counts up."""
    witness = made(
        """
        CREATE TABLE bill (id int PRIMARY KEY, total int DEFAULT 0);
        CREATE TABLE position (id int PRIMARY KEY, bill int REFERENCES bill ON DELETE CASCADE, price int);
        CREATE FUNCTION sum_up() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN UPDATE bill SET total = total + NEW.price WHERE id = NEW.bill; RETURN NULL; END $$;
        CREATE TRIGGER sum_up AFTER INSERT ON position FOR EACH ROW EXECUTE FUNCTION sum_up();
        """
    )
    with witness.watching(exact=False) as watch:
        sql(
            "WITH b AS (INSERT INTO bill VALUES (1), (2) RETURNING id)"
            " INSERT INTO position SELECT n, 1 + n % 2, n FROM generate_series(1, 20) n"
        )
    assert watch.recorded.values("bill", "total", 1)[:2] == [("I", "0"), ("U", "2")]
    assert len(watch.recorded.values("bill", "total", 1)) == 11
    with witness.watching(exact=False):
        sql("DO $$ BEGIN FOR n IN 1 .. 5 LOOP UPDATE bill SET total = -total; END LOOP; END $$")


def test_row_security_hides_rows_from_their_owner(made: Made) -> None:
    """What the owner of history can't see of a table does not count as gone."""
    witness = made(TREE + "ALTER TABLE node ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    with witness.watching(exact=False):
        sql("UPDATE node SET id = id + 10 WHERE id = 1")
