"""Past and present, or two moments, never meet in one query: every attempt is an error that says what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.contenttypes.prefetch import GenericPrefetch
from django.db.models import (
    Case,
    Count,
    Exists,
    F,
    OuterRef,
    Prefetch,
    Q,
    Subquery,
    When,
    prefetch_related_objects,
)
from django.test.utils import isolate_apps

from audittrail import history
from audittrail.exceptions import MixedMomentsError
from audittrail.models import Revision
from tests.builders import world
from tests.builders.sending import newest
from tests.testapp.models import Country, Customer, Order, Person, Product, TaggedNote

pytestmark = pytest.mark.django_db(transaction=True)

#: Takes how to get all objects of a model at one moment, and at another one.
Mix = Callable[[Any, Any], Any]


def orders_of(q: Any) -> Any:
    return q(Order).filter(customer=OuterRef("pk"))


MIXES: dict[str, Mix] = {
    "|": lambda a, b: a(Customer) | b(Customer),
    "&": lambda a, b: a(Customer) & b(Customer),
    "^": lambda a, b: a(Customer) ^ b(Customer),
    "| of filtered": lambda a, b: a(Customer).filter(vip=True) | b(Customer).filter(vip=False),
    "| of nothing": lambda a, b: a(Customer).none() | b(Customer),
    "| with nothing": lambda a, b: a(Customer) | b(Customer).none(),
    "union": lambda a, b: list(a(Customer).union(b(Customer))),
    "union of three": lambda a, b: list(a(Customer).union(a(Customer), b(Customer))),
    "intersection": lambda a, b: list(a(Customer).intersection(b(Customer))),
    "difference": lambda a, b: list(a(Customer).difference(b(Customer))),
    "union of related": lambda a, b: list(a(Customer)[0].orders.union(b(Order))),
    "in": lambda a, b: list(a(Customer).filter(pk__in=b(Customer))),
    "in values": lambda a, b: list(a(Customer).filter(pk__in=b(Order).values("customer"))),
    "in of a relation": lambda a, b: list(a(Customer).filter(orders__in=b(Order))),
    "not in": lambda a, b: list(a(Customer).exclude(pk__in=b(Customer))),
    "in, deep": lambda a, b: list(a(Customer).filter(orders__in=a(Order).filter(lines__product__in=b(Product)))),
    "Q": lambda a, b: list(a(Customer).filter(Q(vip=True) | Q(pk__in=b(Customer)))),
    "exact": lambda a, b: list(a(Customer).filter(pk=b(Customer).values("pk")[:1])),
    "greater": lambda a, b: list(a(Product).filter(price__gt=b(Product).values("price")[:1])),
    "Subquery": lambda a, b: list(a(Customer).annotate(x=Subquery(orders_of(b).values("reference")[:1]))),
    "Subquery counted": lambda a, b: a(Customer).annotate(x=Subquery(orders_of(b).values("reference")[:1])).filter(x="R").count(),
    "Exists": lambda a, b: list(a(Customer).filter(Exists(orders_of(b)))),
    "not Exists": lambda a, b: list(a(Customer).filter(~Exists(orders_of(b)))),
    "Exists, deep": lambda a, b: list(a(Customer).filter(Exists(orders_of(a).filter(Exists(b(Product)))))),
    "Exists in exists()": lambda a, b: a(Customer).filter(Exists(orders_of(b))).exists(),
    "Case": lambda a, b: list(a(Customer).annotate(x=Case(When(Exists(orders_of(b)), then=F("name"))))),
    "aggregate": lambda a, b: a(Customer).aggregate(n=Count("pk", filter=Exists(orders_of(b)))),
    "aggregate of a slice": lambda a, b: a(Customer)[:3].aggregate(n=Count("pk", filter=Q(pk__in=b(Customer).values("pk")))),
    "aggregate of Subquery": lambda a, b: a(Customer).annotate(x=Subquery(orders_of(b).values("pk")[:1])).aggregate(Count("x")),
    "order_by": lambda a, b: list(a(Customer).order_by(Exists(orders_of(b)))),
    "alias": lambda a, b: list(a(Customer).alias(x=Exists(orders_of(b))).filter(x=True)),
    "values": lambda a, b: list(a(Customer).values(x=Exists(orders_of(b)))),
    "Prefetch": lambda a, b: list(a(Customer).prefetch_related(Prefetch("orders", b(Order)))),
    "Prefetch of a foreign key": lambda a, b: list(a(Order).prefetch_related(Prefetch("customer", b(Customer)))),
    "Prefetch of m2m": lambda a, b: list(a(Customer).prefetch_related(Prefetch("favourites", b(Product)))),
    "Prefetch of one to one": lambda a, b: list(a(Customer).prefetch_related(Prefetch("profile", b(Customer.profile.related.related_model)))),
    "Prefetch to_attr": lambda a, b: list(a(Customer).prefetch_related(Prefetch("orders", b(Order), to_attr="x"))),
    "Prefetch of generic relation": lambda a, b: list(a(Country).prefetch_related(Prefetch("notes", b(TaggedNote)))),
    "GenericPrefetch": lambda a, b: list(a(TaggedNote).prefetch_related(GenericPrefetch("target", [b(Country)]))),
    "related |": lambda a, b: a(Customer)[0].orders.all() | b(Order),
    "related in": lambda a, b: list(a(Customer).filter(pk__in=b(Customer)[0].orders.values("customer"))),
    "in of a relation of related": lambda a, b: list(a(Customer)[0].orders.filter(customer__in=b(Customer))),
    "related in related": lambda a, b: list(a(Customer)[0].orders.filter(pk__in=b(Customer)[0].orders.all())),
    "favourites": lambda a, b: list(a(Customer)[0].favourites.filter(Exists(b(Product)))),
    "using": lambda a, b: list(a(Customer).using(b(Customer).db).filter(pk__in=a(Customer))),
    "assignment": lambda a, b: setattr(a(Order)[0], "customer", b(Customer)[0]),
    "assignment, reversed": lambda a, b: setattr(a(Customer)[0], "profile", b(Customer)[0].profile),
}  # fmt: skip


def test_past_and_present_do_not_mix(created: Revision) -> None:
    def past(model: Any) -> Any:
        return model.history(revision=created)

    def present(model: Any) -> Any:
        return model.objects.all()

    check(past, present)
    check(present, past)


def test_two_moments_do_not_mix(created: Revision) -> None:
    world.change()
    later = newest()
    for model in (Customer, Product):
        assert model.history(revision=later).exists()
    Customer.objects.create(name="with orders").orders.create(reference="x")

    def early(model: Any) -> Any:
        return model.history(revision=created)

    def late(model: Any) -> Any:
        # Some objects of a kind that is needed are gone later.
        return model.history(revision=later)

    check(early, late, except_for={"assignment, reversed", "using"})


def check(first: Any, second: Any, except_for: set[str] = frozenset()) -> None:  # type: ignore[assignment]
    passed = []
    for name, mix in MIXES.items():
        if name in except_for:
            continue
        try:
            passed.append((name, mix(first, second)))
        except MixedMomentsError:
            continue
    assert passed == []


def test_rows_of_both_can_be_evaluated_and_compared(created: Revision) -> None:
    past, present = Customer.history(revision=created), Customer.objects.all()
    assert set(past) == set(present)
    assert past.filter(pk__in=list(present.values_list("pk", flat=True))).count() == 4
    assert present.filter(pk__in=[c.pk for c in past]).count() == 4
    assert Order.objects.filter(customer=past.get(name="Zoe").pk).count() == 1
    assert Order.history(revision=created).filter(customer__in=list(present)).count() == 6
    assert past.contains(present[0])
    assert past.get(name="Zoe") == present.get(name="Zoe")


def test_prefetching_for_a_list_of_objects_keeps_their_moment(created: Revision) -> None:
    customers = list(Customer.history(revision=created).order_by("pk"))
    world.change()
    prefetch_related_objects(customers, "orders__lines", "favourites")
    assert sorted(o.details["gift"] for o in customers[1].orders.all()) == [False, True]
    with pytest.raises(MixedMomentsError):
        prefetch_related_objects(
            list(Customer.objects.all()), Prefetch("orders", Order.history(revision=created))
        )


def test_a_moment_reads_itself_only(created: Revision) -> None:
    past = Customer.history(revision=created)
    with pytest.raises(MixedMomentsError, match="can't be read from database 'default'"):
        past.using("default")
    assert past.using(past.db).count() == 4
    live = Customer.objects.all()
    live.query = past.query
    with pytest.raises(MixedMomentsError):
        list(live)


def test_changed_rows_are_not_merged_with_all_rows(created: Revision) -> None:
    Customer.objects.filter(name="Zoe").update(vip=False)
    revision = newest()
    changed = revision.get_changed_objects(Customer)
    every = Customer.history(revision=revision)
    with pytest.raises(
        MixedMomentsError, match=r"and of what a revision changed can't be combined"
    ):
        changed | every
    assert {c.name for c in changed.union(revision.get_changed_objects(Customer))} == {"Zoe"}
    assert [c.name for c in every.filter(pk__in=changed.values("pk"))] == ["Zoe"]
    assert every.exclude(pk__in=changed.values("pk")).count() == 3
    assert Order.history(revision=revision).filter(customer__in=changed).count() == 1


@isolate_apps("tests.testapp")
def test_a_models_own_queries_go_with_its_past(created: Revision) -> None:
    from django.db import models

    class Buyers(models.QuerySet[Any]):
        def buying(self) -> Any:
            return self.filter(Exists(Order.objects.filter(customer=OuterRef("pk"))))

        def within(self, others: Any) -> Any:
            return self.filter(pk__in=others)

    class BuyerManager(models.Manager[Any]):
        def get_queryset(self) -> Any:
            last = Order.objects.filter(customer=OuterRef("pk")).order_by("-pk").values("reference")
            found = Buyers(self.model, using=self._db).annotate(last=Subquery(last[:1]))
            return found.exclude(pk__in=Customer.objects.filter(name="Xia"))

        def named(self, name: str) -> Any:
            return self.filter(pk__in=Customer.objects.filter(name=name))

    class Buyer(Customer):
        objects = BuyerManager()

        class Meta:
            proxy = True
            app_label = "testapp"

    world.change()
    buyers = history.of(Buyer)
    assert {(b.name, b.last) for b in buyers(revision=created)} == {
        ("Zoe", "R00"),
        ("Yan", "R11"),
        ("Wim", None),
    }
    assert {b.name for b in buyers(revision=created).buying()} == {"Zoe", "Yan"}
    with pytest.raises(MixedMomentsError):
        list(buyers(revision=created).buying().filter(pk__in=Customer.objects.all()))
    with pytest.raises(MixedMomentsError):
        buyers(revision=created).within(Customer.objects.all())
    assert buyers(revision=created).within(Customer.history(revision=created)).count() == 3
    with history.at_rev(created):
        assert {b.name for b in buyers.buying()} == {"Zoe", "Yan"}
        assert [b.name for b in buyers.named("Zoe")] == ["Zoe"]
        assert {b.name for b in buyers.all()} == {"Zoe", "Yan", "Wim"}
    assert not hasattr(Person.history, "named")
