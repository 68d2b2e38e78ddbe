"""What a version changed: exactly the columns that differ from the version of the same row before it."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from audittrail import history
from audittrail.capture import tracking
from audittrail.diff.changes import FieldChange
from audittrail.diff.versions import VersionChanges, version_changes
from audittrail.models import Revision
from tests.builders.sending import sql
from tests.diff.kinds import ALIKE, VALUES
from tests.diff.telling import by_attribute
from tests.testapp.models import (
    Clash,
    Country,
    Customer,
    CustomerProfile,
    Document,
    Employee,
    Order,
    OrderLine,
    Product,
    Quoted,
    Spaced,
    Specimen,
    VipCustomer,
)

pytestmark = pytest.mark.django_db(transaction=True)


def changes_of(target: Any) -> list[VersionChanges]:
    """Return what each version of a model or an object changed, in order."""
    return version_changes(history.of(target).versions.in_order().select_related("revision"))


def told(found: VersionChanges) -> dict[str, tuple[Any, Any]]:
    return by_attribute(found.changes)


def plain(value: Any) -> Any:
    """Return a value as it was written: binary values and files come as objects that stand for them."""
    return bytes(value) if isinstance(value, memoryview) else getattr(value, "name", value)


def test_an_object_from_its_insertion_to_its_deletion() -> None:
    customer = Customer.objects.create(name="Ada", email="")
    key = customer.pk
    Customer.objects.update(name="Bea", vip=True)
    customer.delete()
    inserted, updated, deleted = changes_of(Customer)
    assert inserted.previous is None
    assert told(inserted) == {
        "id": (None, key),
        "name": (None, "Ada"),
        "email": (None, ""),
        "vip": (None, False),
    }
    assert updated.previous == inserted.version
    assert told(updated) == {"name": ("Ada", "Bea"), "vip": (False, True)}
    assert deleted.previous == updated.version
    assert told(deleted) == {
        "id": (key, None),
        "name": ("Bea", None),
        "email": ("", None),
        "vip": (True, None),
    }


def test_a_change_is_a_triple_and_more() -> None:
    customer = Customer.objects.create(name="Ada")
    with history.context(reason="Renamed"):
        Customer.objects.update(name="Bea")
    (change,) = changes_of(customer)[1].changes
    attribute, value, revision = change
    assert (attribute, value, revision.reason) == ("name", "Bea", "Renamed")
    assert change == FieldChange("name", "Ada", "Bea", revision, Customer._meta.get_field("name"))


def test_order_is_that_of_the_versions_given() -> None:
    customer = Customer.objects.create(name="0")
    for number in range(1, 4):
        Customer.objects.update(name=number)
    versions = list(customer.history.versions.in_order())
    for page in (versions[1:], versions[::-1], versions[2:3], versions + versions):
        found = version_changes(page)
        assert [one.version for one in found] == page
        for one in found:
            position = versions.index(one.version)
            assert one.previous == (versions[position - 1] if position else None)
    assert version_changes([]) == []


def test_rows_of_one_statement_have_their_own_predecessors() -> None:
    Customer.objects.bulk_create([Customer(name=f"{n}", email=f"{n}@x.example") for n in range(3)])
    Customer.objects.update(email="")
    updates = version_changes(Customer.history.versions.filter(operation="U").in_order())
    assert [told(one) for one in updates] == [{"email": (f"{n}@x.example", "")} for n in range(3)]


def test_several_versions_within_one_revision_are_steps() -> None:
    with transaction.atomic():
        customer = Customer.objects.create(name="a")
        for name in "bca":
            Customer.objects.update(name=name)
    assert [told(one).get("name") for one in changes_of(customer)] == [
        (None, "a"), ("a", "b"), ("b", "c"), ("c", "a"),
    ]  # fmt: skip


def test_a_row_that_comes_back_is_inserted_anew() -> None:
    Customer.objects.create(pk=7, name="Ada", email="a@x.example")
    Customer.objects.all().delete()
    Customer.objects.create(pk=7, name="Ada")
    again = changes_of(Customer)[2]
    assert again.previous is not None
    assert again.previous.operation == "D"
    assert told(again)["name"] == (None, "Ada")


def test_truncate_is_a_deletion() -> None:
    Quoted.objects.create(pk=3, name="it's")
    sql(f"TRUNCATE {connection.ops.quote_name(Quoted._meta.db_table)}")
    assert told(changes_of(Quoted)[1]) == {"id": (3, None), "name": ("it's", None)}


@pytest.mark.parametrize("name", VALUES)
def test_every_kind_of_field(name: str) -> None:
    old, new = VALUES[name]
    specimen = Specimen.objects.create(**{"name": "same", name: old})
    Specimen.objects.update(**{name: new})
    specimen.delete()
    inserted, updated, deleted = changes_of(Specimen)
    found = told(updated)
    if name == "name":
        assert found.pop("shout") == ("OLD", "NEW")
    assert {key: tuple(map(plain, values)) for key, values in found.items()} == {name: (old, new)}
    assert plain(told(inserted).get(name, (None, None))[1]) == old
    assert plain(told(deleted).get(name, (None, None))[0]) == new
    (change,) = [change for change in updated.changes if change.attribute == name]
    assert change.field is Specimen._meta.get_field(name)


@pytest.mark.parametrize("name", ALIKE)
def test_what_python_finds_equal_is_a_change_all_the_same(name: str) -> None:
    old, new = ALIKE[name]
    Specimen.objects.create(name="s")
    sql(f"UPDATE testapp_specimen SET {name} = {old}")
    sql(f"UPDATE testapp_specimen SET {name} = {new}")
    assert list(told(changes_of(Specimen)[2])) == [name]


@pytest.mark.parametrize("name", [*VALUES, "search"])
def test_what_is_stored_alike_is_no_change(name: str) -> None:
    values = {name: VALUES[name][0]} if name in VALUES else {}
    Specimen.objects.create(**{"name": "same", **values})
    if name == "search":
        sql("UPDATE testapp_specimen SET search = to_tsvector('a b')")
    Specimen.objects.update(flag=True, token="00000000-0000-0000-0000-00000000000f")
    assert told(changes_of(Specimen)[-1]).keys() <= {"flag", "token"}


def test_foreign_keys_are_keys() -> None:
    first, second = (User.objects.create(username=name) for name in ("una", "vic"))
    document = Document.objects.create(owner=first, title="t")
    Document.objects.update(owner=second)
    User.objects.filter(username="vic").delete()
    _, moved, emptied = changes_of(document)
    assert told(moved) == {"owner": (first.pk, second.pk)}
    assert told(emptied) == {"owner": (second.pk, None)}


def test_keys_of_every_kind() -> None:
    Country.objects.create(code="NO", name="Norway")
    product = Product.objects.create(name="Bread")
    customer = Customer.objects.create(name="Ada")
    profile = CustomerProfile.objects.create(customer=customer, bio="old")
    order = Order.objects.create(customer=customer, reference="A1")
    for number in (1, 2):
        OrderLine.objects.create(order=order, number=number, product=product)
    Country.objects.update(name="Noreg")
    Product.objects.update(stock=3)
    CustomerProfile.objects.update(bio="new")
    OrderLine.objects.filter(number=2).update(quantity=5)
    for model, expected in (
        (Country, {"name": ("Norway", "Noreg")}),
        (Product, {"stock": (0, 3)}),
        (CustomerProfile, {"bio": ("old", "new")}),
        (OrderLine, {"quantity": (1, 5)}),
    ):
        assert told(changes_of(model)[-1]) == expected
    assert told(changes_of(profile)[0])["customer"] == (None, customer.pk)


def test_columns_and_tables_with_difficult_names() -> None:
    clash = Clash.objects.create(version=1, revision_id=2, operation="x", row_version=3)
    Clash.objects.update(revision_id=5, operation="y", row_version=4)
    assert told(changes_of(clash)[1]) == {
        "revision_id": (2, 5),
        "operation": ("x", "y"),
        "row_version": (3, 4),
    }
    Spaced.objects.create(name="100 %")
    Spaced.objects.update(name="%s")
    assert told(changes_of(Spaced)[1]) == {"name": ("100 %", "%s")}
    Quoted.objects.create(name="a")
    Quoted.objects.update(name="b")
    assert told(changes_of(Quoted)[1]) == {"name": ("a", "b")}


def test_inherited_columns_belong_to_the_version_of_their_own_table() -> None:
    employee = Employee.objects.create(name="Ada", salary=1)
    Employee.objects.filter(pk=employee.pk).update(name="Bea", salary=2)
    assert list(told(changes_of(employee)[1])) == ["salary"]
    assert list(told(changes_of(employee.person_ptr)[1])) == ["name"]


def test_a_proxy_has_the_changes_of_its_model() -> None:
    VipCustomer.objects.create(name="Ada")
    VipCustomer.objects.update(name="Bea")
    assert told(changes_of(VipCustomer)[1]) == {"name": ("Ada", "Bea")}


def test_masked_columns_changed_but_never_into_what(monkeypatch: pytest.MonkeyPatch) -> None:
    options = tracking.Options(mask=("email", "id"))
    monkeypatch.setitem(tracking._registered, Customer, options)
    Customer.objects.create(name="Ada", email="secret@x.example")
    Customer.objects.update(email="other@x.example")
    Customer.objects.update(name="Bea")
    inserted, updated, renamed = changes_of(Customer)
    for found in (inserted, updated):
        masked = [change for change in found.changes if change.masked]
        assert {(change.old, change.new) for change in masked} == {(None, None)}
    assert [change.attribute for change in inserted.changes if change.masked] == ["id", "email"]
    assert [change.attribute for change in updated.changes] == ["email"]
    assert told(renamed) == {"name": ("Ada", "Bea")}


def test_excluded_columns_are_absent() -> None:
    user = User.objects.create(username="una", password="secret")
    user.password = "other"
    user.username = "vic"
    user.save()
    inserted, updated = changes_of(user)
    assert "password" not in told(inserted)
    assert told(updated) == {"username": ("una", "vic")}


def test_of_a_baseline_it_is_not_known_what_it_changed() -> None:
    Customer.objects.create(pk=1, name="Ada")
    sql("SELECT audittrail.reset_history()")
    Customer.objects.update(name="Bea")
    baseline, updated = changes_of(Customer)
    assert (baseline.version.operation, baseline.previous, baseline.changes) == ("B", None, ())
    assert told(updated) == {"name": ("Ada", "Bea")}


def test_when_tracking_begins_anew_no_older_version_is_the_predecessor() -> None:
    Customer.objects.create(pk=1, name="Ada")
    try:
        sql(
            "SELECT audittrail.untrack(id) FROM audittrail.tracked_table WHERE table_name = 'testapp_customer' AND until_version IS NULL"
        )
        Customer.objects.update(name="unseen")
    finally:
        sql("SELECT audittrail.track('testapp_customer')")
    Customer.objects.update(name="Bea")
    inserted, baseline, updated = changes_of(Customer)
    assert told(inserted)["name"] == (None, "Ada")
    assert (baseline.version.operation, baseline.previous, baseline.changes) == ("B", None, ())
    assert told(updated) == {"name": ("unseen", "Bea")}


def test_what_a_pruned_version_had_changed_is_not_known() -> None:
    Customer.objects.create(pk=1, name="Ada")
    Customer.objects.update(name="Bea")
    Customer.objects.update(name="Cyd")
    with history.editing(reason="Pruned"):
        Customer.history.versions.filter(operation="I").delete()
    first, second = changes_of(Customer)
    assert (first.version.operation, first.previous, first.changes) == ("U", None, ())
    assert told(second) == {"name": ("Bea", "Cyd")}


def test_a_version_that_is_gone_meanwhile_has_no_changes() -> None:
    Customer.objects.create(pk=1, name="Ada")
    Customer.objects.update(name="Bea")
    versions = list(Customer.history.versions.in_order())
    with history.editing(reason="Pruned"):
        Customer.history.versions.all().delete()
        Revision.objects.filter(pk=versions[1].revision_id).delete()
    found = version_changes(versions)
    assert [one.changes for one in found][1:] == [()]


def test_a_page_takes_one_query_and_one_for_its_revisions() -> None:
    Customer.objects.bulk_create([Customer(name=f"{n}") for n in range(50)])
    for number in range(4):
        Customer.objects.update(email=f"{number}@x.example")
    for versions, queries in (
        (list(Customer.history.versions.in_order().select_related("revision")), 1),
        (list(Customer.history.versions.in_order()), 2),
    ):
        with CaptureQueriesContext(connection) as captured:
            found = version_changes(versions)
            assert {change.revision.pk for one in found for change in one.changes}
        assert len(captured) == queries
        assert sum(len(one.changes) for one in found) == 50 * 4 + 50 * 4


def test_predecessors_are_found_by_the_index() -> None:
    Customer.objects.bulk_create([Customer(name=f"{n}") for n in range(3000)])
    busy = Customer.objects.earliest("pk").pk
    for number in range(200):
        Customer.objects.filter(pk=busy).update(name=f"busy {number}")
    sql("VACUUM ANALYZE audittrail.testapp_customer_history")
    page = list(Customer.history.versions.order_by("-version")[:100])
    with CaptureQueriesContext(connection) as captured:
        version_changes(page)
    plan = "\n".join(line for (line,) in sql("EXPLAIN " + captured[-1]["sql"]))
    assert "Backward using testapp_customer_history_key" in plan
    assert "testapp_customer_history p" in plan
    assert "Scan on testapp_customer_history p" not in plan


def test_versions_of_several_models_are_refused() -> None:
    Customer.objects.create(name="Ada")
    Country.objects.create(code="NO", name="Norway")
    with pytest.raises(ValueError, match="versions of one model from one database"):
        version_changes([Customer.history.versions.get(), Country.history.versions.get()])
