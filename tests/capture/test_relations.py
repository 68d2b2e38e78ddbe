"""What the ORM does to related rows is recorded: many-to-many relations, inheritance, proxies, cascades, batches."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Concat

from audittrail import history
from tests.capture.truth import Witness
from tests.testapp.models import (
    Customer,
    CustomerProfile,
    Document,
    Employee,
    Membership,
    Order,
    OrderLine,
    Organization,
    Person,
    Pizzeria,
    Place,
    Product,
    Restaurant,
    Spaced,
    Tag,
    TaggedNote,
    VipCustomer,
)


@pytest.fixture
def tea(witness: Witness) -> Product:
    return Product.objects.create(name="Tea")


@pytest.fixture
def tags(witness: Witness) -> list[Tag]:
    return [Tag.objects.create(name=name) for name in ("a", "b", "c")]


def test_a_many_to_many_relation_from_its_own_side(
    witness: Witness, tea: Product, tags: list[Tag]
) -> None:
    a, b, c = tags
    for write, operations in (
        (lambda: tea.tags.add(a, b), "II"),
        (lambda: tea.tags.add(a), ""),
        (lambda: tea.tags.remove(b), "D"),
        (lambda: tea.tags.remove(b), ""),
        (lambda: tea.tags.set([b, c]), "DII"),
        (lambda: tea.tags.set([b, c]), ""),
        (lambda: tea.tags.clear(), "DD"),
        (lambda: tea.tags.clear(), ""),
    ):
        with witness.watching() as watch:
            write()
        expected = {"testapp_product_tags": operations} if operations else {}
        assert watch.recorded.operations == expected


def test_a_many_to_many_relation_from_the_other_side(
    witness: Witness, tea: Product, tags: list[Tag]
) -> None:
    coffee = Product.objects.create(name="Coffee")
    for write, operations in (
        (lambda: tags[0].products.add(tea, coffee), "II"),
        (lambda: tags[0].products.remove(tea), "D"),
        (lambda: tags[0].products.set([tea]), "DI"),
        (lambda: tags[0].products.clear(), "D"),
    ):
        with witness.watching() as watch:
            write()
        assert watch.recorded.operations == {"testapp_product_tags": operations}


def test_objects_created_through_a_relation(witness: Witness, tea: Product) -> None:
    with witness.watching() as watch, transaction.atomic():
        tea.tags.create(name="new")
    assert watch.recorded.operations == {"testapp_tag": "I", "testapp_product_tags": "I"}
    with witness.watching() as watch, transaction.atomic():
        tea.tags.get_or_create(name="newer")
    assert watch.recorded.operations == {"testapp_tag": "I", "testapp_product_tags": "I"}


@pytest.mark.parametrize("deleted", ["source", "target"])
def test_either_end_of_a_many_to_many_relation_deleted(
    witness: Witness, tea: Product, tags: list[Tag], deleted: str
) -> None:
    tea.tags.set(tags[:1])
    with witness.watching() as watch:
        (tea if deleted == "source" else tags[0]).delete()
    table = "testapp_product" if deleted == "source" else "testapp_tag"
    assert watch.recorded.operations == {table: "D", "testapp_product_tags": "D"}


def test_a_symmetrical_relation_with_itself(witness: Witness) -> None:
    ada, bob = Person.objects.create(name="Ada"), Person.objects.create(name="Bob")
    with witness.watching() as watch:
        ada.friends.add(bob)
    assert watch.recorded.operations == {"testapp_person_friends": "II"}
    with witness.watching() as watch:
        bob.friends.clear()
    assert watch.recorded.operations == {"testapp_person_friends": "DD"}


def test_a_relation_with_a_through_model(witness: Witness) -> None:
    ada = Person.objects.create(name="Ada")
    guild = Organization.objects.create(name="Guild")
    with witness.watching() as watch:
        ada.organizations.add(guild, through_defaults={"role": "chair"})
    assert watch.recorded.versions[0].image["role"] == "chair"
    with witness.watching() as watch:
        Membership.objects.update(role="member")
    assert watch.recorded.operations == {"testapp_membership": "U"}
    with witness.watching() as watch:
        guild.delete()
    assert watch.recorded.operations == {"testapp_membership": "D", "testapp_organization": "D"}


def test_relations_of_third_party_models(witness: Witness) -> None:
    user, group = User.objects.create_user("ada"), Group.objects.create(name="editors")
    permission = Permission.objects.first()
    assert permission is not None
    with witness.watching() as watch, transaction.atomic():
        user.groups.add(group)
        user.user_permissions.add(permission)
        group.permissions.add(permission)
    assert watch.recorded.operations == {
        "auth_user_groups": "I",
        "auth_user_user_permissions": "I",
        "auth_group_permissions": "I",
    }
    with witness.watching() as watch:
        group.delete()
    assert watch.recorded.operations == {
        "auth_group": "D", "auth_group_permissions": "D", "auth_user_groups": "D",
    }  # fmt: skip


def test_a_relation_of_a_table_with_an_odd_name(witness: Witness, tags: list[Tag]) -> None:
    item = Spaced.objects.create(name="x")
    with witness.watching() as watch:
        item.tags.set(tags)
    assert watch.recorded.operations == {'"shop order items_tags"': "III"}


def test_a_proxy_writes_to_the_table_of_its_model(witness: Witness) -> None:
    with witness.watching() as watch:
        vip = VipCustomer.objects.create(name="v", vip=True)
    assert watch.recorded.operations == {"testapp_customer": "I"}
    vip.name = "w"
    with witness.watching() as watch:
        vip.save()
    assert watch.recorded.operations == {"testapp_customer": "U"}
    assert [v.operation for v in history.of(vip).versions.in_order()] == ["I", "U"]
    with witness.watching() as watch:
        VipCustomer.objects.all().delete()
    assert watch.recorded.operations == {"testapp_customer": "D"}


def test_inheritance_over_three_tables(witness: Witness) -> None:
    with witness.watching() as watch:
        pizzeria = Pizzeria.objects.create(name="Napoli", address="x", serves_soup=True)
    chain = {"testapp_place", "testapp_restaurant", "testapp_pizzeria"}
    assert watch.recorded.operations == dict.fromkeys(chain, "I")
    pizzeria.name = "Roma"
    with witness.watching() as watch:
        pizzeria.save()
    assert watch.recorded.operations == {"testapp_place": "U"}
    with witness.watching() as watch, transaction.atomic():  # Django itself takes three
        Pizzeria.objects.update(name="Bari", serves_soup=False, oven_degrees=400)
    assert watch.recorded.operations == dict.fromkeys(chain, "U")
    with witness.watching() as watch:
        Restaurant.objects.get().delete(keep_parents=True)
    assert watch.recorded.operations == {"testapp_restaurant": "D", "testapp_pizzeria": "D"}
    with witness.watching() as watch:
        Place.objects.all().delete()
    assert watch.recorded.operations == {"testapp_place": "D"}


def test_a_child_added_to_a_parent_that_is_there(witness: Witness) -> None:
    person = Person.objects.create(name="Ada")
    employee = Employee(person_ptr=person, salary=5)
    with witness.watching() as watch:
        employee.save_base(raw=True)
    assert watch.recorded.operations == {"testapp_employee": "I"}


def test_cascades_that_django_carries_out(witness: Witness, tea: Product) -> None:
    customer = Customer.objects.create(name="c")
    CustomerProfile.objects.create(customer=customer)
    order = Order.objects.create(customer=customer, reference="r")
    OrderLine.objects.create(order=order, number=1, product=tea)
    OrderLine.objects.create(order=order, number=2, product=tea)
    customer.favourites.add(tea)
    Spaced.objects.create(name="s", customer=customer)
    with witness.watching() as watch:
        customer.delete()
    assert watch.recorded.operations == {
        "testapp_customer": "D",
        "testapp_customerprofile": "D",
        "testapp_order": "D",
        "testapp_orderline": "DD",
        "testapp_customer_favourites": "D",
        '"shop order items"': "D",
    }


def test_set_null_that_django_carries_out(witness: Witness) -> None:
    user = User.objects.create_user("ada")
    Document.objects.create(owner=user, title="t")
    with witness.watching() as watch:
        user.delete()
    assert watch.recorded.operations == {"auth_user": "D", "testapp_document": "U"}


def test_a_tree_deleted_from_its_root(witness: Witness) -> None:
    root = Organization.objects.create(name="root")
    branch = Organization.objects.create(name="branch", parent=root)
    Organization.objects.create(name="leaf", parent=branch)
    with witness.watching() as watch:
        root.delete()
    assert watch.recorded.operations == {"testapp_organization": "DDD"}


def test_a_generic_foreign_key(witness: Witness, tea: Product) -> None:
    ContentType.objects.clear_cache()
    with witness.watching() as watch:
        TaggedNote.objects.create(target=tea, text="x")
    assert watch.recorded.versions[0].image["object_id"] == str(tea.pk)


def test_batches_are_one_revision(witness: Witness) -> None:
    with witness.watching() as watch:
        tags = Tag.objects.bulk_create((Tag(name=f"t{n}") for n in range(50)), batch_size=7)
    assert watch.recorded.operations == {"testapp_tag": "I" * 50}
    for tag in tags:
        tag.name += "x"
    with witness.watching() as watch:
        Tag.objects.bulk_update(tags, ["name"], batch_size=7)
    assert watch.recorded.operations == {"testapp_tag": "U" * 50}
    with witness.watching() as watch:
        Tag.objects.filter(pk__gt=tags[9].pk).update(name=Concat(F("name"), Value("y")))
    assert watch.recorded.operations == {"testapp_tag": "U" * 40}
    with witness.watching() as watch:
        Tag.objects.all().delete()
    assert watch.recorded.operations == {"testapp_tag": "D" * 50}


def test_saves_in_autocommit_are_revisions_of_their_own(witness: Witness) -> None:
    start = witness.tick()
    for name in ("a", "b", "c"):
        Tag.objects.create(name=name)
    versions, revisions = witness.versions(start), witness.revisions(start)
    assert [v.revision for v in versions] == [r["id"] for r in revisions]
    assert len(revisions) == 3
    assert [r["committed"] for r in revisions] == sorted(r["committed"] for r in revisions)


def test_plain_reads_and_locks_record_nothing(witness: Witness, tea: Product) -> None:
    with witness.watching() as watch, transaction.atomic():
        Product.objects.select_for_update().get(pk=tea.pk)
        Product.objects.count()
        Tag.objects.none().delete()
    assert watch.recorded.revisions == ()
