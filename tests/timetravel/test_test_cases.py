"""In a `TestCase`, which is one transaction that never commits, the past is read like everywhere else."""

from __future__ import annotations

import pytest
from django.db import connection

from audittrail import history
from audittrail.testing import close_revision, new_revision, reset_history
from tests.testapp.models import Customer, Order

pytestmark = pytest.mark.django_db


def test_closed_revisions_are_moments() -> None:
    customer = Customer.objects.create(name="One")
    first = close_revision()
    assert first is not None
    with new_revision() as second:
        Customer.objects.update(name="Two")
        Order.objects.create(customer=customer, reference="R")
    Customer.objects.update(name="open")
    assert Customer.history(revision=first).get().name == "One"
    assert second.revision is not None
    with history.at_rev(second.revision):
        assert Customer.history.filter(orders__reference="R").get().name == "Two"
    assert [o.reference for o in second.revision.get_changed_objects(Order)] == ["R"]


def test_a_changed_schema_and_a_new_beginning_are_noticed() -> None:
    Customer.objects.create(name="One")
    first = close_revision()
    assert first is not None
    assert Customer.history(revision=first).count() == 1
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
        cursor.execute("ALTER TABLE testapp_customer ADD COLUMN extra int")
    first.refresh_from_db()
    assert first.committed_at is not None
    assert first.committed_at.year < 3000
    Customer.objects.update(name="Two")
    second = close_revision()
    assert second is not None
    assert Customer.history(revision=first).get().name == "One"
    assert (
        Customer.history(revision=second).raw("SELECT id, extra FROM testapp_customer")[0].extra
        is None
    )
    reset_history()
    again = close_revision()
    assert again is not None
    assert Customer.history(revision=again).get().name == "Two"
