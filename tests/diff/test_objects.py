"""The history of one object: each change between two revisions in order, inherited and many-to-many fields included."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from audittrail import history
from audittrail.capture import tracking
from audittrail.capture.baseline import backfill
from tests.builders.sending import newest, sql
from tests.diff.telling import told
from tests.testapp.models import (
    Clash,
    Country,
    Customer,
    CustomerProfile,
    Employee,
    Membership,
    Order,
    OrderLine,
    Organization,
    Person,
    Pizzeria,
    Place,
    Product,
    Spaced,
    Specimen,
    Tag,
    VipCustomer,
)

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_mission_line() -> None:
    with history.context(reason="Hired"):
        User.objects.create(pk=1234, username="ada", email="ada@x.example")
    a = newest()
    author = User.objects.create(username="editor")
    with history.context(user=author, reason="Renamed"):
        User.objects.filter(pk=1234).update(username="bea", email="bea@x.example")
    with history.context(reason="Left"):
        User.objects.filter(pk=1234).update(is_active=False)
    b = newest()
    User.objects.filter(pk=1234).update(username="later")
    found = []
    for attribute, value, revision in User.history.diff(pk=1234, from_revision=a, to_revision=b):
        assert revision.committed_at is not None
        found.append((attribute, value, revision.committed_by, revision.reason))
    assert found == [
        ("username", "bea", author, "Renamed"),
        ("email", "bea@x.example", author, "Renamed"),
        ("is_active", False, None, "Left"),
    ]


def test_from_an_object() -> None:
    customer = Customer.objects.create(name="1")
    first = newest()
    for name in "234":
        Customer.objects.update(name=name)
        if name == "3":
            middle = newest()
    assert told(customer.history.diff(first, middle)) == [("name", "1", "2"), ("name", "2", "3")]
    assert told(customer.history.diff(middle)) == [("name", "3", "4")]
    assert told(customer.history.diff(to_revision=first)) == [
        ("id", None, customer.pk), ("name", None, "1"), ("email", None, ""), ("vip", None, False),
    ]  # fmt: skip
    assert told(customer.history.diff(first.committed_at, middle.committed_at, fields=["name"]))
    assert told(customer.history.diff(first, first)) == []
    assert told(customer.history.diff(fields=["email"])) == [("email", None, "")]


def test_until_the_moment_of_at_rev() -> None:
    customer = Customer.objects.create(name="1")
    first = newest()
    Customer.objects.update(name="2")
    second = newest()
    Customer.objects.update(name="3")
    with history.at_rev(second):
        assert told(customer.history.diff(first)) == [("name", "1", "2")]
        assert customer.history.compare(first).after.name == "2"


def test_a_revision_is_one_step_whatever_happened_within_it() -> None:
    customer = Customer.objects.create(name="1")
    first = newest()
    with transaction.atomic():
        Customer.objects.update(name="2", vip=True)
        Customer.objects.update(name="3")
        Customer.objects.update(vip=False)
    with transaction.atomic():
        Customer.objects.update(name="4")
        Customer.objects.update(name="3")
    with transaction.atomic():
        Customer.objects.all().delete()
        Customer.objects.create(pk=customer.pk, name="3", email="e@x.example")
    with transaction.atomic():
        passing = Customer.objects.create(name="passing")
        Customer.objects.filter(pk=passing.pk).delete()
    steps = list(Customer.history.steps(first, pk=customer.pk))
    assert [(step.operation, told(step.changes)) for step in steps] == [
        ("U", [("name", "1", "3")]),
        ("U", [("email", "", "e@x.example")]),
    ]
    assert told(Customer.history.diff(pk=passing.pk or customer.pk + 1)) == []


def test_a_deletion_and_a_return() -> None:
    customer = Customer.objects.create(name="Ada")
    key = customer.pk
    created = newest()
    customer.delete()
    deleted = newest()
    Customer.objects.create(pk=key, name="Bea")
    steps = list(Customer.history.steps(created, pk=key))
    assert [step.operation for step in steps] == ["D", "I"]
    assert told(steps[0].changes) == [
        ("id", key, None), ("name", "Ada", None), ("email", "", None), ("vip", False, None),
    ]  # fmt: skip
    assert told(steps[1].changes)[1] == ("name", None, "Bea")
    assert [one.operation for one in Customer.history.compare(created, deleted)] == ["D"]
    assert told(Customer.history.compare(created, pk=key).changes) == [("name", "Ada", "Bea")]


def test_many_to_many_fields_are_attributes() -> None:
    tags = [Tag.objects.create(name=name) for name in ("a", "b", "c")]
    keys = [tag.pk for tag in tags]
    with transaction.atomic():
        product = Product.objects.create(name="Bread")
        product.tags.add(tags[0])
    first = newest()
    product.tags.set(tags[1:])
    with transaction.atomic():
        product.tags.remove(tags[1])
        product.tags.add(tags[0])
        product.tags.remove(tags[0])
    tags[2].delete()
    product.delete()
    steps = list(Product.history.steps(pk=product.history.versions.model.objects.first().id))
    related = [c for step in steps for c in step.changes if c.attribute == "tags"]
    assert [(c.old, c.new, c.added, c.removed) for c in related] == [
        ((), (keys[0],), (keys[0],), ()),
        ((keys[0],), (keys[1], keys[2]), (keys[1], keys[2]), (keys[0],)),
        ((keys[1], keys[2]), (keys[2],), (), (keys[1],)),
        ((keys[2],), (), (), (keys[2],)),
    ]
    assert related[0].field is Product._meta.get_field("tags")
    assert [step.operation for step in steps] == ["I", "U", "U", "U", "D"]
    (one,) = Product.history.compare(first, steps[1].revision)
    assert told(one.changes) == [("tags", (keys[0],), (keys[1], keys[2]))]


def test_rows_of_a_through_model_that_go_to_another_object() -> None:
    ada, bea = (Person.objects.create(name=name) for name in ("Ada", "Bea"))
    acme = Organization.objects.create(name="Acme")
    Membership.objects.create(person=ada, organization=acme)
    first = newest()
    Membership.objects.update(role="chief")
    assert list(ada.history.steps(first)) == []
    Membership.objects.update(person=bea)
    assert told(ada.history.diff(first)) == [("organizations", (acme.pk,), ())]
    assert told(bea.history.diff(first)) == [("organizations", (), (acme.pk,))]
    assert {one.pk for one in Person.history.compare(first)} == {ada.pk, bea.pk}


def test_symmetrical_relations_are_seen_from_both_ends() -> None:
    ada, bea = (Person.objects.create(name=name) for name in ("Ada", "Bea"))
    first = newest()
    ada.friends.add(bea)
    assert told(ada.history.diff(first)) == [("friends", (), (bea.pk,))]
    assert told(bea.history.diff(first)) == [("friends", (), (ada.pk,))]


def test_inherited_fields_belong_to_the_object() -> None:
    pizzeria = Pizzeria.objects.create(name="Napoli", address="1", oven_degrees=480)
    first = newest()
    with transaction.atomic():
        pizzeria.name = "Roma"
        pizzeria.serves_soup = True
        pizzeria.oven_degrees = 400
        pizzeria.save()
    Place.objects.update(address="2")
    assert told(pizzeria.history.diff(first)) == [
        ("name", "Napoli", "Roma"),
        ("serves_soup", False, True),
        ("oven_degrees", 480, 400),
        ("address", "1", "2"),
    ]
    assert told(pizzeria.restaurant_ptr.history.diff(first)) == [
        ("name", "Napoli", "Roma"), ("serves_soup", False, True), ("address", "1", "2"),
    ]  # fmt: skip
    comparison = pizzeria.history.compare(first)
    assert (comparison.before.address, comparison.after.address) == ("1", "2")
    assert (comparison.before.oven_degrees, comparison.after.serves_soup) == (480, True)


def test_an_object_that_comes_of_a_parent_and_leaves_it_behind() -> None:
    person = Person.objects.create(name="Ada")
    acme = Organization.objects.create(name="Acme")
    person.organizations.add(acme)
    before = newest()
    sql(f"INSERT INTO testapp_employee VALUES ({person.pk}, 7)")
    Person.objects.update(name="Bea")
    employee = Employee.objects.get()
    employee.delete(keep_parents=True)
    Person.objects.update(name="Cyd")
    steps = list(Employee.history.steps(before, pk=person.pk))
    assert [step.operation for step in steps] == ["I", "U", "D"]
    inserted, updated, deleted = ({n: (o, v) for n, o, v in told(s.changes)} for s in steps)
    assert (inserted["name"], inserted["organizations"]) == ((None, "Ada"), ((), (acme.pk,)))
    assert updated == {"name": ("Ada", "Bea")}
    assert (deleted["name"], deleted["organizations"]) == (("Bea", None), ((acme.pk,), ()))
    assert told(person.history.diff(before)) == [("name", "Ada", "Bea"), ("name", "Bea", "Cyd")]


def test_keys_of_every_kind() -> None:
    country = Country.objects.create(code="NO", name="Norway")
    customer = Customer.objects.create(name="Ada")
    profile = CustomerProfile.objects.create(customer=customer, bio="old")
    product = Product.objects.create(name="Bread")
    order = Order.objects.create(customer=customer, reference="A1")
    line = OrderLine.objects.create(order=order, number=1, product=product)
    first = newest()
    Country.objects.update(name="Noreg")
    CustomerProfile.objects.update(bio="new")
    Product.objects.update(stock=2)
    OrderLine.objects.update(quantity=5)
    VipCustomer.objects.update(vip=True)
    assert told(country.history.diff(first)) == [("name", "Norway", "Noreg")]
    assert told(profile.history.diff(first)) == [("bio", "old", "new")]
    assert told(Product.history.diff(first, pk=str(product.pk))) == [("stock", 0, 2)]
    assert told(line.history.diff(first)) == [("quantity", 1, 5)]
    assert told(OrderLine.history.diff(first, pk=(order.pk, 1))) == [("quantity", 1, 5)]
    assert told(VipCustomer.history.diff(first, pk=customer.pk)) == [("vip", False, True)]
    comparison = VipCustomer.history.compare(first, pk=customer.pk)
    assert type(comparison.after) is VipCustomer
    assert [(one.pk, one.operation) for one in OrderLine.history.compare(first)] == [
        ((order.pk, 1), "U")
    ]


def test_columns_and_tables_with_difficult_names() -> None:
    clash = Clash.objects.create(version=1, revision_id=2, operation="x", row_version=3)
    spaced = Spaced.objects.create(name="100 %")
    tag = Tag.objects.create(name="t")
    first = newest()
    Clash.objects.update(version=5, revision_id=6)
    Spaced.objects.update(name="%s {} ''")
    spaced.tags.add(tag)
    assert told(clash.history.diff(first)) == [
        ("version", 1, 5), ("revision_id", 2, 6), ("doubled", 2, 10),
    ]  # fmt: skip
    assert told(spaced.history.diff(first)) == [
        ("name", "100 %", "%s {} ''"), ("tags", (), (tag.pk,)),
    ]  # fmt: skip
    (one,) = Clash.history.compare(first)
    assert (one.before.version, one.after.version, one.after.row_version) == (1, 5, 3)
    assert Spaced.history.compare(first, pk=spaced.pk).after.name == "%s {} ''"


def test_values_are_those_of_the_model() -> None:
    specimen = Specimen.objects.create(name="s", data={"a": 1}, file="specimens/a.txt", blob=b"1")
    first = newest()
    Specimen.objects.update(data={"a": 2}, file="", blob=None)
    found = {change.attribute: change for change in specimen.history.diff(first)}
    assert (found["data"].old, found["data"].new) == ({"a": 1}, {"a": 2})
    assert found["file"].old.name == "specimens/a.txt"
    assert found["file"].old.url.endswith("a.txt")
    assert (bytes(found["blob"].old), found["blob"].new) == (b"1", None)
    comparison = specimen.history.compare(first)
    assert comparison.before.file.name == "specimens/a.txt"
    assert comparison.before.data == {"a": 1}


def test_masked_and_excluded_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tracking._registered, Membership, tracking.Options(mask=("organization",)))
    monkeypatch.setitem(tracking._registered, Person, tracking.Options(mask=("email",)))
    person = Person.objects.create(name="Ada", email="old@x.example")
    user = User.objects.create(username="ada", password="1")
    first = newest()
    acme = Organization.objects.create(name="Acme")
    person.organizations.add(acme)
    Person.objects.update(email="new@x.example")
    user.set_password("2")
    user.save()
    changes = list(person.history.diff(first))
    assert [(c.attribute, c.masked) for c in changes] == [("organizations", True), ("email", True)]
    assert told(changes) == [("organizations", None, None), ("email", None, None)]
    assert changes[0].added == ()
    assert told(user.history.diff(first)) == []
    assert User.history.compare(first, pk=user.pk).after.password is None


def test_an_object_that_existed_before_tracking() -> None:
    customer = Customer.objects.create(name="Ada")
    sql("SELECT audittrail.reset_history()")
    assert told(customer.history.diff()) == []
    Customer.objects.update(name="Bea")
    assert told(customer.history.diff()) == [("name", "Ada", "Bea")]


@pytest.fixture
def incomplete(transactional_db: None) -> Any:
    """Give an employee and a member of two organizations whose tables are tracked without a complete baseline."""
    employee = Employee.objects.create(name="Ada", salary=1)
    for name in ("Acme", "Bits"):
        employee.organizations.add(Organization.objects.create(name=name))
    tables = ["testapp_employee", "testapp_person", "testapp_membership"]
    for table in tables:
        sql(
            f"SELECT audittrail.untrack(id) FROM audittrail.tracked_table WHERE table_name = '{table}' AND until_version IS NULL"
        )
        sql(f"SELECT audittrail.track('{table}', baseline_limit => 0)")
    yield employee
    backfill()


def test_while_the_baseline_is_incomplete(incomplete: Any) -> None:
    Tag.objects.create(name="now")
    first = newest()
    assert told(incomplete.history.diff(first)) == []
    Person.objects.update(name="Bea")
    one = incomplete.history.compare(first)
    assert (one.operation, told(one.changes)) == ("U", [("name", "Ada", "Bea")])
    assert (one.before.salary, one.after.salary) == (1, 1)
    Membership.objects.filter(organization__name="Acme").delete()
    assert len(list(Employee.history.compare(first))) == 1
    (name, organizations) = incomplete.history.diff(first)
    assert told([name]) == [("name", "Ada", "Bea")]
    assert (len(organizations.old), len(organizations.new)) == (2, 1)
    key = incomplete.pk
    Employee.objects.all().delete()
    (last,) = (s for s in Employee.history.steps(first, pk=key) if s.operation == "D")
    assert ("name", "Bea", None) in told(last.changes)
    assert ("salary", 1, None) in told(last.changes)


def test_groups_of_users_are_tracked_like_everything_else() -> None:
    user = User.objects.create(username="ada")
    first = newest()
    group = Group.objects.create(name="editors")
    user.groups.add(group)
    assert told(user.history.diff(first)) == [("groups", (), (group.pk,))]


def test_a_long_history_is_read_in_chunks() -> None:
    customer = Customer.objects.create(name="0")
    first = newest()
    for number in range(1, 231):
        Customer.objects.update(name=number)
    with CaptureQueriesContext(connection) as captured:
        found = told(customer.history.diff(first))
    assert found == [("name", str(n), str(n + 1)) for n in range(230)]
    # Three chunks of revisions, each with a query for the row and two for the favourites.
    assert len(captured) < 20
    with CaptureQueriesContext(connection) as captured:
        told(customer.history.diff(first, fields=["name"]))
    assert len(captured) < 14
