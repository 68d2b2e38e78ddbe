"""What a plan tells those who show it: of its conflicts, its notes, and the revision that it has made."""

from __future__ import annotations

import pytest
from django.db import connection

from audittrail.capture import tracking
from audittrail.exceptions import StalePlanError
from audittrail.models import Revision
from tests.builders.sending import newest
from tests.testapp.models import Country, Customer, Order, OrderLine, Product, Tag

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_carried_out_plan_names_the_revision_that_it_made() -> None:
    customer = Customer.objects.create(name="Corner Bakery")
    first = newest()
    Customer.objects.update(name="Bakery & Sons")
    plan = Customer.history(revision=first).filter(pk=customer.pk).restore(dry_run=True)
    assert plan.new_revision is None
    done = plan.carry_out()
    assert done.new_revision == newest().pk
    assert Customer.history(revision=first).restore().new_revision is None, "nothing was to be done"
    Customer.objects.create(name="Another")
    done = first.rollback_all_later_revisions()
    assert done.new_revision == newest().pk
    assert Revision.objects.get(pk=done.new_revision).context["restored"]["kind"] == "rollback"


def test_conflicts_name_the_other_side() -> None:
    product = Product.objects.create(name="Bread")
    customer = Customer.objects.create(name="Corner Bakery")
    order = Order.objects.create(customer=customer, reference="A1")
    made = newest()
    order.delete()
    customer_key = customer.pk
    customer.delete()
    plan = Order.history.deleted().undelete(dry_run=True)
    (conflict,) = plan.conflicts
    assert (conflict.kind, conflict.other) == ("missing reference", Customer)
    assert conflict.detail == str(customer_key)
    made.undo(on_conflict="override")
    order = Order.objects.create(
        customer=Customer.objects.create(name="Another"), reference="B1", pk=order.pk
    )
    created = newest()
    OrderLine.objects.create(order=order, number=1, product=product)
    (conflict,) = created.undo(dry_run=True).conflicts
    assert (conflict.kind, conflict.other) == ("protected", OrderLine)


def test_notes_name_columns_and_revisions() -> None:
    customer = Customer.objects.create(name="Corner Bakery")
    first = newest()
    Customer.objects.update(name="Bakery & Sons")
    second = newest()
    plan = Customer.history(revision=first).filter(pk=customer.pk).restore(dry_run=True)
    (note,) = plan.notes
    assert (note.kind, note.model, note.rows) == ("changed since", Customer, 1)
    assert note.revisions == (second.pk,)


def test_a_rollback_is_stale_when_more_would_be_erased() -> None:
    customer = Customer.objects.create(name="Corner Bakery")
    first = newest()
    Customer.objects.update(name="Bakery & Sons")
    plan = first.rollback_all_later_revisions(dry_run=True)
    # The rows are as they were when the plan was made; their history is not.
    Customer.objects.update(name="Somebody else's")
    Customer.objects.update(name="Bakery & Sons")
    with pytest.raises(StalePlanError) as caught:
        plan.carry_out()
    assert caught.value.plan.erased == (plan.erased[0] + 2, plan.erased[1] + 2)
    customer.refresh_from_db()
    assert customer.name == "Bakery & Sons"


def test_deleted_objects_tell_at_which_version_they_went() -> None:
    customer = Customer.objects.create(name="Corner Bakery")
    key = customer.pk
    customer.delete()
    deleted = Customer.history.deleted().get()
    version = Customer.history.versions.get(id=key, operation="D")
    assert (deleted.history_version, deleted.history_revision) == (
        version.version,
        version.revision_id,
    )
    assert Customer.history.deleted().filter(history_version__gt=version.version).count() == 0


def test_conflicts_never_tell_values_of_masked_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    tag = Tag.objects.create(name="secret-name")
    tag.delete()
    Tag.objects.create(name="secret-name")
    (open_conflict,) = Tag.history.deleted().undelete(dry_run=True).conflicts
    assert "secret-name" in open_conflict.message
    monkeypatch.setitem(tracking._registered, Tag, tracking.Options(mask=("name",)))
    plan = Tag.history.deleted().undelete(dry_run=True)
    assert "secret-name" not in repr(plan)
    assert plan.conflicts[0].kind == "unique"


def test_what_a_conflict_says_holds_any_sign() -> None:
    Country.objects.create(code="SE", name="{detail}")
    with connection.cursor() as cursor:
        cursor.execute('ALTER TABLE testapp_country ADD CONSTRAINT "{key} {detail}" UNIQUE (name)')
    try:
        first = newest()
        Country.objects.update(name="Sweden")
        Country.objects.create(code="SZ", name="{detail}")
        plan = Country.history(revision=first).filter(code="SE").restore(dry_run=True)
    finally:
        with connection.cursor() as cursor:
            cursor.execute('ALTER TABLE testapp_country DROP CONSTRAINT "{key} {detail}"')
    assert [conflict.message for conflict in plan.conflicts] == [
        "testapp.Country SE: another row has its name by now ({detail}; {key} {detail})"
    ]
