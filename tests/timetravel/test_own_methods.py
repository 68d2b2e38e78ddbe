"""What a queryset's or a manager's own method asks is of the moment of the queryset, whenever it runs and wherever it is in the result."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync, iscoroutinefunction
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.test.utils import isolate_apps

from audittrail import history
from audittrail.models import Revision
from tests.builders import world
from tests.builders.sending import newest
from tests.testapp.models import Customer, Order, Product

BOTH = pytest.mark.django_db(transaction=True, databases=["default", "other"])


async def names_of(model: Any) -> set[str]:
    return {found.name async for found in model.objects.all()}


class Circle(models.QuerySet[Any]):
    """Methods of every kind that ask classes, by values alone."""

    async def awaited(self) -> set[str]:
        await asyncio.sleep(0)
        return {found.name async for found in self.model.objects.all()}

    def to_await(self) -> Any:
        return names_of(self.model)

    async def awaited_queryset(self) -> Any:
        return self.model.objects.all()

    def generated(self) -> Iterator[str]:
        yield from sorted(found.name for found in self.model.objects.all())

    def generated_querysets(self) -> Iterator[Any]:
        yield self.model.objects.all()

    async def generated_async(self) -> AsyncIterator[str]:
        async for found in self.model.objects.order_by("name"):
            yield found.name

    def sent(self) -> Iterator[set[str]]:
        asked: Any = yield set()
        try:
            yield {found.name for found in self.model.objects.filter(name=asked)}
        except KeyError:
            yield {found.name for found in self.model.objects.all()}

    def in_tuple(self) -> tuple[str, Any]:
        return "all", self.model.objects.all()

    def in_list(self) -> list[Any]:
        return [self.model.objects.all()]

    def in_dict(self) -> dict[str, Any]:
        return {"all": self.model.objects.all()}

    def products(self) -> int:
        return Product.objects.count()

    def returned_products(self) -> Any:
        return Product.objects.all()

    def orders(self) -> list[str]:
        return [order.reference for order in Order.objects.all()]

    def types(self) -> int:
        return ContentType.objects.count()

    def now(self) -> set[str]:
        with history.in_the_present():
            return {found.name for found in self.model.objects.all()}


def names(queryset: Any) -> set[str]:
    return {found.name for found in queryset}


def run(coroutine: Any) -> Any:
    async def wait() -> Any:
        return await coroutine

    return async_to_sync(wait)()


def gathered(steps: Any) -> list[Any]:
    async def gather() -> list[Any]:
        return [found async for found in steps]

    return async_to_sync(gather)()  # type: ignore[no-any-return]


WAYS: dict[str, Callable[[Any], set[str]]] = {
    "coroutine": lambda q: run(q.awaited()),
    "coroutine of a task": lambda q: run(_task(q)),
    "coroutine that a method returns": lambda q: run(q.to_await()),
    "queryset of a coroutine": lambda q: names(run(q.awaited_queryset())),
    "generator": lambda q: set(q.generated()),
    "querysets of a generator": lambda q: names(next(q.generated_querysets())),
    "async generator": lambda q: set(gathered(q.generated_async())),
    "tuple": lambda q: names(q.in_tuple()[1]),
    "list": lambda q: names(q.in_list()[0]),
    "dict": lambda q: names(q.in_dict()["all"]),
}


async def _task(queryset: Any) -> Any:
    return await asyncio.create_task(queryset.awaited())


@pytest.fixture
def members() -> Iterator[Any]:
    """Give a model whose querysets have the methods above."""
    with isolate_apps("tests.testapp"):

        class Member(Customer):
            objects = Circle.as_manager()

            class Meta:
                proxy = True
                app_label = "testapp"

        yield Member


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_whatever_runs_later_is_of_the_moment(
    created: Revision, members: Any, way: Callable[[Any], set[str]]
) -> None:
    world.change()
    present = names(Customer.objects.all())
    assert way(history.of(members)(revision=created)) == {"Wim", "Xia", "Yan", "Zoe"}
    with history.at_rev(created):
        assert way(history.of(members)) == {"Wim", "Xia", "Yan", "Zoe"}
    assert way(members.objects.all()) == present != {"Wim", "Xia", "Yan", "Zoe"}


@pytest.mark.django_db(transaction=True)
def test_between_the_steps_of_a_generator_others_read_the_present(
    created: Revision, members: Any
) -> None:
    world.change()
    present = names(Customer.objects.all())
    past = history.of(members)(revision=created)
    steps = past.sent()
    assert next(steps) == set()
    assert names(Customer.objects.all()) == present
    assert steps.send("Zoe") == {"Zoe"}
    assert names(Customer.objects.all()) == present
    assert steps.throw(KeyError()) == {"Wim", "Xia", "Yan", "Zoe"}
    steps.close()
    assert names(Customer.objects.all()) == present == past.now()
    assert iscoroutinefunction(past.awaited)
    assert not iscoroutinefunction(past.sent)


class ProductsElsewhere:
    """Send products to the other database, and what is read of customers and orders as well if it is a replica."""

    reads_all = False

    def db_for_read(self, model: Any, **hints: Any) -> str | None:
        return "other" if self.reads_all or model is Product else None


@BOTH
def test_what_routers_send_elsewhere_is_read_there_as_of_the_same_time(
    created: Revision, members: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    Product.objects.using("other").create(name="Elsewhere", price=1)
    Customer.objects.using("default").update(name="changed")
    revision = newest()
    Product.objects.using("other").create(name="Later", price=1)
    settings.DATABASE_ROUTERS = [ProductsElsewhere()]
    past = history.of(members)(revision=revision)
    assert past.products() == 1
    assert names(past.returned_products()) == {"Elsewhere"}
    # A replica is asked for all that is read; what belongs to the queryset stays where the queryset is.
    monkeypatch.setattr(ProductsElsewhere, "reads_all", True)
    earlier = history.of(members)(revision=created)
    assert run(earlier.awaited()) == {"Wim", "Xia", "Yan", "Zoe"}


@pytest.mark.django_db(transaction=True)
def test_what_is_not_tracked_is_read_as_it_is_now(
    created: Revision, members: Any, settings: Any
) -> None:
    Order.objects.filter(pk=Order.objects.earliest("pk").pk).update(reference="changed")
    past = history.of(members)(revision=created)
    assert "changed" not in past.orders()
    assert past.types() == ContentType.objects.count()
    settings.AUDITTRAIL_EXCLUDE = ["testapp.Order"]
    assert "changed" in past.orders()
