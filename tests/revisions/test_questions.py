"""Revisions answer what people ask: whose, when, of which model, of which object, and which are certain."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import connection, transaction

from audittrail import history
from audittrail.exceptions import MomentError, NotTrackedError, UnsettledError
from audittrail.models import Revision
from tests.builders.sending import newest, sql
from tests.testapp.models import Customer, Order, OrderLine, Product, Tag, VipCustomer

pytestmark = pytest.mark.django_db(transaction=True)


def test_by_user_takes_a_user_or_a_key() -> None:
    ada, bob = User.objects.create_user("ada"), User.objects.create_user("bob")
    with history.context(user=ada):
        Tag.objects.create(name="a")
    revision = newest()
    with history.context(user=bob):
        Tag.objects.create(name="b")
    assert [*Revision.objects.by_user(ada)] == [revision]
    assert [*Revision.objects.by_user(ada.pk)] == [revision]
    assert [*Revision.objects.filter(committed_by=ada.pk)] == [revision]
    assert [*Revision.objects.filter(committed_by=ada)] == [revision]
    assert [*Revision.objects.filter(committed_by__username="ada")] == [revision]
    assert not Revision.objects.filter(committed_by=1234).exists()


def test_by_user_of_a_key_that_no_user_has() -> None:
    with history.context(user=1234):
        Tag.objects.create(name="a")
    assert Revision.objects.filter(committed_by=1234).get() == newest()


def test_a_deleted_user_leaves_the_revision_and_its_key() -> None:
    ada = User.objects.create_user("ada")
    key = ada.pk
    with history.context(user=ada):
        Tag.objects.create(name="a")
    revision = newest()
    assert revision.committed_by == ada
    ada.delete()
    revision = Revision.objects.get(pk=revision.pk)
    assert revision.committed_by is None
    assert revision.committed_by_id == key
    assert Revision.objects.select_related("committed_by").get(pk=revision.pk).committed_by is None
    assert [*Revision.objects.by_user(key)] == [revision]


def test_between_has_its_start_and_not_its_end() -> None:
    revisions = []
    for name in "abc":
        Tag.objects.create(name=name)
        revisions.append(newest())
    first, second, third = revisions
    between = Revision.objects.between
    assert [*between(first.committed_at, third.committed_at).newest_first()] == [second, first]
    assert [*between(second.committed_at, second.committed_at + timedelta(microseconds=1))] == [
        second
    ]
    assert not between(second.committed_at, second.committed_at).exists()
    with pytest.raises(MomentError, match="by a datetime, not by 'yesterday'"):
        between("yesterday", third.committed_at)  # type: ignore[arg-type]


def test_for_model() -> None:
    Tag.objects.create(name="a")
    of_tag = newest()
    customer = Customer.objects.create(name="c")
    of_customer = newest()
    with transaction.atomic():
        Tag.objects.create(name="b")
        customer.delete()
    of_both = newest()
    assert [*Revision.objects.for_model(Tag).newest_first()] == [of_both, of_tag]
    assert [*Revision.objects.for_model(Customer).newest_first()] == [of_both, of_customer]
    assert [*Revision.objects.for_model(VipCustomer).newest_first()] == [of_both, of_customer]
    assert not Revision.objects.for_model(Product).exists()
    with pytest.raises(NotTrackedError, match=r"sessions\.Session is not tracked"):
        Revision.objects.for_model(Session)


def test_for_object_deleted_ones_and_composite_keys_included() -> None:
    customer = Customer.objects.create(name="c")
    first = newest()
    Customer.objects.create(name="other")
    customer.name = "d"
    customer.save()
    second = newest()
    gone = Customer(pk=customer.pk)
    customer.delete()
    third = newest()
    assert [*Revision.objects.for_object(gone).newest_first()] == [third, second, first]
    with transaction.atomic():
        order = Order.objects.create(customer=Customer.objects.create(name="e"), reference="r")
        tea = Product.objects.create(name="Tea")
        lines = [OrderLine.objects.create(order=order, number=n, product=tea) for n in (1, 2)]
    made = newest()
    lines[0].quantity = 5
    lines[0].save()
    assert [*Revision.objects.for_object(lines[0]).newest_first()] == [newest(), made]
    assert [*Revision.objects.for_object(lines[1])] == [made]


def test_an_open_revision_is_there_but_has_no_place_yet() -> None:
    Tag.objects.create(name="a")
    before = newest()
    with transaction.atomic():
        Tag.objects.create(name="b")
        assert Revision.objects.count() == 2
        assert [*Revision.objects.committed()] == [before]
        assert [*Revision.objects.newest_first()] == [before]
        assert Revision.objects.get(committed=None).committed_at is None


def test_a_revision_says_what_there_is_to_say() -> None:
    with history.context(user=7, reason="why", ticket=["T", 1]):
        Tag.objects.create(name="a")
    revision = newest()
    assert str(revision) == str(revision.pk)
    assert revision.reason == "why"
    assert revision.context == {"ticket": ["T", 1]}
    assert revision.db_user == connection.settings_dict["USER"]
    assert isinstance(revision.application_name, str)
    assert revision.client_addr is None  # the test server is reached by a socket
    assert revision.pk < revision.committed


def test_settled_is_everything_when_nobody_is_committing() -> None:
    for name in "abc":
        Tag.objects.create(name=name)
    assert Revision.objects.settled().count() == 3


def test_settled_of_no_history_at_all() -> None:
    assert not Revision.objects.settled().exists()


def test_settled_waits_for_nobody_who_has_not_begun_to_commit(second_connection: Any) -> None:
    with second_connection.cursor() as cursor:
        cursor.execute("INSERT INTO testapp_tag (name) VALUES ('open')")
    Tag.objects.create(name="a")
    assert Revision.objects.settled(timeout=0).count() == 1
    second_connection.commit()
    assert Revision.objects.settled().count() == 2


def test_settled_refuses_while_a_transaction_stands_between_its_tick_and_its_visibility(
    second_connection: Any,
) -> None:
    with second_connection.cursor() as cursor:
        cursor.execute("INSERT INTO testapp_tag (name) VALUES ('held')")
        cursor.execute(
            "SELECT audittrail.close_revision()"
        )  # takes the tick, as a commit does first
        (held,) = cursor.fetchone()
    Tag.objects.create(name="a")
    later = newest()
    with pytest.raises(UnsettledError, match="are committing can't be seen yet"):
        Revision.objects.settled(timeout=0.1)
    second_connection.commit()
    settled = [*Revision.objects.settled().order_by("committed")]
    assert [revision.pk for revision in settled] == [held, later.pk]
    assert settled[0].committed < later.committed


def test_waiting_gives_its_answer_before_the_statement_is_cancelled(second_connection: Any) -> None:
    with second_connection.cursor() as cursor:
        cursor.execute("INSERT INTO testapp_tag (name) VALUES ('held')")
        cursor.execute("SELECT audittrail.close_revision()")
    with transaction.atomic():
        sql("SET LOCAL statement_timeout = '500ms'")
        with pytest.raises(UnsettledError, match="can't be seen yet"):
            Revision.objects.settled(timeout=1.5)
        assert sql("SELECT 1") == [(1,)], "the transaction goes on"


def test_settled_refuses_while_a_prepared_transaction_may_still_appear(
    connect: Callable[..., Any],
) -> None:
    other = connect(autocommit=True)
    Tag.objects.create(name="a")
    with other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("INSERT INTO testapp_tag (name) VALUES ('held')")
        cursor.execute("PREPARE TRANSACTION 'held'")
        try:
            with pytest.raises(UnsettledError, match="pg_prepared_xacts"):
                Revision.objects.settled(timeout=0.1)
        finally:
            cursor.execute("COMMIT PREPARED 'held'")
    assert Revision.objects.settled().count() == 2
