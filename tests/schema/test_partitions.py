"""Partitions that come, go and are exchanged."""

from __future__ import annotations

import pytest
from django.core.management import CommandError
from django.db import models

from tests.builders.workshop import Workshop, create

TABLE = """
CREATE TABLE workshop_reading (
    sensor integer, taken date, value integer, PRIMARY KEY (sensor, taken)
) PARTITION BY RANGE (taken);
CREATE TABLE workshop_reading_2024 PARTITION OF workshop_reading
    FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
"""


@pytest.fixture
def readings(shop: Workshop) -> Workshop:
    """Make the partitioned table `workshop_reading`, with a partition and a row."""
    shop.migrate(
        create(
            "Reading",
            ("pk", models.CompositePrimaryKey("sensor", "taken")),
            ("sensor", models.IntegerField()),
            ("taken", models.DateField()),
            ("value", models.IntegerField()),
            managed=False,
            keyless=True,
        ),
        synced=False,
    )
    shop.sql(TABLE)
    shop.sql("INSERT INTO workshop_reading VALUES (1, '2024-05-05', 1)")
    shop.track("Reading")
    return shop


def test_a_new_partition_is_tracked_after_sync(readings: Workshop) -> None:
    readings.sql(
        "CREATE TABLE workshop_reading_2025 PARTITION OF workshop_reading"
        " FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')"
    )
    # What goes through the partitioned table is captured at once,
    readings.sql("INSERT INTO workshop_reading VALUES (1, '2025-05-05', 2)")
    # what is aimed at the partition itself, only when it has triggers of its own.
    readings.sql("UPDATE workshop_reading_2025 SET value = 3")
    assert "out of step" in "".join(readings.problems())
    readings.sync()
    readings.sql("UPDATE workshop_reading_2025 SET value = 4")
    assert readings.history("reading", "value", where="taken >= '2025-01-01'") == [
        ("I", 2),
        ("B", 3),
        ("U", 4),
    ]


def test_a_table_with_rows_is_attached(readings: Workshop) -> None:
    readings.sql(
        "CREATE TABLE workshop_reading_2025 (LIKE workshop_reading INCLUDING ALL);"
        "INSERT INTO workshop_reading_2025 VALUES (1, '2025-05-05', 5);"
        "ALTER TABLE workshop_reading ATTACH PARTITION workshop_reading_2025"
        " FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')"
    )
    readings.sync()
    readings.sql("UPDATE workshop_reading SET value = value + 1")
    assert readings.history("reading", "value", where="taken >= '2025-01-01'") == [
        ("B", 5),
        ("U", 6),
    ]


def test_a_partition_is_detached(readings: Workshop) -> None:
    readings.sql("ALTER TABLE workshop_reading DETACH PARTITION workshop_reading_2024")
    # Its rows are no longer the table's.
    readings.sync()
    readings.sql("UPDATE workshop_reading_2024 SET value = 100")
    readings.sql("TRUNCATE workshop_reading_2024")
    assert readings.history("reading", "value") == [("B", 1), ("D", 1)]
    assert (
        readings.sql(
            "SELECT tgname FROM pg_trigger WHERE tgrelid = 'workshop_reading_2024'::regclass"
        )
        == []
    )


def test_a_partition_is_dropped(readings: Workshop) -> None:
    readings.sql("DROP TABLE workshop_reading_2024")
    # No statement has removed its rows, and nothing is left that would tell; `verify` looks.
    with pytest.raises(CommandError):
        readings.command("verify")
    assert "1 row in history that the table does not hold" in readings.output
    readings.command("verify", "--repair")
    assert readings.history("reading", "value") == [("B", 1), ("D", 1)]


def test_a_column_is_added_to_all_partitions(readings: Workshop) -> None:
    readings.sql("ALTER TABLE workshop_reading ADD unit text DEFAULT 'K'")
    readings.sql("UPDATE workshop_reading_2024 SET value = 2")
    readings.sql("UPDATE workshop_reading SET unit = 'C'")
    readings.sync()
    assert readings.history("reading", "value", "unit") == [
        ("B", 1, None),
        ("U", 2, "K"),
        ("U", 2, "C"),
    ]


def test_a_partition_has_its_columns_in_another_order(readings: Workshop) -> None:
    readings.sql(
        "CREATE TABLE workshop_reading_2025 (gone text, value integer, taken date NOT NULL, sensor integer NOT NULL);"
        "ALTER TABLE workshop_reading_2025 DROP gone;"
        "ALTER TABLE workshop_reading ATTACH PARTITION workshop_reading_2025"
        " FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')"
    )
    readings.sync()
    readings.sql(
        "INSERT INTO workshop_reading_2025 (sensor, taken, value) VALUES (3, '2025-05-05', 8)"
    )
    readings.sql("UPDATE workshop_reading_2025 SET value = 9")
    readings.sql("TRUNCATE workshop_reading_2025")
    assert readings.history("reading", "value", where="sensor = 3") == [
        ("I", 8),
        ("U", 9),
        ("T", 9),
    ]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO workshop_reading_2025 VALUES (2, '2025-05-06', 2), (3, '2025-05-07', 2)",
        "COPY workshop_reading_2025 FROM STDIN;\n2\t2025-05-06\t2\n3\t2025-05-07\t2\n\\.\n",
        "UPDATE workshop_reading_2025 SET value = 3",
        "DELETE FROM workshop_reading_2025",
        "DO $$ BEGIN INSERT INTO workshop_reading_2025 VALUES (2, '2025-05-06', 2); END $$",
        "DISCARD SEQUENCES; UPDATE workshop_reading_2025 SET value = 3",
    ],
)
def test_the_first_statement_of_a_session_is_aimed_at_a_new_partition(
    readings: Workshop, statement: str
) -> None:
    readings.sql(
        "CREATE TABLE workshop_reading_2025 PARTITION OF workshop_reading"
        " FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')"
    )
    readings.sql("INSERT INTO workshop_reading VALUES (1, '2025-05-05', 1)")
    later = "UPDATE workshop_reading SET value = value + 1"
    readings.psql(f"BEGIN; {statement}; SAVEPOINT s; {later}; ROLLBACK TO s; {later}; ROLLBACK")
    readings.psql(f"{statement}; {later}; SELECT audittrail.is_by_row()")
    assert readings.history("reading", "value", where="taken < '2025-01-01'") == [
        ("B", 1),
        ("U", 2),
    ]
    readings.sync()
