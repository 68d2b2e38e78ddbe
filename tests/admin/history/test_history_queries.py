"""What a page of history costs does not grow with the history: queries are bounded, and go by indexes."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.admin.histories import address
from tests.builders.sending import newest
from tests.testapp.models import Customer, Order, Product

pytestmark = pytest.mark.django_db(transaction=True)


def change(obj: Any, column: str, times: int) -> None:
    """Change an object so often, each time in a transaction of its own."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"DO $$ BEGIN FOR i IN 1..{times:d} LOOP UPDATE {obj._meta.db_table} SET {column} = 'n' || i"
            f" WHERE id = {obj.pk:d}; COMMIT; END LOOP; END $$"
        )


def queries(client: Any, url: str) -> list[dict[str, str]]:
    with CaptureQueriesContext(connection) as captured:
        response = client.get(url)
    assert response.status_code == 200
    return captured.captured_queries


@pytest.fixture
def busy(transactional_db: None) -> dict[int, Customer]:
    """Give customers with 10, 1000 and 10,000 versions, and as many of an order of theirs but for the last."""
    found = {}
    for times in (10, 1_000, 10_000):
        customer = Customer.objects.create(name="c")
        customer.favourites.add(Product.objects.create(name="Bread"))
        order = Order.objects.create(customer=customer, reference=f"{times}")
        change(order, "reference", min(times, 1_000))
        change(customer, "name", times)
        found[times] = customer
        order.delete()
    return found


def test_queries_do_not_grow_with_the_history(as_superuser, busy) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    latest = newest().pk
    counts: dict[str, list[int]] = {}
    for times in (10, 1_000, 10_000):
        base = address(busy[times])
        older = as_superuser.get(base).context["page"].older or "?"
        version = busy[times].history.versions.latest("version").revision_id
        for name, url in {
            "first page": base,
            "second page": f"{base}{older}",
            "by field": f"{base}?field=email",
            "by time": f"{base}?since=2001-01-01T00:00",
            "version": f"{base}{version}/",
            "compare": f"{base}compare/?from={version}&to={latest}",
        }.items():
            found = queries(as_superuser, url)
            counts.setdefault(name, []).append(len(found))
            for query in found:
                assert "COUNT(" not in query["sql"].upper() or "CARDINALITY" in query["sql"].upper()
    for name, (few, many, most) in counts.items():
        # Where there is more than a page, it is asked which revisions were open at its end.
        assert most <= many + 1, (name, counts[name])
        assert most <= few + 5, (name, counts[name])
        assert most <= 30, (name, counts[name])


def test_the_versions_of_an_object_are_found_by_the_index_on_its_key(as_superuser, busy) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        for query in queries(as_superuser, address(busy[10_000])):
            if '"testapp_customer_history"' in query["sql"] and "SELECT" in query["sql"]:
                cursor.execute(f"EXPLAIN {query['sql']}")
                plan = "\n".join(line for (line,) in cursor.fetchall())
                assert "Seq Scan on testapp_customer_history" not in plan, plan


def test_no_object_is_named_by_ever_more_queries(as_superuser, monkeypatch) -> None:
    def ask(self: Order) -> str:
        return f"{self.reference} of {self.customer.name}"

    monkeypatch.setattr(Order, "__str__", ask)
    customer = Customer.objects.create(name="Ada")
    numbers = []
    for round_ in range(4):
        for number in range(20):
            Order.objects.create(customer=customer, reference=f"{round_}-{number}")
        numbers.append(len(queries(as_superuser, address(customer))))
    assert max(numbers) < 70
    assert numbers[-1] == numbers[-2]
