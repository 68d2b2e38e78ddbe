"""Whatever several connections do at once, `history(revision=...)` gives back what was there after each commit, for ever.

Set AUDITTRAIL_TEST_HISTORIES to a number to play that many random histories, different ones each time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from unittest import mock

import pytest
from django.db import connections, transaction
from hypothesis import given, note, settings
from hypothesis import strategies as st

from audittrail.exceptions import UnsettledError
from audittrail.models import Revision
from audittrail.revisions import settling
from tests.builders.sending import try_to_send
from tests.histories.drawing import CLIENTS, EXAMPLES, random_plays
from tests.testapp.models import Customer, Order, Product

KEYS = range(1, 5)

CHANGES = (
    "INSERT INTO testapp_customer (id, name, email, vip) VALUES ({key}, 'name {value}', '', false)",
    "INSERT INTO testapp_customer VALUES ({key}, 'name {value}', '', false) ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name",
    "UPDATE testapp_customer SET name = 'name {value}' WHERE id = {key}",
    "UPDATE testapp_customer SET vip = NOT vip",
    "DELETE FROM testapp_customer WHERE id = {key}",
    "INSERT INTO testapp_order (id, customer_id, reference, details) VALUES ({key}, {other}, 'order {key}', '{{\"a\": {value}}}')",
    "UPDATE testapp_order SET customer_id = {other} WHERE id = {key}",
    "DELETE FROM testapp_order WHERE id = {key}",
    "INSERT INTO testapp_customer_favourites (customer_id, product_id) VALUES ({key}, '{product}') ON CONFLICT DO NOTHING",
    "DELETE FROM testapp_customer_favourites WHERE customer_id = {key}",
    "UPDATE testapp_product SET stock = stock + {value}",
)
CONTROL = (
    "BEGIN",
    "COMMIT",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT s",
    "ROLLBACK TO s",
    "SET CONSTRAINTS ALL IMMEDIATE",
    "PREPARE TRANSACTION '{identifier}'",
    "PREPARE TRANSACTION '{identifier}'",
    "COMMIT PREPARED '{identifier}'",
    "ROLLBACK PREPARED '{identifier}'",
)


@dataclass(frozen=True)
class Step:
    client: int
    statement: str


@st.composite
def steps(draw: st.DrawFn) -> Step:
    """Draw a statement of one of the clients."""
    statement = draw(st.sampled_from(CHANGES + CONTROL))
    product = f"00000000-0000-0000-0000-00000000000{draw(st.integers(1, 2))}"
    return Step(
        draw(st.integers(0, CLIENTS - 1)),
        statement.format(
            identifier="{identifier}",
            key=draw(st.sampled_from(KEYS)),
            other=draw(st.sampled_from(KEYS)),
            value=draw(st.integers(0, 3)),
            product=product,
        ),
    )


def content(everything: Callable[[Any], Any]) -> list[Any]:
    """Return all rows of the tables, alone and joined."""
    return [
        sorted(everything(Customer).values_list("pk", "name", "vip")),
        sorted(everything(Order).values_list("pk", "customer", "reference", "details__a")),
        sorted(everything(Product).values_list("pk", "stock")),
        sorted(everything(Order).values_list("customer__name", "reference")),
        sorted(everything(Customer).filter(favourites__stock__gt=1).values_list("pk", "favourites__stock", "orders__reference"), key=repr),
        sorted((c.name, sorted(o.reference for o in c.orders.all())) for c in everything(Customer).prefetch_related("orders")),
        everything(Customer).filter(orders__isnull=False).distinct().count(),
    ]  # fmt: skip


def as_of(revision: Any) -> list[Any]:
    return content(lambda model: model.history(revision=revision))


@pytest.mark.django_db(transaction=True)
@settings(random_plays, max_examples=EXAMPLES or 10)
@given(chosen=st.lists(steps(), min_size=25, max_size=60))
def test_the_past_is_what_was_there_after_each_commit(chosen: list[Step], connect: Any) -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute("TRUNCATE testapp_customer, testapp_product CASCADE")
    for number in (1, 2):
        Product.objects.create(pk=f"00000000-0000-0000-0000-00000000000{number}", name="p", stock=1)
    clients = [connect(autocommit=True) for _ in range(CLIENTS)]
    for client in clients:
        run(client, "SET lock_timeout = '5ms'")
    try:
        play(chosen, clients)
    finally:
        # Left behind, a prepared transaction would keep its locks for ever.
        run(clients[0], "ROLLBACK")
        run(clients[0], "ROLLBACK PREPARED '{identifier}'")
        for client in clients:
            client.close()


def play(chosen: list[Step], clients: list[Any]) -> None:
    """Let the clients do what was chosen, and see that every answer stays what it was when it was first given."""
    truth: dict[int, tuple[Any, list[Any]]] = {}
    # One reader stays inside a transaction all the time.
    with transaction.atomic():
        for step in chosen:
            note(f"{step.client}: {step.statement}")
            run(clients[step.client], step.statement)
            for revision in (
                Revision.objects.committed().exclude(pk__in=truth).order_by("committed")
            ):
                truth[revision.pk] = (revision, [])
            latest = Revision.objects.newest_first()[0]
            try:
                with mock.patch.object(settling, "TIMEOUT", 0.02):
                    found = as_of(latest)
            except UnsettledError:
                # A prepared transaction has its place before this revision, and nobody knows whether it will be seen.
                note("   unsettled")
                assert is_prepared()
                continue
            # The newest state is the live one, as this transaction sees it, and it is never another one again.
            assert found == content(lambda model: model.objects.all())
            assert truth[latest.pk][1] in ([], found)
            truth[latest.pk] = (latest, found)
        run(clients[0], "ROLLBACK")
        run(clients[0], "COMMIT PREPARED '{identifier}'")
        check(truth)
    for client in clients:
        run(client, "COMMIT")
    check(truth)
    for client in clients[1:]:
        client.close()
    connections["default"].close()
    check(truth)


def is_prepared() -> bool:
    """Tell whether a transaction is prepared in this database."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT FROM pg_prepared_xacts WHERE database = current_database()")
        return cursor.rowcount > 0


def check(truth: dict[int, tuple[Any, list[Any]]]) -> None:
    for revision, noted in truth.values():
        if noted:
            assert as_of(revision) == noted, f"as of revision {revision}"


def run(client: Any, statement: str) -> None:
    """Execute a statement, which may fail as it may in an application."""
    # Identifiers are those of the server, which other tests may use at the same time.
    identifier = connections["default"].settings_dict["NAME"]
    try_to_send(client, statement.replace("{identifier}", identifier))
