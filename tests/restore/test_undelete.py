"""Deleted objects come back as they last were, and on request what was deleted along with them."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import transaction

from audittrail.exceptions import RestoreConflictError, RestoreError
from audittrail.models import Revision
from audittrail.testing import assert_no_new_history
from tests.builders.sending import newest
from tests.restore.truth import content, verified
from tests.testapp import models as m

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_object_alone_comes_back() -> None:
    zoe = m.Customer.objects.create(name="Zoe")
    m.Order.objects.create(customer=zoe, reference="A1")
    pk = zoe.pk
    zoe.delete()
    plan = m.Customer.history.deleted().filter(name="Zoe").undelete()
    assert plan.counts == {"inserted": 1, "updated": 0, "deleted": 0}
    assert m.Customer.objects.get().pk == pk and not m.Order.objects.exists()
    assert newest().context["restored"]["kind"] == "undelete"
    assert not m.Customer.history.deleted().exists()


def test_what_was_deleted_along_comes_back_with_it(created: Revision) -> None:
    before = content()
    customer = m.Customer.objects.get(name="Yan")
    m.OrderLine.objects.filter(order__customer__name="Xia").delete()
    elsewhere = content()
    customer.delete()
    plan = m.Customer.history.deleted().undelete(with_cascade=True, dry_run=True)
    assert {table.table: table.inserted for table in plan.tables} == {
        "testapp_customer": 1, "testapp_customerprofile": 1, "testapp_order": 2, "testapp_orderline": 3,
        "testapp_customer_favourites": 2,
    }  # fmt: skip
    m.Customer.history.deleted().undelete(with_cascade=True)
    assert content() == elsewhere, "what another revision deleted stays away"
    m.OrderLine.history.deleted().undelete()
    assert content() == before
    assert verified() == []


def test_only_what_belongs_to_the_object_comes_back_of_a_revision_that_deleted_more() -> None:
    customers = [m.Customer.objects.create(name=name) for name in ("Zoe", "Yan")]
    orders = [m.Order.objects.create(customer=c, reference=c.name) for c in customers]
    with transaction.atomic():
        m.Customer.objects.all().delete()
    m.Customer.history.deleted().filter(name="Yan").undelete(with_cascade=True)
    assert m.Order.objects.get() == orders[1]


def test_the_last_deletion_counts() -> None:
    zoe = m.Customer.objects.create(name="Zoe")
    first = m.Order.objects.create(customer=zoe, reference="first")
    pk = zoe.pk
    zoe.delete()
    m.Customer.objects.create(pk=pk, name="Zoe again")
    m.Order.objects.create(customer_id=pk, reference="second")
    m.Customer.objects.get().delete()
    m.Customer.history.deleted().undelete(with_cascade=True)
    assert m.Customer.objects.get().name == "Zoe again"
    assert m.Order.objects.get().reference == "second"
    assert m.Order.history.deleted().get() == first


def test_generic_relations_many_to_many_and_parents_come_back(created: Revision) -> None:
    sweden = m.Country.objects.create(code="SE", name="Sweden")
    m.TaggedNote.objects.create(target=sweden, text="cold")
    before = content()
    sweden.delete()
    m.Pizzeria.objects.get().delete()
    User.objects.get(username="vic").delete()
    Group.objects.all().delete()
    for model in (m.Country, m.Pizzeria, Group, User):
        model.history.deleted().undelete(with_cascade=True)
    # The password is excluded from history; documents of the user were set NULL, not deleted.
    assert content().keys() == before.keys()
    assert m.TaggedNote.objects.get(object_id="SE").text == "cold"
    assert m.Pizzeria.objects.get().name == "Napoli"
    assert set(User.objects.get(username="vic").groups.values_list("name")) == {("editors",)}


def test_a_cascade_of_the_database_is_undone_as_well(created: Revision) -> None:
    product = m.Product.objects.create(name="Reviewed")
    m.Review.objects.create(product=product, stars=5)
    before = content()
    product.delete()
    assert not m.Review.objects.filter(stars=5).exists()
    m.Product.history.deleted().undelete(with_cascade=True)
    assert content() == before


def test_a_truncated_table_comes_back(created: Revision) -> None:
    from django.db import connection

    before = content()
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE testapp_country CASCADE")
    assert not m.Organization.objects.exists()
    for model in (m.Country, m.Organization, m.Membership):
        model.history.deleted().undelete()
    assert content() == before


def test_a_parent_that_is_gone_is_a_conflict_unless_it_comes_too() -> None:
    zoe = m.Customer.objects.create(name="Zoe")
    order = m.Order.objects.create(customer=zoe, reference="A1")
    order.delete()
    zoe.delete()
    deleted = m.Order.history.deleted()
    with assert_no_new_history(), pytest.raises(RestoreConflictError, match="customer_id"):
        deleted.undelete()
    plan = deleted.undelete(with_related=True)
    assert plan.inserted == 2
    assert m.Order.objects.get().customer.name == "Zoe"


def test_restore_of_deleted_objects_is_undelete() -> None:
    m.Tag.objects.create(name="gone").delete()
    assert m.Tag.history.deleted().restore().kind == "undelete"
    assert m.Tag.objects.get().name == "gone"


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda deleted: deleted[:1].undelete(), "sliced"),
        (lambda deleted: deleted.values("name").undelete(), "gives values"),
        (lambda deleted: deleted.restore(fields=["name"]), "come back whole"),
    ],
)
def test_bad_calls(call: Any, text: str) -> None:
    m.Tag.objects.create(name="gone").delete()
    with assert_no_new_history(), pytest.raises(RestoreError, match=text):
        call(m.Tag.history.deleted())
