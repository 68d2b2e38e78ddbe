"""The ways of tracking that are compared, and the database in which they are."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pghistory
import pgtrigger
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.db.models import Model

from audittrail import history
from audittrail.revisions import cursors
from tests.benchmarks.shop.models import orders as shop
from tests.benchmarks.shop.models import parcels as narrow

#: Rows that each table of orders holds before anything is measured.
PREFILLED = 100_000

FOREIGN_ROWS = 1_000
STATUSES = ("new", "paid", "packed", "shipped", "delivered", "returned")


@dataclass(frozen=True)
class Contender:
    """One way of tracking: its model, the alias of its session, and the relations that hold its history."""

    name: str
    model: type[shop.OrderColumns]
    parcel: type[narrow.ParcelColumns]
    alias: str
    history: tuple[str, ...] = ()
    parcel_history: tuple[str, ...] = ()
    context: Callable[..., AbstractContextManager[Any]] = lambda **metadata: nullcontext()

    @property
    def table(self) -> str:
        """Give the name of the table of orders."""
        return self.model._meta.db_table

    @property
    def parcel_table(self) -> str:
        """Give the name of the table of parcels."""
        return self.parcel._meta.db_table

    @property
    def parcels(self) -> Any:
        """Give a queryset of the parcels, through the contender's own session."""
        return self.parcel._default_manager.using(self.alias)

    @property
    def orders(self) -> Any:
        """Give a queryset of the orders, through the contender's own session."""
        return self.model._default_manager.using(self.alias)


UNTRACKED = Contender("untracked", shop.UntrackedOrder, narrow.UntrackedParcel, "plain")
AUDITTRAIL = Contender(
    "audittrail",
    shop.TrackedOrder,
    narrow.TrackedParcel,
    "audittrail",
    ("audittrail.shop_trackedorder_history", "audittrail.revision"),
    ("audittrail.shop_trackedparcel_history", "audittrail.revision"),
    history.context,
)
CONTENDERS = (
    UNTRACKED,
    AUDITTRAIL,
    Contender(
        "pghistory statement",
        shop.StatementOrder,
        narrow.StatementParcel,
        "default",
        ("shop_statementorderevent", "pghistory_context"),
        ("shop_statementparcelevent", "pghistory_context"),
        pghistory.context,
    ),
    Contender(
        "pghistory row",
        shop.RowOrder,
        narrow.RowParcel,
        "default",
        ("shop_roworderevent", "pghistory_context"),
        ("shop_rowparcelevent", "pghistory_context"),
        pghistory.context,
    ),
    Contender(
        "bare trigger",
        shop.BareOrder,
        narrow.BareParcel,
        "plain",
        ("bare.history",),
        ("bare.parcel_history", "bare.revision"),
    ),
)


def separate_sessions() -> None:
    """Let only audittrail's own session send the context, so that the others are as if it were not installed."""
    connection_created.disconnect(dispatch_uid="audittrail.cursors")
    connection_created.connect(_install, dispatch_uid="audittrail.cursors")


def _install(connection: BaseDatabaseWrapper, **kwargs: object) -> None:
    if connection.alias == AUDITTRAIL.alias:
        cursors.install(connection)


def build(kinds: Collection[str]) -> None:
    """Create the tables, track them in all ways, and fill those of some kinds, "orders" and "parcels", with the same rows."""
    call_command("migrate", verbosity=0)
    call_command("migrate", run_syncdb=True, verbosity=0)  # the shop has no migrations
    logging.getLogger("pgtrigger").setLevel(logging.WARNING)
    pgtrigger.install()
    with connection.cursor() as cursor:
        cursor.execute(Path(__file__).with_name("bare_triggers.sql").read_text())
        for model in (shop.Customer, shop.Store, narrow.Label):
            cursor.execute(
                f"INSERT INTO {model._meta.db_table} (name) SELECT 'name ' || g FROM generate_series(1, {FOREIGN_ROWS}) g"
            )
    for number in range(5):
        get_user_model()._default_manager.create(username=f"user {number}")
    if "orders" in kinds:
        orders = [order(shop.UntrackedOrder, number) for number in range(PREFILLED)]
        shop.UntrackedOrder._default_manager.bulk_create(orders, batch_size=10_000)
        _copy([contender.model for contender in CONTENDERS])
    if "parcels" in kinds:
        parcels = [parcel(narrow.UntrackedParcel, number) for number in range(PREFILLED)]
        narrow.UntrackedParcel._default_manager.bulk_create(parcels, batch_size=10_000)
        _copy([contender.parcel for contender in CONTENDERS])
    settle()
    for contender in CONTENDERS:
        size_of_row(contender)
        size_of_parcel(contender)


def _copy(models: Sequence[type[Model]]) -> None:
    """Copy the rows of the first of some models into the tables of the others."""
    first, *others = models
    fields = [field for field in first._meta.local_fields if not field.primary_key]
    names = ", ".join(str(field.column) for field in fields)
    with connection.cursor() as cursor:
        for model in others:
            # In parts, because django-pghistory's row triggers take the longer per row the more there are.
            for part in range(0, PREFILLED, 5_000):
                cursor.execute(
                    f"INSERT INTO {model._meta.db_table} ({names})"
                    f" SELECT {names} FROM {first._meta.db_table} ORDER BY id LIMIT 5000 OFFSET {part}"
                )


def sizes(relations: Iterable[str]) -> int:
    """Return how many bytes relations take with their indexes."""
    with connections["plain"].cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(pg_total_relation_size(name::regclass)), 0)::bigint"
            " FROM unnest(%s::text[]) name",
            [list(relations)],
        )
        return int(cursor.fetchone()[0])


@cache
def size_of_row(contender: Contender) -> float:
    """Return the bytes of an order with its indexes, as they were before anything was measured."""
    return sizes([contender.table]) / PREFILLED


@cache
def size_of_parcel(contender: Contender) -> float:
    """Return the bytes of a parcel with its indexes, as they were before anything was measured."""
    return sizes([contender.parcel_table]) / PREFILLED


def order(model: type[shop.OrderColumns], number: int) -> Any:
    """Return order `number` of a table, not saved."""
    from datetime import UTC, datetime, timedelta
    from decimal import Decimal

    moment = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=number)
    street, town = number * 7919 % 997, number * 104_729 % 9_973
    return model(
        code=f"ORD-{number:010d}",
        customer_id=number * 31 % FOREIGN_ROWS + 1,
        store_id=number * 17 % FOREIGN_ROWS + 1,
        handled_by_id=number % 5 + 1 if number % 3 else None,
        status=STATUSES[number % len(STATUSES)],
        placed_at=moment,
        updated_at=moment,
        currency="EUR",
        total=Decimal(number * 37 % 100_000) / 100 + 5,
        tax=Decimal(number * 7 % 19_000) / 100,
        paid=number % 4 > 0,
        email=f"customer{number % FOREIGN_ROWS}@example.com",
        shipping_address=f"{street} Long Street, {town:05d} Some Town, Some Country",
        note="please leave it with the neighbours" if number % 5 == 0 else "",
    )


def parcel(model: type[narrow.ParcelColumns], number: int) -> Any:
    """Return parcel `number` of a table, not saved."""
    from datetime import UTC, datetime, timedelta
    from decimal import Decimal

    return model(
        code=f"PAR-{number:010d}",
        customer_id=number * 31 % FOREIGN_ROWS + 1,
        status=STATUSES[number % len(STATUSES)],
        weight=number * 7919 % 30_000,
        price=Decimal(number * 37 % 100_000) / 100 + 5,
        packed=number % 4 > 0,
        address=f"{number * 7919 % 997} Long Street, {number * 104_729 % 9_973:05d} Some Town, Some Country"
        + " and how to find it" * 10,
        updated_at=datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=number),
    )


def settle() -> None:
    """Leave nothing to the autovacuum and the checkpointer that would fall into the next measure."""
    with connections["plain"].cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("CHECKPOINT")
