"""Whatever Django asks or writes because of an object of the past: as of its moment, or refused, also where Django names no database.

The uses of managers, querysets and routers in Django that are reached from an object: `models.Model` and its deletion, related managers,
content types, forms, users and their permissions, files.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django import forms
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.forms import generic_inlineformset_factory
from django.contrib.contenttypes.models import ContentType
from django.core.files.base import ContentFile
from django.db import models, transaction
from django.db.models.deletion import Collector
from django.forms import inlineformset_factory, modelform_factory
from django.test.utils import isolate_apps

from audittrail import history
from audittrail.exceptions import EditingError, MixedMomentsError, PastIsReadOnlyError
from audittrail.models import Revision
from audittrail.testing import assert_history
from audittrail.timetravel import following
from tests.builders import world
from tests.builders.sending import newest
from tests.builders.workshop import Workshop, create
from tests.testapp.models import (
    Country,
    Customer,
    Document,
    Order,
    Product,
    Specimen,
    TaggedNote,
)

stored = pytest.mark.django_db(transaction=True)


def awaited(method: Any, *args: Any, **kwargs: Any) -> Any:
    async def wait() -> Any:
        return await method(*args, **kwargs)

    return async_to_sync(wait)()


# The order with respect to another object


@pytest.fixture
def ordered(shop: Workshop) -> Any:
    """Give a workshop in which the order of answers was turned round, and the revision before."""
    question = models.ForeignKey("workshop.Question", models.CASCADE)
    shop.migrate(
        create("Question", ("text", models.TextField())),
        create(
            "Answer",
            ("question", question),
            ("text", models.TextField()),
            order_with_respect_to="question",
        ),
    )
    with transaction.atomic():
        question = shop.Question.objects.create(text="?")
        answers = [shop.Answer.objects.create(question=question, text=text) for text in "abc"]
    revision = newest()
    question.set_answer_order([answer.pk for answer in reversed(answers)])
    return shop, revision


def test_the_order_with_respect_to_an_object_is_that_of_its_moment(ordered: Any) -> None:
    shop, revision = ordered
    question = history.of(shop.Question)(revision=revision).get()
    names = history.of(shop.Answer)(revision=revision).in_bulk()
    assert [names[key].text for key in question.get_answer_order()] == ["a", "b", "c"]
    middle = history.of(shop.Answer)(revision=revision).get(text="b")
    assert middle.get_next_in_order().text == "c"
    assert middle.get_previous_in_order().text == "a"
    assert middle.get_next_in_order()._state.db == middle._state.db
    now = shop.Answer.objects.get(text="b")
    assert (now.get_next_in_order().text, now.get_previous_in_order().text) == ("a", "c")
    assert list(shop.Question.objects.get().get_answer_order()) == sorted(names, reverse=True)


def test_the_order_of_the_past_can_not_be_set(ordered: Any) -> None:
    shop, revision = ordered
    question = history.of(shop.Question)(revision=revision).get()
    before = list(shop.Question.objects.get().get_answer_order())
    for using in ({}, {"using": "default"}):
        with pytest.raises(PastIsReadOnlyError):
            question.set_answer_order(sorted(before), **using)
    assert list(shop.Question.objects.get().get_answer_order()) == before


# Managers that objects have


def test_a_manager_that_objects_have_reads_as_of_their_moment(shop: Workshop) -> None:
    shop.migrate(create("Node", ("name", models.TextField())))
    node = shop.Node
    # What a package of trees does: a manager as a plain attribute, which its methods reach by `self`.
    manager: Any = models.Manager()
    manager.model = node
    node._tree = manager
    history_of_nodes = history.of(node)
    following._attributes_follow(node)
    first = node.objects.create(name="root")
    revision = newest()
    node.objects.update(name="changed")
    past = history_of_nodes(revision=revision).get()
    assert past._tree.get(pk=first.pk).name == "root"
    assert [found.name for found in past._tree.all()] == ["root"]
    assert first._tree.get().name == node._tree.get().name == "changed"
    with pytest.raises(PastIsReadOnlyError):
        past._tree.all().update(name="x")


@stored
@isolate_apps("tests.testapp")
def test_managers_that_a_manager_asks_follow_it(created: Revision) -> None:
    class Asking(models.Manager[Any]):
        #: What a package of trees does for models that inherit the tree: another manager, and here one that leads back.
        other: Any = None

        def names(self) -> set[str]:
            return {found.name for found in (self.other or self).all()}

    class Asked(Customer):
        class Meta:
            proxy = True
            app_label = "testapp"

    manager, other = Asking(), Asking()
    manager.other, other.other = other, manager
    manager.model = other.model = Asked
    manager.name = other.name = "nodes"
    setattr(Asked, "nodes", manager)  # noqa: B010 (a plain attribute, which the class does not declare)
    following._attributes_follow(Asked)
    world.change()
    past: Any = history.of(Asked)(revision=created)[0]
    assert past.nodes.names() == past.nodes.other.names() == {"Wim", "Xia", "Yan", "Zoe"}
    now: Any = Asked.objects.all()[0]
    assert now.nodes.names() == {found.name for found in Customer.objects.all()}


# What a queryset's own methods ask


@stored
@isolate_apps("tests.testapp")
def test_what_a_querysets_own_method_asks_a_class_is_of_the_same_moment(created: Revision) -> None:
    class Circle(models.QuerySet[Any]):
        def neighbours(self) -> Any:
            # As a package of trees does: values of this queryset in one of the class.
            return self.model.objects.filter(vip__in=[found.vip for found in self])

        def raw_neighbours(self) -> Any:
            return self.model.objects.raw("SELECT * FROM testapp_customer")

        def named_like(self) -> list[str]:
            return [
                found.name for found in self.model.objects.filter(name__in=[it.name for it in self])
            ]

        def types(self) -> Any:
            return ContentType.objects.filter(app_label="testapp")

    class Member(Customer):
        objects = Circle.as_manager()

        class Meta:
            proxy = True
            app_label = "testapp"

    world.change()
    members = history.of(Member)
    zoe = members(revision=created).filter(name="Zoe")
    for found in (zoe.neighbours(), zoe.raw_neighbours(), zoe.neighbours().neighbours()):
        names = {member.name for member in found}
        assert {"Zoe", "Xia"} <= names
        assert all(member._state.db == zoe.db for member in found)
    assert zoe.named_like() == ["Zoe"]
    assert zoe.types().exists()
    with history.at_rev(created):
        assert {member.name for member in members.neighbours()} == {"Wim", "Xia", "Yan", "Zoe"}
    assert "Zoe" not in {member.name for member in Member.objects.neighbours()}


# Writes


@stored
@isolate_apps("tests.testapp")
def test_what_a_model_does_itself_to_save_or_delete_is_not_done_for_the_past(
    created: Revision,
) -> None:
    done = []

    class Own(Customer):
        class Meta:
            proxy = True
            app_label = "testapp"

        def save(self, *args: Any, using: str | None = None, **kwargs: Any) -> None:
            done.append("save")
            # As a package of trees does.
            self._state.db = using
            super().save(*args, using=using, **kwargs)

        def delete(self, *args: Any, **kwargs: Any) -> Any:
            done.append("delete")
            return super().delete(*args, **kwargs)

        async def asave(self, *args: Any, **kwargs: Any) -> None:
            done.append("asave")

    past: Any = history.of(Own)(revision=created).get(name="Zoe")
    for write in (past.save, past.delete):
        with pytest.raises(PastIsReadOnlyError):
            write(using="default")
    with pytest.raises(PastIsReadOnlyError):
        awaited(past.asave)
    assert done == []
    now = Own.objects.get(name="Zoe")
    now.save(using="default")
    awaited(now.asave)
    now.delete()
    assert done == ["save", "asave", "delete"]


WRITES: dict[str, Callable[[Any], Any]] = {
    "save elsewhere": lambda q: q(Customer)[0].save(using="default"),
    "forced save elsewhere": lambda q: q(Customer)[0].save(force_update=True, using="default"),
    "asave elsewhere": lambda q: awaited(q(Customer)[0].asave, using="default"),
    "raw save": lambda q: q(Customer)[0].save_base(raw=True, using="default"),
    "delete elsewhere": lambda q: q(Customer)[0].delete(using="default"),
    "adelete elsewhere": lambda q: awaited(q(Customer)[0].adelete, using="default"),
    "deletion collected": lambda q: Collector(using="default", origin=None).collect(list(q(Customer))),
    "bulk_update": lambda q: Customer.objects.bulk_update(q(Customer), ["name"]),
    "bulk_update of a list": lambda q: Customer.objects.bulk_update([Customer.objects.all()[0], q(Customer)[1]], ["name"]),
    "abulk_update": lambda q: awaited(Customer.objects.abulk_update, list(q(Customer)), ["name"]),
    "bulk_create": lambda q: Customer.objects.bulk_create(
        list(q(Customer)), update_conflicts=True, update_fields=["name"], unique_fields=["id"]
    ),
    "bulk_create of a generator": lambda q: Customer.objects.bulk_create((c for c in q(Customer)), ignore_conflicts=True),
    "bulk_update of a manager": lambda q: Customer.objects.first().orders.bulk_update(q(Order), ["reference"]),
    "validation for a write": lambda q: q(Country)[0].full_clean(),
    "uniqueness for a write": lambda q: q(Country)[0].validate_unique(),
    "constraints for a write": lambda q: q(Country)[0].validate_constraints(),
    "password": lambda q: q(User)[0].set_password("x") or q(User)[0].save(using="default"),
}  # fmt: skip


@stored
def test_no_object_of_the_past_is_written_whatever_database_is_named(created: Revision) -> None:
    count = Revision.objects.count()
    world_before = list(Customer.objects.values_list())

    def past(model: Any) -> Any:
        return model.history(revision=created)

    Customer.objects.update(name="changed")
    passed = []
    for name, write in WRITES.items():
        try:
            write(past)
        except PastIsReadOnlyError:
            continue
        passed.append(name)
    assert passed == []
    assert Revision.objects.count() == count + 1
    assert [row[0] for row in Customer.objects.values_list()] == [row[0] for row in world_before]


@stored
def test_a_file_of_the_past_is_not_touched(created: Revision, settings: Any, tmp_path: Any) -> None:
    settings.MEDIA_ROOT = tmp_path
    specimen = Specimen.objects.order_by("pk")[0]
    specimen.file.save("kept.txt", ContentFile(b"kept"))
    past = Specimen.history(revision=newest()).get(pk=specimen.pk)
    assert past.file.read() == b"kept"
    for write in (
        lambda: past.file.delete(),
        lambda: past.file.delete(save=False),
        lambda: past.file.save("other.txt", ContentFile(b"other")),
    ):
        with pytest.raises(PastIsReadOnlyError):
            write()
    assert [path.name for path in (tmp_path / "specimens").iterdir()] == ["kept.txt"]


# Objects as values


VALUES: dict[str, Callable[[Any], Any]] = {
    "filter": lambda c: Order.objects.filter(customer=c).count(),
    "filter in": lambda c: Order.objects.filter(customer__in=[c]).count(),
    "exclude": lambda c: Order.objects.exclude(customer=c).count(),
    "Q": lambda c: Order.objects.filter(models.Q(customer=c) | models.Q(reference="x")).count(),
    "far": lambda c: Product.objects.filter(lines__order__customer=c).count(),
    "m2m": lambda c: Customer.objects.filter(favourites=c.favourites.first()).count(),
    "reverse": lambda c: Customer.objects.filter(orders=c.orders.first()).count(),
    "condition": lambda c: Order.objects.aggregate(n=models.Count("pk", filter=models.Q(customer=c))),
    "annotation": lambda c: list(Order.objects.annotate(x=models.Case(models.When(customer=c, then=1), default=0))),
    "get": lambda c: Order.objects.filter(customer=c).first(),
    "get_or_create": lambda c: Order.objects.get_or_create(customer=c),
    "update": lambda c: Order.objects.update(customer=c),
    "contains": lambda c: Customer.objects.contains(c),
    "contains, evaluated": lambda c: [customers := Customer.objects.all(), len(customers), customers.contains(c)],
}  # fmt: skip


@stored
def test_an_object_of_the_past_is_no_value_in_a_query_of_the_present(created: Revision) -> None:
    world.change()
    past = Customer.history(revision=created).get(name="Yan")
    later = Customer.history(revision=newest())
    passed = []
    for name, ask in VALUES.items():
        try:
            passed.append((name, ask(past)))
        except (MixedMomentsError, PastIsReadOnlyError):
            continue
    assert passed == []
    with pytest.raises(
        MixedMomentsError, match=rf"Customer {past.pk} is as of .* customer={past.pk}"
    ):
        Order.objects.filter(customer=past)
    with pytest.raises(MixedMomentsError):
        Order.history(revision=newest()).filter(customer=past).count()
    assert not later.filter(name="Yan").exists()


@stored
def test_an_object_of_the_past_is_a_value_at_its_own_moment(created: Revision) -> None:
    customer = Customer.history(revision=created).get(name="Yan")
    world.change()
    assert Order.history(revision=created).filter(customer=customer).count() == 2
    assert Order.objects.using(customer._state.db).filter(customer=customer).count() == 2
    assert Order.objects.filter(customer=customer.pk).count() == 2
    with history.travelling(created):
        assert Order.objects.filter(customer=Customer.objects.get(name="Yan")).count() == 2
        assert Order.objects.filter(customer=customer).count() == 2
    assert Customer.history(revision=created).contains(customer)


@stored
def test_an_object_of_the_present_says_who_it_is_in_a_query_of_the_past(created: Revision) -> None:
    customer = Customer.objects.get(name="Yan")
    world.change()
    assert {o.reference for o in Order.history(revision=created).filter(customer=customer)} == {
        "R10",
        "R11",
    }


@stored
def test_slices_of_the_past_are_joined(created: Revision) -> None:
    world.change()
    past = Customer.history(revision=created).order_by("name")
    assert {c.name for c in past[:2] | past.filter(name="Zoe")} == {"Wim", "Xia", "Zoe"}
    assert {c.name for c in past.filter(name="Zoe") | past[:2]} == {"Wim", "Xia", "Zoe"}
    assert {c.name for c in past[:2] ^ past[1:3]} == {"Wim", "Yan"}


# Content types, users


@stored
def test_a_content_type_of_the_past_leads_to_objects_of_its_moment(created: Revision) -> None:
    note = TaggedNote.history(revision=created).get(text="Note 4")
    world.change()
    kind = note.content_type
    assert kind.get_object_for_this_type(pk=note.object_id).name == "Zoe"
    assert kind.get_all_objects_for_this_type(name="Zoe").count() == 1
    kind = ContentType.objects.get_for_model(Customer)
    assert not kind.get_all_objects_for_this_type(name="Zoe").exists()


@stored
def test_a_user_of_the_past_may_what_the_user_might(created: Revision) -> None:
    permission = Permission.objects.order_by("pk")[0]
    name = f"{permission.content_type.app_label}.{permission.codename}"
    vic = User.objects.get(username="vic")
    assert vic.has_perm(name)
    world.change()
    Group.objects.all().delete()
    past = User.history(revision=created).get(username="vic")
    assert past.has_perm(name)
    assert past.get_group_permissions() == past.get_all_permissions() != set()
    again = User.history(revision=created).get(username="vic")
    assert awaited(again.ahas_perm, name)
    assert not User.objects.get(username="vic").has_perm(name)


# Forms


@stored
def test_a_form_of_an_object_of_the_past_offers_what_there_was(created: Revision) -> None:
    order = Order.history(revision=created).get(reference="R10")
    world.change()
    form = modelform_factory(Order, fields=["customer", "reference"])(instance=order)
    assert "Yan</option>" in str(form["customer"]) and "Yan!" not in str(form["customer"])
    assert form.fields["customer"].queryset.moment
    present = modelform_factory(Order, fields=["customer"])(instance=Order.objects.first())
    assert "Yan!" in str(present["customer"])


@stored
def test_a_form_of_an_object_of_the_past_writes_nothing(created: Revision) -> None:
    order = Order.history(revision=created).get(reference="R10")
    kind = modelform_factory(Order, fields=["customer", "reference"])
    form = kind({"customer": order.customer_id, "reference": "x"}, instance=order)
    with pytest.raises(PastIsReadOnlyError):
        form.is_valid()


@stored
def test_formsets_of_an_object_of_the_past_list_what_belonged_to_it(created: Revision) -> None:
    zoe = Customer.history(revision=created).get(name="Zoe")
    yan = Customer.history(revision=created).get(name="Yan")
    Order.objects.all().delete()
    TaggedNote.objects.all().delete()
    orders = inlineformset_factory(Customer, Order, fields=["reference"], extra=0)
    notes = generic_inlineformset_factory(TaggedNote, fields=["text"], extra=0)
    country = Country.history(revision=created).get(code="FR")
    assert [form.instance.reference for form in orders(instance=yan)] == ["R10", "R11"]
    assert [form.instance.text for form in notes(instance=country)] == ["Note 0"]
    chosen = Order.history(revision=created).filter(reference="R11")
    assert [form.instance.reference for form in orders(instance=yan, queryset=chosen)] == ["R11"]
    with pytest.raises(MixedMomentsError):
        orders(instance=zoe, queryset=Order.objects.all())
    with pytest.raises(MixedMomentsError):
        notes(instance=country, queryset=TaggedNote.objects.all())
    with history.travelling(created):
        assert (
            len(orders(instance=Customer.objects.get(name="Yan"), queryset=Order.objects.all()))
            == 2
        )
        assert (
            len(notes(instance=Country.objects.get(code="FR"), queryset=TaggedNote.objects.all()))
            == 1
        )


@stored
def test_choices_of_what_is_not_tracked_stay_as_they_are(created: Revision) -> None:
    document = Document.history(revision=created).get(title="Paper 0")

    class Form(forms.ModelForm):
        kind = forms.ModelChoiceField(ContentType.objects.all())

        class Meta:
            model = Document
            fields = ["title"]

    assert len(Form(instance=document).fields["kind"].queryset) == ContentType.objects.count()


# What errors say


@stored
def test_errors_never_ask_objects_what_they_call_themselves(
    created: Revision, monkeypatch: Any
) -> None:
    customer = Customer.history(revision=created).first()
    other: Any = Order.objects.first()

    def explode(self: Any) -> str:
        raise RuntimeError("asked")

    for model in (Customer, Order):
        monkeypatch.setattr(model, "__str__", explode)
        monkeypatch.setattr(model, "__repr__", explode)
    with pytest.raises(PastIsReadOnlyError, match=f"Customer {customer.pk} is as of"):
        customer.save()
    with pytest.raises(
        MixedMomentsError,
        match=f"Customer {customer.pk} and Order {other.pk}|Order {other.pk} and Customer",
    ):
        other.customer = customer
    with pytest.raises(AttributeError, match=r"History of testapp\.Order"):
        other.history.nonsense  # noqa: B018
    with pytest.raises(MixedMomentsError):
        Order.objects.filter(customer=customer)
    with pytest.raises(MixedMomentsError):
        Order.objects.update(customer=customer)
    with pytest.raises(AssertionError, match=f"History of Order {other.pk} is"):
        assert_history(other, "D")
    with pytest.raises(EditingError, match=f"pks is given beside Order {other.pk}"):
        history.redact(other, ["reference"], pks=[1], reason="x")
