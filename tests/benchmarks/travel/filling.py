"""Fill the shop: every row is captured as it comes, so that its history is one that really came about."""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter
from typing import Any

from django.core.management import call_command
from django.db import connection

from audittrail.models import Revision
from tests.benchmarks.travel import models as shop

#: Rows of a revision; enough of them to look like a life, few enough to be filled in a minute or two.
INSERTED = 5_000
UPDATED = 1_000
#: Share of the versions that came after the history was closed.
TAIL = 0.01

SMALL = (
    "INSERT INTO travel_country (name, revised) SELECT 'country ' || g, 0 FROM generate_series(1, 50) g",
    "INSERT INTO travel_region (name, revised, country_id) SELECT 'region ' || g, 0, g % 50 + 1 FROM generate_series(1, 500) g",
    "INSERT INTO travel_city (name, revised, region_id) SELECT 'city ' || g, 0, g % 500 + 1 FROM generate_series(1, 5000) g",
    "INSERT INTO travel_department (name, revised) SELECT 'department ' || g, 0 FROM generate_series(1, 20) g",
    "INSERT INTO travel_category (name, revised, department_id) SELECT 'category ' || g, 0, g % 20 + 1 FROM generate_series(1, 200) g",
    "INSERT INTO travel_product (name, revised, category_id, price) SELECT 'product ' || g, 0, g % 200 + 1, g % 90 + 5 FROM generate_series(1, 10000) g",
    "INSERT INTO travel_employee (name, revised, department_id) SELECT 'employee ' || g, 0, g % 20 + 1 FROM generate_series(1, 1000) g",
    "INSERT INTO travel_warehouse (name, revised, city_id) SELECT 'warehouse ' || g, 0, g % 5000 + 1 FROM generate_series(1, 100) g",
)
CUSTOMERS = (
    "INSERT INTO travel_customer (name, revised, city_id, email)"
    " SELECT 'customer ' || g, 0, g * 31 %% 5000 + 1, 'customer' || g || '@example.com' FROM generate_series(1, %s) g"
)
ORDERS = (
    "INSERT INTO travel_order (customer_id, product_id, employee_id, warehouse_id, batch, status, placed_at, updated_at, total, paid, address, note)"
    " SELECT g::bigint * 7919 %% %s + 1, g::bigint * 104729 %% 10000 + 1, g %% 1000 + 1, g %% 100 + 1, g::bigint * 31 %% %s, 'new',"
    " timestamptz '2024-01-01 00:00+00' + g * interval '1 minute', timestamptz '2024-01-01 00:00+00' + g * interval '1 minute',"
    " g %% 90 + 5, g %% 4 > 0, g %% 997 || ' Long Street, ' || g %% 9973 || ' Some Town', repeat('please leave it ', g %% 3)"
    " FROM generate_series(%s, %s) g"
)
#: Each round touches every row once, in an order of its own that has nothing to do with that of the table.
UPDATE = (
    "UPDATE travel_order SET status = %s, total = total + 1, updated_at = updated_at + interval '1 day'"
    " WHERE id IN (SELECT g::bigint * %s %% %s + 1 FROM generate_series(%s, %s) g)"
)
TABLES = tuple(
    model._meta.db_table
    for model in vars(shop).values()
    if hasattr(model, "_meta") and not model._meta.abstract
)


def fill(rows: int) -> Iterator[str]:
    """Create the tables and make their history, of three versions a row; yield what has been done.

    Half of the updates are done when `"half"` is yielded, and all when `"done"` is.
    """
    call_command("migrate", verbosity=0)
    call_command("migrate", run_syncdb=True, verbosity=0)  # the shop has no migrations
    customers = max(rows // 10, 1)
    with connection.cursor() as cursor:
        for statement in SMALL:
            cursor.execute(statement)
        cursor.execute(CUSTOMERS, [customers])
        for start in range(1, rows + 1, INSERTED):
            end = min(start + INSERTED - 1, rows)
            cursor.execute(ORDERS, [customers, max(rows // 100, 1), start, end])
        yield "inserted"
        cursor.execute("VACUUM ANALYZE")
        yield from _round(rows, 7_368_787, "paid")
        yield "half"
        yield from _round(rows, 15_485_863, "shipped")
    yield "done"


def _round(rows: int, stride: int, status: str) -> Iterator[str]:
    with connection.cursor() as cursor:
        for number, start in enumerate(range(0, rows, UPDATED)):
            cursor.execute(UPDATE, [status, stride, rows, start, min(start + UPDATED, rows) - 1])
            if number % 100 == 0:
                for table in (
                    "city",
                    "region",
                    "country",
                    "product",
                    "category",
                    "department",
                    "employee",
                    "warehouse",
                ):
                    cursor.execute(
                        f"UPDATE travel_{table} SET revised = revised + 1 WHERE id %% 10 = %s",
                        [number // 100 % 10],
                    )
                cursor.execute(
                    "UPDATE travel_customer SET revised = revised + 1 WHERE id %% 5 = %s",
                    [number // 100 % 5],
                )
            if number % 250 == 249:
                cursor.execute("VACUUM travel_order")
        yield status


def add_tail(rows: int) -> int:
    """Change some more rows, which the closing has not seen; return how many."""
    tail = max(int(3 * rows * TAIL), 1)
    with connection.cursor() as cursor:
        for start in range(0, tail, UPDATED):
            cursor.execute(
                UPDATE, ["returned", 32_452_843, rows, start, min(start + UPDATED, tail) - 1]
            )
    return tail


def remember(name: str, revision: Any) -> None:
    """Note a revision under a name, in the database."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE IF NOT EXISTS moments (name text PRIMARY KEY, revision bigint)"
        )
        cursor.execute("INSERT INTO moments VALUES (%s, %s)", [name, revision.pk])


def moments() -> dict[str, Any]:
    """Return the revisions that were noted, the oldest first."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, revision FROM moments ORDER BY revision")
        found = cursor.fetchall()
    return {name: Revision.objects.get(pk=number) for name, number in found}


def tidy() -> None:
    """Give the live tables their best shape, and the planner its statistics."""
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"VACUUM FULL {table}")
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("CHECKPOINT")


def timed(generator: Iterator[str]) -> Iterator[tuple[str, float]]:
    """Yield what a generator does, with the seconds that it took."""
    clock = perf_counter()
    for done in generator:
        yield done, perf_counter() - clock
        clock = perf_counter()
