"""Querysets that a project keeps, in a module, a class or a `Prefetch`: reading the past changes nothing about them, nor the other way round."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.contrib.contenttypes.prefetch import GenericPrefetch
from django.db.models import Prefetch, QuerySet, prefetch_related_objects
from django.test.utils import isolate_apps

from audittrail import history
from audittrail.models import Revision
from tests.builders import world
from tests.builders.sending import newest
from tests.testapp.models import Country, Customer, Order, Product, TaggedNote

pytestmark = pytest.mark.django_db(transaction=True)


def state(queryset: QuerySet[Any]) -> Any:
    return type(queryset), queryset._db, queryset._hints, type(queryset.query), str(queryset.query)


KEPT = {
    "reverse": lambda: (Customer, Prefetch("orders", Order.objects.all()), lambda c: c.orders),
    "reverse, filtered": lambda: (Customer, Prefetch("orders", Order.objects.exclude(reference="R11")), lambda c: c.orders),
    "m2m": lambda: (Customer, Prefetch("favourites", Product.objects.all()), lambda c: c.favourites),
    "foreign key": lambda: (Order, Prefetch("customer", Customer.objects.all()), None),
    "generic relation": lambda: (Country, Prefetch("notes", TaggedNote.objects.all()), lambda c: c.notes),
    "generic key": lambda: (TaggedNote, GenericPrefetch("target", [Country.objects.all()]), None),
}  # fmt: skip


def querysets(prefetch: Any) -> list[Any]:
    """Return what the Prefetch was given, not the copies that it gives away."""
    kept = vars(prefetch)
    return list(kept.get("querysets") or [kept["queryset"]])


def answer(model: Any, prefetch: Any) -> list[Any]:
    """Return what the objects of a model lead to by a Prefetch, as the page of a project shows it."""
    told = []
    for found in model.objects.prefetch_related(prefetch).order_by("pk"):
        led = getattr(found, prefetch.prefetch_to)
        # Nothing asks for an order, so the server may answer in another one the next time.
        told.append(sorted(str(it) for it in led.all()) if hasattr(led, "all") else str(led))
    return told


@pytest.mark.parametrize("kind", KEPT)
def test_a_kept_prefetch_reads_as_it_did_after_it_was_used_elsewhere(
    kind: str, created: Revision
) -> None:
    model, prefetch, _ = KEPT[kind]()
    TaggedNote.objects.exclude(content_type=ContentType.objects.get_for_model(Country)).delete()
    created = newest()
    then = answer(*KEPT[kind]()[:2])
    world.change()
    now = answer(*KEPT[kind]()[:2])
    assert then != now
    before = [state(queryset) for queryset in querysets(prefetch)]
    for _round in range(2):
        with history.travelling(created):
            assert answer(model, prefetch) == then
        assert [state(queryset) for queryset in querysets(prefetch)] == before
        assert answer(model, prefetch) == now
        assert [state(queryset) for queryset in querysets(prefetch)] == before


def test_a_kept_prefetch_of_the_past_may_be_used_again(created: Revision) -> None:
    prefetch = Prefetch("orders", Order.history(revision=created))
    before = state(querysets(prefetch)[0])
    customers = list(Customer.history(revision=created).order_by("pk"))
    world.change()
    for _round in range(2):
        prefetch_related_objects(customers, prefetch)
        assert [len(customer.orders.all()) for customer in customers] == [1, 2, 3, 0]
    assert state(querysets(prefetch)[0]) == before


def test_a_kept_queryset_with_a_prefetch_serves_every_moment(created: Revision) -> None:
    kept = Customer.objects.order_by("pk").prefetch_related(
        Prefetch("orders", Order.objects.order_by("pk"))
    )
    world.change()
    later = newest()

    def told() -> Any:
        return [(c.name, [o.details for o in c.orders.all()]) for c in kept.all()]

    present = told()
    with history.travelling(created):
        past = told()
    assert told() == present != past
    with history.travelling(later):
        assert told() == present
    with history.travelling(created):
        assert told() == past


@isolate_apps("tests.testapp")
def test_a_manager_that_gives_away_a_queryset_that_it_keeps_finds_it_as_it_was(
    created: Revision,
) -> None:
    from django.db import models

    class Keeping(models.Manager[Any]):
        kept: Any = None

        def get_queryset(self) -> Any:
            if self.kept is None:
                type(self).kept = super().get_queryset().filter(vip=True)
            return self.kept

    class Regular(Customer):
        objects = Keeping()

        class Meta:
            proxy = True
            app_label = "testapp"

    assert len(Regular.objects.get_queryset()._chain()) == 2
    before = state(Keeping.kept)
    world.change()
    assert {c.name for c in history.of(Regular)(revision=created)} == {"Zoe", "Xia"}
    assert state(Keeping.kept) == before
    assert history.of(Regular).deleted().count() == 1
    assert state(Keeping.kept) == before


def test_nothing_is_prefetched_for_no_objects(created: Revision) -> None:
    key: Any = TaggedNote.target
    assert list(key.get_prefetch_querysets([])[0]) == []
    prefetch_related_objects([], "target")
