"""What a project's own manager asks, from whatever of the past it is reached, is of the same moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property, lru_cache, partialmethod
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import models
from django.utils.functional import cached_property as django_cached_property

from audittrail import history
from audittrail.exceptions import PastIsReadOnlyError
from audittrail.models import Revision
from tests.builders.sending import newest
from tests.testapp.models import Country, Customer, Order, Product, Tag, TaggedNote

pytestmark = pytest.mark.django_db(transaction=True)


class Shelf(models.QuerySet[Any]):
    """What `Manager.from_queryset` is given."""

    def class_of_queryset(self) -> Any:
        return self.model._default_manager.all()

    @cached_property
    def cached_of_queryset(self) -> list[Any]:
        return list(self.model._base_manager.all())

    @staticmethod
    def static_of_queryset(model: Any) -> Any:
        return list(model._base_manager.all())


class Asking(models.Manager.from_queryset(Shelf)):  # type: ignore[misc]
    """Methods that ask the manager, and others that ask the class, at once or later."""

    def by_itself(self) -> Any:
        return self.filter(pk__isnull=False)

    def by_class(self) -> Any:
        return self.model._default_manager.all()

    def by_values(self) -> list[Any]:
        return list(self.model._base_manager.all())

    def generated(self) -> Iterator[Any]:
        yield from self.model._base_manager.all()

    @property
    def as_property(self) -> list[Any]:
        return list(self.model._base_manager.all())

    @classmethod
    def of_class(cls, model: Any) -> list[Any]:
        return list(model._base_manager.all())

    @classmethod
    def generated_of_class(cls, model: Any) -> Iterator[Any]:
        yield from model._base_manager.all()

    @classmethod
    async def later_of_class(cls, model: Any) -> list[Any]:
        return [found async for found in model._base_manager.all()]

    @staticmethod
    def static(model: Any) -> Any:
        return model._base_manager.all()

    @lru_cache(maxsize=8)  # noqa: B019 (what a project may do)
    def kept(self) -> list[Any]:
        return list(self.model._base_manager.all())

    @cached_property
    def cached(self) -> list[Any]:
        return list(self.model._base_manager.all())

    @cached_property
    def cached_queryset(self) -> Any:
        return self.model._base_manager.all()

    @django_cached_property
    def cached_by_django(self) -> list[Any]:
        return list(self.model._base_manager.all())

    def _chosen(self, choice: str) -> list[Any]:
        return list(getattr(self.model, choice).all())

    partial = partialmethod(_chosen, "_base_manager")

    def get_queryset(self) -> Any:
        # By values, which a query of the past can't tell from others.
        texts = [text_of(found) for found in self.model._base_manager.all()]
        return self.named(super().get_queryset(), texts)

    def named(self, queryset: Any, texts: list[str]) -> Any:
        return queryset.filter(**{f"{TEXTS[self.model]}__in": texts})


#: The field of each model that is changed.
TEXTS: dict[Any, str] = {Order: "reference", Tag: "name", Product: "name", TaggedNote: "text"}
#: The relations of which each is the other end, with the model that has them.
RELATIONS = {
    "orders": (Customer, Order),
    "tags": (Product, Tag),
    "products": (Tag, Product),
    "notes": (Country, TaggedNote),
}
WAYS: dict[str, Callable[[Any], Any]] = {
    "all": lambda manager: manager.all(),
    "itself": lambda manager: manager.by_itself(),
    "class": lambda manager: manager.by_class(),
    "values": lambda manager: manager.by_values(),
    "generator": lambda manager: manager.generated(),
    "property": lambda manager: manager.as_property,
    "class method": lambda manager: manager.of_class(manager.model),
    "class method, generator": lambda manager: manager.generated_of_class(manager.model),
    "class method, asynchronous": lambda manager: async_to_sync(manager.later_of_class)(
        manager.model
    ),
    "static method": lambda manager: manager.static(manager.model),
    "kept by a function": lambda manager: manager.kept(),
    "cached": lambda manager: manager.cached,
    "cached queryset": lambda manager: (manager.cached_queryset, manager.cached_queryset)[1].all(),
    "cached by Django": lambda manager: manager.cached_by_django,
    "partial": lambda manager: manager.partial(),
    "cached, of a queryset": lambda manager: manager.all().cached_of_queryset,
    "static method of a queryset": lambda manager: manager.all().static_of_queryset(manager.model),
    "queryset": lambda manager: manager.class_of_queryset(),
    "queryset of itself": lambda manager: manager.all().class_of_queryset(),
    "another manager": lambda manager: manager(manager="asking").by_class(),
    "for a database": lambda manager: manager.db_manager(manager.all().db).by_class(),
}


def text_of(found: Any) -> str:
    text: str = getattr(found, TEXTS[type(found)])
    return text


@pytest.fixture
def revision(monkeypatch: pytest.MonkeyPatch) -> Iterator[Revision]:
    """Give each model such a manager, and a revision since which all of the objects were changed."""
    descriptors = [vars(owner)[name] for name, (owner, _) in RELATIONS.items()]
    for model in TEXTS:
        manager: Any = Asking()
        manager.model, manager.name = model, "asking"
        monkeypatch.setitem(vars(model._meta), "default_manager", manager)
        monkeypatch.setattr(model, "asking", manager, raising=False)
    for descriptor in descriptors:
        vars(descriptor).pop("related_manager_cls", None)
    Order.objects.create(customer=Customer.objects.create(name="Ada"), reference="then")
    Product.objects.create(name="then").tags.add(Tag.objects.create(name="then"))
    Country.objects.create(code="fi", name="Finland").notes.create(text="then")
    before = newest()
    for model, name in TEXTS.items():
        model._base_manager.update(**{name: "now"})
    yield before
    for descriptor in descriptors:
        vars(descriptor).pop("related_manager_cls", None)


@pytest.mark.parametrize("name", RELATIONS)
def test_the_manager_of_a_relation(revision: Revision, name: str) -> None:
    owner, _ = RELATIONS[name]
    past = history.of(owner)(revision=revision)
    fetched = past.prefetch_related(name).get()
    now = owner._base_manager.get()
    for which, way in WAYS.items():
        assert [text_of(one) for one in way(getattr(past.get(), name))] == ["then"], which
        assert [text_of(one) for one in way(getattr(fetched, name))] == ["then"], which
        assert [text_of(one) for one in way(getattr(now, name))] == ["now"], which


def test_the_history_of_a_model(revision: Revision) -> None:
    orders = history.of(Order)
    asked = ("cached", "cached_queryset", "cached_by_django")
    for name in asked:
        assert [text_of(order) for order in getattr(Order._default_manager, name)] == ["now"]
    past = orders(revision=revision)
    assert [text_of(order) for order in past] == ["then"]
    assert [text_of(order) for order in past.class_of_queryset()] == ["then"]
    with pytest.raises(AttributeError):
        past.by_class()
    with history.at_rev(revision):
        for name in ("by_itself", "by_class", "by_values", "generated", "class_of_queryset"):
            assert [text_of(order) for order in getattr(orders, name)()] == ["then"], name
        for name in ("of_class", "static", "static_of_queryset"):
            assert [text_of(order) for order in getattr(orders, name)(Order)] == ["then"], name
        for name in (*asked, "cached_of_queryset"):
            assert [text_of(order) for order in getattr(orders, name)] == ["then"], name
    for name in asked:
        assert [text_of(order) for order in getattr(Order._default_manager, name)] == ["now"], name


def test_what_was_prefetched_is_not_asked_for_again(
    revision: Revision, django_assert_num_queries: Any
) -> None:
    (past,) = history.of(Product)(revision=revision).prefetch_related("tags")
    with django_assert_num_queries(0):
        assert [tag.name for tag in past.tags.all()] == ["then"]


def test_nothing_is_written(revision: Revision) -> None:
    past = history.of(Customer)(revision=revision).get()
    product = history.of(Product)(revision=revision).get()
    for write in (
        lambda: past.orders.create(reference="x"),
        lambda: past.orders.by_class().update(reference="x"),
        lambda: product.tags.clear(),
        lambda: product.tags.create(name="x"),
    ):
        with pytest.raises(PastIsReadOnlyError):
            write()
    assert Order.objects.get().reference == "now"
