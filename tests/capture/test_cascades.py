"""What foreign keys do by themselves is recorded as it happened, in the order in which it happened."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection, transaction

from tests.capture.truth import Witness
from tests.capture.ways import sql
from tests.testapp.models import Product, Review

Made = Callable[[str], Witness]


def test_on_delete_cascade_over_three_levels(made: Made) -> None:
    witness = made("""
        CREATE TABLE parent (id int PRIMARY KEY);
        CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent ON DELETE CASCADE);
        CREATE TABLE grandchild (id int PRIMARY KEY, child int REFERENCES child ON DELETE CASCADE);
        INSERT INTO parent VALUES (1), (2), (3);
        INSERT INTO child VALUES (1, 1), (2, 1), (3, 2), (4, 3);
        INSERT INTO grandchild VALUES (1, 1), (2, 2), (3, 3), (4, 4);
    """)
    with witness.watching() as watch:
        sql("DELETE FROM parent WHERE id < 3")
    assert watch.recorded.operations == {"parent": "DD", "child": "DDD", "grandchild": "DDD"}


def test_on_delete_set_null_and_set_default(made: Made) -> None:
    witness = made("""
        CREATE TABLE parent (id int PRIMARY KEY);
        CREATE TABLE child (id int PRIMARY KEY,
            a int REFERENCES parent ON DELETE SET NULL, b int DEFAULT 9 REFERENCES parent ON DELETE SET DEFAULT);
        INSERT INTO parent VALUES (1), (2), (9);
        INSERT INTO child VALUES (1, 1, 9), (2, 9, 2), (3, 9, 9);
    """)
    with witness.watching() as watch:
        sql("DELETE FROM parent WHERE id IN (1, 2)")
    assert watch.recorded.operations == {"parent": "DD", "child": "UU"}
    assert watch.recorded.values("child", "a", 1) == [("U", None)]
    assert watch.recorded.values("child", "b", 2) == [("U", "9")]


def test_on_update_cascade_to_a_column_and_to_a_key(made: Made) -> None:
    witness = made("""
        CREATE TABLE parent (id int PRIMARY KEY);
        CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent ON UPDATE CASCADE);
        CREATE TABLE companion (id int PRIMARY KEY REFERENCES parent ON UPDATE CASCADE);
        INSERT INTO parent VALUES (1), (2);
        INSERT INTO child VALUES (1, 1), (2, 1), (3, 2);
        INSERT INTO companion VALUES (1), (2);
    """)
    with witness.watching() as watch:
        sql("UPDATE parent SET id = 10 WHERE id = 1")
    assert watch.recorded.operations == {"parent": "DI", "child": "UU", "companion": "DI"}


@pytest.mark.parametrize("action", ["CASCADE", "SET NULL", "NO ACTION"])
def test_a_row_that_takes_the_place_of_a_deleted_one(made: Made, action: str) -> None:
    """A cascade within the table puts off the trigger of the whole DELETE, until after that of the INSERT."""
    witness = made(f"""
        CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree ON DELETE {action}, number int);
        INSERT INTO tree VALUES (1, NULL, 0), (2, NULL, 0);
    """)
    with witness.watching(exact=False) as watch:
        sql(
            "WITH changed AS (UPDATE tree SET number = 9 WHERE id = 2 RETURNING number),"
            " gone AS (DELETE FROM tree WHERE id = 1 RETURNING number),"
            " made AS (INSERT INTO tree SELECT 1, NULL, number FROM changed)"
            " INSERT INTO tree SELECT 11, NULL, number FROM gone"
        )
    assert watch.recorded.values("tree", "number", 1) == [("D", "0"), ("I", "9")]


@pytest.mark.parametrize("action", ["CASCADE", "SET NULL"])
def test_a_table_that_refers_to_itself(made: Made, action: str) -> None:
    witness = made(f"""
        CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree ON DELETE {action});
        INSERT INTO tree VALUES (1, NULL), (2, 1), (3, 2), (4, 2), (5, NULL), (6, 6);
    """)
    with witness.watching() as watch:
        sql("DELETE FROM tree WHERE id IN (1, 6)")
    expected = "DDDDD" if action == "CASCADE" else "DDU"
    assert watch.recorded.operations == {"tree": expected}


@pytest.mark.parametrize("action", ["CASCADE", "SET NULL"])
def test_rows_that_the_statement_and_its_cascade_both_remove(made: Made, action: str) -> None:
    witness = made(f"""
        CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree ON DELETE {action});
        INSERT INTO tree VALUES (1, NULL), (2, 1), (3, 2), (4, 3);
    """)
    with witness.watching() as watch:
        sql("DELETE FROM tree")
    assert watch.recorded.operations == {"tree": "DDDD"}


def test_a_key_change_that_cascades_within_its_own_table(made: Made) -> None:
    witness = made("""
        CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree ON UPDATE CASCADE);
        INSERT INTO tree VALUES (1, NULL), (2, 1), (3, 2), (4, 4);
    """)
    with witness.watching(exact=False) as watch:
        sql("UPDATE tree SET id = id + 10 WHERE id IN (1, 4)")
    recorded = watch.recorded
    assert recorded.values("tree", "up", 1) == [("D", None)]
    assert recorded.values("tree", "up", 11) == [("I", None)]
    assert recorded.values("tree", "up", 2) == [("U", "11")]
    assert recorded.values("tree", "up", 14)[-1][1] == "14"
    assert recorded.events("tree", 3) == []


def test_two_foreign_keys_to_the_same_parent_change_a_row_twice(made: Made) -> None:
    witness = made("""
        CREATE TABLE parent (id int PRIMARY KEY);
        CREATE TABLE child (id int PRIMARY KEY, a int REFERENCES parent ON DELETE SET NULL,
                            b int REFERENCES parent ON DELETE SET NULL);
        INSERT INTO parent VALUES (1), (2);
        INSERT INTO child VALUES (1, 1, 1), (2, 1, 2), (3, 2, 1), (4, 2, 2);
    """)
    with witness.watching(exact=False) as watch:
        sql("DELETE FROM parent WHERE id = 1")
    recorded = watch.recorded
    assert recorded.values("child", "a", 1) == [("U", None), ("U", None)]
    assert recorded.values("child", "b", 1) == [("U", "1"), ("U", None)]
    assert recorded.operations == {"parent": "D", "child": "UUUU"}


@pytest.mark.parametrize(
    ("a", "b"), [("CASCADE", "SET NULL"), ("SET NULL", "CASCADE"), ("CASCADE", "CASCADE")]
)
@pytest.mark.parametrize("deleted", ["id = 1", "true"])
def test_two_foreign_keys_with_different_actions(made: Made, a: str, b: str, deleted: str) -> None:
    witness = made(f"""
        CREATE TABLE parent (id int PRIMARY KEY);
        CREATE TABLE child (id int PRIMARY KEY, a int REFERENCES parent ON DELETE {a},
                            b int REFERENCES parent ON DELETE {b});
        INSERT INTO parent VALUES (1), (2);
        INSERT INTO child VALUES (1, 1, 1), (2, 1, 2), (3, 2, 1), (4, 2, 2);
    """)
    with witness.watching(exact=False):
        sql(f"DELETE FROM parent WHERE {deleted}")


def test_two_foreign_keys_that_follow_the_same_key_change(made: Made) -> None:
    witness = made("""
        CREATE TABLE parent (id int PRIMARY KEY);
        CREATE TABLE child (id int PRIMARY KEY, a int REFERENCES parent ON UPDATE CASCADE,
                            b int REFERENCES parent ON UPDATE CASCADE);
        INSERT INTO parent VALUES (1), (2);
        INSERT INTO child VALUES (1, 1, 1), (2, 1, 2), (3, 2, 1);
    """)
    with witness.watching(exact=False) as watch:
        sql("UPDATE parent SET id = id + 10")
    assert watch.recorded.values("child", "a", 1)[-1] == ("U", "11")


def test_a_key_made_of_two_foreign_keys_to_the_same_parent(made: Made) -> None:
    witness = made("""
        CREATE TABLE parent (id int PRIMARY KEY);
        CREATE TABLE pair (a int REFERENCES parent ON UPDATE CASCADE ON DELETE CASCADE,
                           b int REFERENCES parent ON UPDATE CASCADE ON DELETE CASCADE, PRIMARY KEY (a, b));
        INSERT INTO parent VALUES (1), (2);
        INSERT INTO pair VALUES (1, 1), (1, 2), (2, 1);
    """)
    with witness.watching(exact=False):
        sql("UPDATE parent SET id = 10 WHERE id = 1")
    with witness.watching(exact=False) as watch:
        sql("DELETE FROM parent WHERE id = 10")
    assert watch.recorded.operations == {"parent": "D", "pair": "DDD"}


def test_a_diamond_of_cascades(made: Made) -> None:
    witness = made("""
        CREATE TABLE top (id int PRIMARY KEY);
        CREATE TABLE left_side (id int PRIMARY KEY, top int REFERENCES top ON DELETE CASCADE);
        CREATE TABLE right_side (id int PRIMARY KEY, top int REFERENCES top ON DELETE CASCADE);
        CREATE TABLE bottom (id int PRIMARY KEY, l int REFERENCES left_side ON DELETE CASCADE,
                             r int REFERENCES right_side ON DELETE SET NULL);
        INSERT INTO top VALUES (1), (2);
        INSERT INTO left_side VALUES (1, 1), (2, 2);
        INSERT INTO right_side VALUES (1, 1), (2, 2);
        INSERT INTO bottom VALUES (1, 1, 1), (2, 2, 1), (3, 2, 2), (4, 1, 2);
    """)
    with witness.watching(exact=False) as watch:
        sql("DELETE FROM top WHERE id = 1")
    assert watch.recorded.values("bottom", "r", 2) == [("U", None)]


def test_actions_on_deferrable_constraints(made: Made) -> None:
    witness = made("""
        CREATE TABLE parent (id int PRIMARY KEY);
        CREATE TABLE child (id int PRIMARY KEY, parent int
            REFERENCES parent ON DELETE CASCADE ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED);
        INSERT INTO parent VALUES (1), (2);
        INSERT INTO child VALUES (1, 1), (2, 2);
    """)
    with witness.watching(exact=False) as watch, transaction.atomic():
        sql("UPDATE parent SET id = 3 WHERE id = 1")
        sql("DELETE FROM parent WHERE id = 2")
    assert watch.recorded.operations == {"parent": "DDI", "child": "DU"}


def test_a_cascade_that_a_trigger_of_the_user_stops(made: Made) -> None:
    witness = made("""
        CREATE TABLE parent (id int PRIMARY KEY);
        CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent ON DELETE CASCADE);
        CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
        CREATE TRIGGER keep BEFORE DELETE ON child FOR EACH ROW WHEN (OLD.id = 2) EXECUTE FUNCTION keep();
        INSERT INTO parent VALUES (1);
        INSERT INTO child VALUES (1, 1), (2, 1);
    """)
    with witness.watching() as watch:
        sql("DELETE FROM parent")
    assert watch.recorded.operations == {"parent": "D", "child": "D"}


def test_a_cascade_into_a_partitioned_table(made: Made) -> None:
    witness = made("""
        CREATE TABLE parent (id int PRIMARY KEY);
        CREATE TABLE child (id int, parent int REFERENCES parent ON DELETE CASCADE ON UPDATE CASCADE,
                            PRIMARY KEY (id, parent)) PARTITION BY LIST (parent);
        CREATE TABLE child_1 PARTITION OF child FOR VALUES IN (1);
        CREATE TABLE child_rest PARTITION OF child DEFAULT;
        INSERT INTO parent VALUES (1), (2);
        INSERT INTO child VALUES (1, 1), (2, 1), (1, 2);
    """)
    with witness.watching() as watch:
        sql("UPDATE parent SET id = 5 WHERE id = 1")
    assert watch.recorded.operations == {"parent": "DI", "child": "DDII"}
    with witness.watching() as watch:
        sql("DELETE FROM parent")
    assert watch.recorded.operations == {"parent": "DD", "child": "DDD"}


def test_a_partitioned_parent(made: Made) -> None:
    witness = made("""
        CREATE TABLE parent (id int PRIMARY KEY) PARTITION BY RANGE (id);
        CREATE TABLE parent_low PARTITION OF parent FOR VALUES FROM (0) TO (10);
        CREATE TABLE parent_high PARTITION OF parent FOR VALUES FROM (10) TO (100);
        CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent ON DELETE CASCADE ON UPDATE CASCADE);
        INSERT INTO parent VALUES (1), (2), (11);
        INSERT INTO child VALUES (1, 1), (2, 2), (3, 11);
    """)
    with witness.watching() as watch:
        sql("UPDATE parent SET id = 3 WHERE id = 1")
    assert watch.recorded.operations == {"parent": "DI", "child": "U"}
    with witness.watching() as watch:
        sql("DELETE FROM parent WHERE id > 2")
    assert watch.recorded.operations == {"parent": "DD", "child": "DD"}


@pytest.mark.parametrize("statement", ["TRUNCATE parent, child, other", "TRUNCATE parent CASCADE"])
def test_truncate_of_several_tables(made: Made, statement: str) -> None:
    witness = made("""
        CREATE TABLE parent (id int PRIMARY KEY);
        CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent);
        CREATE TABLE other (id int PRIMARY KEY, child int REFERENCES child);
        INSERT INTO parent VALUES (1), (2);
        INSERT INTO child VALUES (1, 1), (2, 1), (3, 2);
        INSERT INTO other VALUES (1, 1);
    """)
    with witness.watching(deletes="T") as watch:
        sql(statement)
    assert watch.recorded.operations == {"parent": "TT", "child": "TTT", "other": "T"}


def test_a_cascade_of_many_rows(made: Made) -> None:
    witness = made("""
        CREATE TABLE parent (id int PRIMARY KEY);
        CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent ON DELETE CASCADE ON UPDATE CASCADE);
        INSERT INTO parent SELECT generate_series(1, 60);
        INSERT INTO child SELECT n, n % 60 + 1 FROM generate_series(1, 300) n;
    """)
    with witness.watching() as watch:
        sql("UPDATE parent SET id = id + 100")
    assert len(watch.recorded.versions) == 120 + 300
    with witness.watching() as watch:
        sql("DELETE FROM parent")
    assert len(watch.recorded.versions) == 60 + 300


def test_a_cascade_set_off_by_the_orm_behind_its_back(witness: Witness) -> None:
    tea = Product.objects.create(name="Tea")
    Review.objects.create(product=tea, stars=5)
    with witness.watching() as watch:
        tea.delete()
    assert watch.recorded.operations == {"testapp_product": "D", "testapp_review": "D"}


def test_on_delete_set_null_of_one_column_of_a_key(made: Made) -> None:
    if connection.pg_version < 150000:  # type: ignore[attr-defined]
        pytest.skip("PostgreSQL has had ON DELETE SET NULL (column) since version 15.")
    witness = made("""
        CREATE TABLE parent (a int, b int, PRIMARY KEY (a, b));
        CREATE TABLE child (id int PRIMARY KEY, a int, b int,
                            FOREIGN KEY (a, b) REFERENCES parent ON DELETE SET NULL (b));
        INSERT INTO parent VALUES (1, 1), (1, 2);
        INSERT INTO child VALUES (1, 1, 1), (2, 1, 2);
    """)
    with witness.watching() as watch:
        sql("DELETE FROM parent WHERE b = 1")
    assert watch.recorded.operations == {"parent": "D", "child": "U"}
