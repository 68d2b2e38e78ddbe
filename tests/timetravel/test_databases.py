"""Several databases have moments of their own, routers don't lead out of a moment, and a hot standby answers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from audittrail import history
from audittrail.exceptions import MixedMomentsError, MomentError, PastIsReadOnlyError
from tests.builders.sending import newest
from tests.testapp.models import Customer, Order

BOTH = pytest.mark.django_db(transaction=True, databases=["default", "other"])


def names(queryset: Any) -> list[str]:
    return sorted(queryset.values_list("name", flat=True))


@pytest.fixture
def moments(transactional_db: None) -> dict[str, Any]:
    """Give the first revision of each of two databases, in which one customer has the database's name."""
    for alias in ("default", "other"):
        customer = Customer.objects.using(alias).create(name=alias)
        Order.objects.using(alias).create(customer=customer, reference=alias)
    found = {alias: newest(alias) for alias in ("default", "other")}
    for alias in found:
        Customer.objects.using(alias).update(name="changed")
    return found


@BOTH
def test_each_database_has_its_own_past(moments: dict[str, Any]) -> None:
    for alias, revision in moments.items():
        customer = Customer.history(revision=revision).get()
        assert customer.name == alias
        assert [order.reference for order in customer.orders.all()] == [alias]
        assert customer.orders.get().customer.name == alias
        assert names(Customer.history(revision=revision, using=alias)) == [alias]
        assert names(Customer.history(revision.committed_at, using=alias)) == [alias]
        assert Customer.objects.using(alias).get().history(revision.committed_at).name == alias
        assert names(revision.get_changed_objects(Customer)) == []
        assert [o.reference for o in revision.get_changed_objects(Order)] == [alias]
        Customer.objects.using(alias).all().delete()
        assert names(Customer.history.deleted(using=alias)) == ["changed"]
    with pytest.raises(MomentError, match="has revisions of its own"):
        Customer.history(revision=moments["other"], using="default")
    with pytest.raises(MixedMomentsError):
        Customer.history(revision=moments["other"]).using("default")
    with pytest.raises((MixedMomentsError, ValueError)):
        list(Customer.history(moments["other"]).filter(pk__in=Customer.history(moments["default"])))


@BOTH
def test_a_block_holds_a_moment_of_each_database(moments: dict[str, Any]) -> None:
    default, other = moments["default"], moments["other"]
    with history.at_rev(default), history.at_rev(other):
        assert names(Customer.history(using="default")) == ["default"]
        assert names(Customer.history(using="other")) == ["other"]
        assert names(Customer.history.all()) == ["default"]
    with history.at_rev(other), pytest.raises(MomentError, match="moment of database 'default'"):
        Customer.history.all()
    later = max(default.committed_at, other.committed_at)
    with history.at_rev(later):
        assert names(Customer.history(using="other")) == ["other"]
    with history.at_rev(later, using="other"), pytest.raises(MomentError):
        Customer.history.all()
    with history.at_rev(later + timedelta(days=1)):
        assert names(Customer.history(using="other")) == ["changed"]


class Elsewhere:
    """Send everything to the other database, whatever it belongs to."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        return "other"

    def db_for_write(self, model: Any, **hints: Any) -> str:
        return "other"


@BOTH
def test_routers_do_not_lead_out_of_a_moment(moments: dict[str, Any], settings: Any) -> None:
    settings.DATABASE_ROUTERS = [Elsewhere()]
    assert Customer.objects.get().orders.get().reference == "other"
    customer = Customer.history(revision=moments["default"]).get()
    assert [order.reference for order in customer.orders.all()] == ["default"]
    assert Order.history(revision=moments["default"]).get().customer.name == "default"
    order = Order.history(revision=moments["default"]).prefetch_related("customer").get()
    assert order.customer.name == "default"
    with pytest.raises(PastIsReadOnlyError):
        customer.save()
    # A time means the database that the model is read from.
    assert names(Customer.history(moments["other"].committed_at)) == ["other"]
