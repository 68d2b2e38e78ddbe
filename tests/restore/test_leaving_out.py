"""A plan made without some rows and columns: they stay as they are, nothing comes along with them, and the rest is done."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction

from audittrail.exceptions import RestoreError
from audittrail.models import Revision
from audittrail.restore.plan import LeftAlone, Plan, RowPlan, TablePlan
from tests.builders.sending import newest
from tests.testapp.models import Customer, Order, OrderLine, Product, Tag

pytestmark = pytest.mark.django_db(transaction=True)


def row_of(plan: Plan, model: Any, pk: Any) -> tuple[TablePlan, RowPlan]:
    (found,) = [
        (table, row)
        for table in (*plan.tables, *plan.held)
        if table.model is model
        for row in table.rows
        if row.pk == pk
    ]
    return found


def without(plan: Plan, *rows: tuple[Any, Any], **kwargs: Any) -> Plan:
    """Return a plan made again without the rows of some models and keys."""
    places = []
    for model, pk in rows:
        table, row = row_of(plan, model, pk)
        places.append((table.relation, row.place))
    return plan.again(LeftAlone(rows=frozenset(places)), **kwargs)


def told(plan: Plan) -> set[tuple[str, str, Any]]:
    return {
        (table.model.__name__ if table.model else "", row.action, row.pk)
        for table in plan.tables
        for row in table.rows
    }


@pytest.fixture
def changed(transactional_db: None) -> dict[str, Any]:
    """Give a revision that inserted, updated and deleted customers."""
    ada, bea = Customer.objects.create(name="Ada"), Customer.objects.create(name="Bea")
    gone = bea.pk
    with transaction.atomic():
        Customer.objects.filter(pk=ada.pk).update(name="Countess", email="c@example.org")
        bea.delete()
        cyd = Customer.objects.create(name="Cyd")
    return {"revision": newest(), "U": ada.pk, "D": cyd.pk, "I": gone}


@pytest.mark.parametrize("action", "IUD")
def test_a_row_that_is_left_out_stays_as_it_is(changed, action) -> None:
    plan = changed["revision"].undo(dry_run=True)
    left = without(plan, (Customer, changed[action]))
    assert told(left) == told(plan) - {("Customer", action, changed[action])}
    before = Customer.objects.filter(pk=changed[action]).values().first()
    assert left.carry_out().counts == {
        name: int(letter != action)
        for letter, name in (("I", "inserted"), ("U", "updated"), ("D", "deleted"))
    }
    assert Customer.objects.filter(pk=changed[action]).values().first() == before


def test_all_rows_of_an_action_are_left_out(changed) -> None:
    plan = changed["revision"].undo(dry_run=True)
    table, _row = row_of(plan, Customer, changed["U"])
    left = plan.again(LeftAlone(actions=frozenset({(table.relation, "I"), (table.relation, "D")})))
    assert told(left) == {("Customer", "U", changed["U"])}


def test_a_column_that_is_left_out_keeps_its_value(changed) -> None:
    plan = changed["revision"].undo(dry_run=True)
    table, row = row_of(plan, Customer, changed["U"])
    column = {(table.relation, row.place, "email")}
    left = plan.again(LeftAlone(columns=frozenset(column)))
    assert [change.column for change in row_of(left, Customer, changed["U"])[1].changes] == ["name"]
    assert left.carry_out().new_revision is not None
    assert Customer.objects.filter(name="Ada", email="c@example.org").exists()
    # A row of which nothing else would change is left out as a whole.
    both = LeftAlone(columns=frozenset(column | {(table.relation, row.place, "name")}))
    assert ("Customer", "U", changed["U"]) not in told(plan.again(both))


def test_a_plan_without_some_rows_is_as_good_as_what_it_was_made_of(changed) -> None:
    from audittrail.exceptions import StalePlanError

    left = without(changed["revision"].undo(dry_run=True), (Customer, changed["D"]))
    Customer.objects.filter(pk=changed["U"]).update(vip=True)
    with pytest.raises(StalePlanError):
        left.carry_out()


def test_what_is_left_out_is_in_nobodys_way(changed) -> None:
    """Its conflicts are not those of the rest, and rows that the revision changed are left out though they wait for a conflict."""
    Customer.objects.filter(pk=changed["U"]).update(name="Lady", email="l@example.org")
    for on_conflict in ("refuse", "skip"):
        plan = changed["revision"].undo(dry_run=True, on_conflict=on_conflict)
        assert plan.conflicts
        assert [row.pk for table in plan.held for row in table.rows] == [changed["U"]]
        left = without(plan, (Customer, changed["U"]))
        assert not left.conflicts and not left.held
    Customer.objects.filter(pk=changed["U"]).delete()
    for on_conflict, is_told in (("refuse", False), ("override", True)):
        plan = changed["revision"].undo(dry_run=True, on_conflict=on_conflict)
        assert any(note.kind == "not restored" for note in plan.notes) == is_told
        left = without(plan, (Customer, changed["U"]))
        assert not left.conflicts and not left.notes
    assert left.carry_out().counts == {"inserted": 1, "updated": 0, "deleted": 1}


def test_a_column_that_is_left_out_is_no_conflict(changed) -> None:
    Customer.objects.filter(pk=changed["U"]).update(email="later@example.org")
    plan = changed["revision"].undo(dry_run=True)
    (conflict,) = plan.conflicts
    assert conflict.columns == ("email",)
    table, row = row_of(plan, Customer, changed["U"])
    left = plan.again(LeftAlone(columns=frozenset({(table.relation, row.place, "email")})))
    assert not left.conflicts
    # Where nothing else changes, what waits for its conflict goes on waiting.
    name = plan.again(LeftAlone(columns=frozenset({(table.relation, row.place, "name")})))
    assert name.conflicts == plan.conflicts


def test_nothing_comes_along_with_what_is_left_out(transactional_db) -> None:
    ada = Customer.objects.create(name="Ada")
    product = Product.objects.create(name="Bread")
    order = Order.objects.create(customer=ada, reference="1")
    line = OrderLine.objects.create(order=order, number=1, product=product)
    keys = {Customer: ada.pk, Order: order.pk, OrderLine: line.pk, Product: product.pk}
    ada.delete()
    product.delete()
    deleted = Customer.history.deleted()
    plan = deleted.undelete(with_cascade=True, with_related=True, dry_run=True)
    assert {name for name, _, _ in told(plan)} == {"Customer", "Order", "OrderLine", "Product"}
    left = without(plan, (Order, keys[Order]))
    assert told(left) == {("Customer", "I", keys[Customer])}
    assert not left.conflicts


def test_everything_is_restored_but_some(transactional_db) -> None:
    one, other = Tag.objects.create(name="a"), Tag.objects.create(name="b")
    then = newest()
    for tag in (one, other):
        Tag.objects.filter(pk=tag.pk).update(name=f"new {tag.pk}")
    plan = without(then.restore_all(dry_run=True), (Tag, other.pk))
    assert plan.carry_out().updated == 1
    assert {*Tag.objects.values_list("name", flat=True)} == {"a", f"new {other.pk}"}
    rollback = then.rollback_all_later_revisions(dry_run=True)
    with pytest.raises(RestoreError, match="Nothing can be left out of a rollback"):
        without(rollback, (Tag, other.pk))
    assert Revision.objects.filter(committed__gt=then.committed).exists()


def test_unique_values_of_what_is_left_out_are_in_the_way(transactional_db) -> None:
    """Two tags exchanged their names: without the one, the other's name is taken."""
    one, other = Tag.objects.create(name="a"), Tag.objects.create(name="b")
    then = newest()
    with transaction.atomic():
        Tag.objects.filter(pk=one.pk).update(name="between")
        Tag.objects.filter(pk=other.pk).update(name="a")
        Tag.objects.filter(pk=one.pk).update(name="b")
    plan = then.restore_all(dry_run=True)
    assert not plan.conflicts
    (conflict,) = without(plan, (Tag, other.pk)).conflicts
    assert conflict.kind == "unique"
