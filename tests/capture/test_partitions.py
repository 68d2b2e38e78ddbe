"""Writes to partitioned tables are recorded wherever they are aimed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

import pytest
from django.db import connection, transaction

from tests.capture.truth import Witness
from tests.capture.ways import sql
from tests.testapp.models import Measurement

ROWS = "(1, '2024-05-01', 1), (2, '2025-05-01', 2), (3, '2025-05-01', 3), (4, '1999-01-01', 4)"


@pytest.fixture
def filled(witness: Witness) -> Witness:
    """Give the observer of a partitioned table with a row for each of its partitions."""
    sql(f"INSERT INTO measurement VALUES {ROWS}")
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(DISTINCT tableoid) FROM measurement")
        assert cursor.fetchone()[0] >= 3
    return witness


def partition_of(sensor: int) -> str:
    """Return the partition that holds the row of a sensor."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tableoid::regclass::text FROM measurement WHERE sensor = %s", [sensor]
        )
        return str(cursor.fetchone()[0])


def test_statements_on_the_root_that_reach_every_partition(witness: Witness) -> None:
    for statement, operation in (
        (f"INSERT INTO measurement VALUES {ROWS}", "IIII"),
        ("UPDATE measurement SET value = value + 1", "UUUU"),
        ("DELETE FROM measurement", "DDDD"),
    ):
        with witness.watching() as watch:
            sql(statement)
        assert watch.recorded.operations == {"measurement": operation}
        assert len({version.version for version in watch.recorded.versions}) == 1


@pytest.mark.parametrize("sensor", [1, 2, 3, 4])
def test_statements_aimed_at_a_partition(filled: Witness, sensor: int) -> None:
    partition = partition_of(sensor)
    for statement, operation in (
        (f"UPDATE {partition} SET value = 9 WHERE sensor = {sensor}", "U"),
        (f"UPDATE ONLY {partition} SET value = 10 WHERE sensor = {sensor}", "U"),
        (f"DELETE FROM {partition} WHERE sensor = {sensor}", "D"),
    ):
        with filled.watching() as watch:
            sql(statement)
        assert watch.recorded.operations == {"measurement": operation}


def test_an_insert_and_a_copy_aimed_at_partitions(witness: Witness) -> None:
    for table, row in (
        ("measurement_2024", "(1, '2024-01-01', 1)"),
        ("measurement_2025", "(1, '2025-01-01', 1)"),
        ("measurement_default", "(1, '2030-01-01', 1)"),
    ):
        with witness.watching() as watch:
            sql(f"INSERT INTO {table} VALUES {row}")
        assert watch.recorded.operations == {"measurement": "I"}
        with witness.watching() as watch:
            sql(
                f"INSERT INTO {table} VALUES {row} ON CONFLICT (sensor, taken_on) DO UPDATE SET value = 2"
            )
        assert watch.recorded.operations == {"measurement": "U"}


def test_statements_aimed_at_a_partition_that_is_partitioned_itself(filled: Witness) -> None:
    with filled.watching() as watch:
        sql("UPDATE measurement_2025 SET value = 0")
    assert watch.recorded.operations == {"measurement": "UU"}
    with filled.watching() as watch:
        sql("DELETE FROM measurement_2025")
    assert watch.recorded.operations == {"measurement": "DD"}


def test_truncate_of_the_root_and_of_partitions(filled: Witness) -> None:
    for table, operations in (
        ("measurement_2024", "T"),
        ("measurement_2025", "TT"),
        ("measurement", "T"),
    ):
        with filled.watching(deletes="T") as watch:
            sql(f"TRUNCATE {table}")
        assert watch.recorded.operations == {"measurement": operations}


def test_rows_that_move_between_partitions_by_their_key(filled: Witness) -> None:
    with filled.watching() as watch:
        sql("UPDATE measurement SET taken_on = taken_on + 1000")
    assert watch.recorded.operations == {"measurement": "DDDDIIII"}
    with filled.watching() as watch:
        sql("UPDATE measurement SET sensor = sensor + 10, value = 0")
    assert watch.recorded.operations == {"measurement": "DDDDIIII"}


def test_a_move_started_on_a_partition(filled: Witness) -> None:
    with filled.watching() as watch:
        sql("UPDATE measurement_2025 SET sensor = sensor + 100")
    assert watch.recorded.operations == {"measurement": "DDII"}


def test_a_merge_into_every_partition(filled: Witness) -> None:
    if connection.pg_version < 150000:  # type: ignore[attr-defined]
        pytest.skip("PostgreSQL has had MERGE since version 15.")
    with filled.watching() as watch:
        sql(
            "MERGE INTO measurement m USING generate_series(1, 5) s (n) ON m.sensor = s.n"
            " WHEN MATCHED AND s.n = 1 THEN UPDATE SET taken_on = '2025-07-07'"
            " WHEN MATCHED AND s.n = 2 THEN UPDATE SET value = 0"
            " WHEN MATCHED AND s.n = 3 THEN DELETE"
            " WHEN NOT MATCHED THEN INSERT VALUES (s.n, '2024-12-31', 5)"
        )
    assert watch.recorded.operations == {"measurement": "DDIIU"}


@pytest.mark.parametrize("sources", ["(9), (1), (2)", "(1), (9), (2)", "(1), (2), (9), (8)", "(9)"])
def test_a_merge_that_inserts_before_it_updates(filled: Witness, sources: str) -> None:
    """PostgreSQL gives the triggers the image of the inserted row for those that are updated later."""
    if connection.pg_version < 150000:  # type: ignore[attr-defined]
        pytest.skip("PostgreSQL has had MERGE since version 15.")
    merge = (
        f"MERGE INTO measurement m USING (VALUES {sources}) s (n) ON m.sensor = s.n"
        " WHEN MATCHED THEN UPDATE SET {update} WHEN NOT MATCHED THEN INSERT VALUES (s.n, '2024-12-31', 5)"
    )
    expected = {"I": sources.count("9") + sources.count("8"), "U": len(re.findall("[12]", sources))}
    with filled.watching() as watch:
        sql(merge.format(update="value = value + 100"))
    assert Counter(watch.recorded.operations["measurement"]) == Counter(expected)


MERGES = {
    "that moves every row": (
        (
            "MERGE INTO measurement m USING generate_series(1, 4) s (n) ON m.sensor = s.n"
            " WHEN MATCHED THEN UPDATE SET taken_on = taken_on + 400"
        ),
        "DDDDIIII",
    ),
    "that inserts a row before it moves another": (
        (
            "MERGE INTO measurement m USING (VALUES (9), (1)) s (n) ON m.sensor = s.n"
            " WHEN MATCHED THEN UPDATE SET taken_on = taken_on + 400"
            " WHEN NOT MATCHED THEN INSERT VALUES (s.n, '2024-12-31', 5)"
        ),
        "DII",
    ),
    "that puts a row in the place of one that it moves": (
        (
            "MERGE INTO measurement m USING (VALUES (2, DATE '2025-05-01'), (2, '2031-01-01')) s (n, d)"
            " ON m.sensor = s.n AND m.taken_on = s.d"
            " WHEN MATCHED THEN UPDATE SET taken_on = '1999-09-09'"
            " WHEN NOT MATCHED THEN INSERT VALUES (s.n, '2025-05-01', 77)"
        ),
        "DII",
    ),
    "that deletes, moves and updates": (
        (
            "MERGE INTO measurement m USING generate_series(1, 4) s (n) ON m.sensor = s.n"
            " WHEN MATCHED AND s.n = 1 THEN DELETE"
            " WHEN MATCHED AND s.n = 2 THEN UPDATE SET taken_on = '2024-02-02'"
            " WHEN MATCHED THEN UPDATE SET value = value + 1"
        ),
        "DDIUU",
    ),
}


@pytest.mark.parametrize("name", MERGES)
@pytest.mark.parametrize("way", ["statement", "prepared", "plpgsql", "sql", "do"])
def test_a_merge(filled: Witness, name: str, way: str) -> None:
    """PostgreSQL shows statement triggers wrong images of the rows that a MERGE moves, or none."""
    if connection.pg_version < 150000:  # type: ignore[attr-defined]
        pytest.skip("PostgreSQL has had MERGE since version 15.")
    merge, operations = MERGES[name]
    prepare, run = {
        "statement": ("", merge),
        "prepared": (f"PREPARE hidden AS {merge}", "EXECUTE hidden"),
        "plpgsql": (
            f"CREATE FUNCTION hidden() RETURNS void LANGUAGE plpgsql AS $f$ BEGIN {merge}; END $f$",
            "SELECT hidden()",
        ),
        "sql": (
            f"CREATE FUNCTION hidden() RETURNS void LANGUAGE sql AS $f$ {merge} $f$",
            "SELECT hidden()",
        ),
        "do": ("", f"DO $f$ BEGIN EXECUTE $g$ {merge} $g$; END $f$"),
    }[way]
    if prepare:
        sql(prepare)
    try:
        with filled.watching(exact="in the place" not in name) as watch:
            sql(run)
    finally:
        if prepare:
            sql("DEALLOCATE hidden" if way == "prepared" else "DROP FUNCTION hidden()")
    assert watch.recorded.operations == {"measurement": operations}


def test_a_merge_in_a_trigger_of_a_partitioned_table(filled: Witness) -> None:
    """The statement that the trigger interrupts is told by statement, the one in the trigger row by row."""
    if connection.pg_version < 150000:  # type: ignore[attr-defined]
        pytest.skip("PostgreSQL has had MERGE since version 15.")
    sql(
        "CREATE FUNCTION on_move() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF pg_trigger_depth() < 2 THEN"
        " MERGE INTO measurement m USING (VALUES (4), (NEW.sensor + 100)) s (n) ON m.sensor = s.n"
        " WHEN MATCHED THEN UPDATE SET taken_on = taken_on + 300, value = value + 1"
        " WHEN NOT MATCHED THEN INSERT VALUES (s.n, '2024-12-31', 5);"
        " END IF; RETURN NEW; END $$;"
        "CREATE TRIGGER on_move BEFORE UPDATE ON measurement FOR EACH ROW EXECUTE FUNCTION on_move()"
    )
    try:
        with filled.watching(exact=False) as watch:
            sql("UPDATE measurement SET value = value + 10 WHERE sensor < 4")
    finally:
        sql("DROP TRIGGER on_move ON measurement; DROP FUNCTION on_move()")
    assert watch.recorded.operations == {"measurement": "DDDIIIIIIUUU"}


def test_a_plain_insert_after_a_move_in_the_same_transaction(filled: Witness) -> None:
    with filled.watching() as watch, transaction.atomic():
        with watch.statement():
            sql("UPDATE measurement SET taken_on = '2024-07-07' WHERE sensor = 2")
        with watch.statement():
            sql("INSERT INTO measurement VALUES (2, '2025-05-01', 7)")
        with watch.statement():
            sql("UPDATE measurement SET value = 8 WHERE sensor = 2")
    assert watch.recorded.operations == {"measurement": "DIIUU"}


@pytest.mark.parametrize("limited", [False, True])
def test_a_version_that_is_closed_by_a_move_and_followed_by_another(
    filled: Witness, limited: bool
) -> None:
    """The row that takes the old key's place belongs to the INSERT, and the one that has left to the UPDATE."""
    with filled.watching(exact=False) as watch:
        sql(
            "WITH moved AS (UPDATE measurement SET taken_on = '2031-01-01' WHERE sensor IN (2, 3) RETURNING sensor)"
            " INSERT INTO measurement SELECT sensor, '2025-05-01', 70 + sensor FROM moved"
            + " LIMIT 1"
            * limited
        )
    assert watch.recorded.operations == {"measurement": "DDIII" if limited else "DDIIII"}


def test_a_merge_after_a_change_of_the_table(made: Callable[[str], Witness]) -> None:
    """The table is the test's own, since history keeps a column that the table has no more."""
    if connection.pg_version < 150000:  # type: ignore[attr-defined]
        pytest.skip("PostgreSQL has had MERGE since version 15.")
    made(
        "CREATE TABLE reading (sensor int, taken_on date, value int, PRIMARY KEY (sensor, taken_on)) PARTITION BY RANGE (taken_on);"
        "CREATE TABLE reading_2024 PARTITION OF reading FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');"
        "CREATE TABLE reading_default PARTITION OF reading DEFAULT;"
        f"INSERT INTO reading VALUES {ROWS}"
    )
    sql("ALTER TABLE reading ADD extra int")
    sql(
        "MERGE INTO reading m USING generate_series(1, 5) s (n) ON m.sensor = s.n"
        " WHEN MATCHED THEN UPDATE SET taken_on = taken_on + 400, extra = s.n"
        " WHEN NOT MATCHED THEN INSERT VALUES (s.n, '2024-12-31', 5, 50)"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sensor, operation, extra FROM audittrail.reading_history"
            " WHERE extra IS NOT NULL ORDER BY sensor"
        )
        assert cursor.fetchall() == [(n, "I", n if n < 5 else 50) for n in range(1, 6)]


def test_the_orm_writes_to_partitions(witness: Witness) -> None:
    with witness.watching(), transaction.atomic():
        Measurement.objects.bulk_create(
            Measurement(sensor=n, taken_on=f"202{n}-01-01", value=n) for n in range(3, 8)
        )
    with witness.watching() as watch:
        Measurement.objects.filter(taken_on__year__gte=2025).delete()
    assert watch.recorded.operations == {"measurement": "DDD"}
