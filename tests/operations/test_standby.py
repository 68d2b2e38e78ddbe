"""A hot standby reads the past, never less of it than there is, and goes on recording when it is promoted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import pytest
from django.core.management import call_command
from django.utils import timezone

from audittrail.exceptions import UnsettledError
from audittrail.models import Revision
from audittrail.revisions import settling
from audittrail.timetravel import settled
from tests.builders.sending import newest, send
from tests.databases import OwnServer
from tests.operations.clusters import FOLLOWED, catch_up, server, standby_of, value
from tests.testapp.models import Customer, Order


@dataclass(frozen=True)
class Pair:
    """A primary whose database "shop" Django knows as "primary", and a standby, which it knows as "standby"."""

    primary: OwnServer
    standby: OwnServer
    stack: ExitStack

    def catch_up(self) -> None:
        """Wait until the standby has replayed all of the primary; forget what was settled."""
        catch_up(self.primary, self.standby)
        settled.forget()

    def connect(self) -> Any:
        """Open a connection to the primary's shop, not in autocommit."""
        return self.stack.enter_context(closing(self.primary.connect("shop")))

    def revision(self) -> Any:
        """Return the newest revision of the standby."""
        return newest("standby")


@contextmanager
def a_pair(blocker: Any, first: str, second: str) -> Iterator[Pair]:
    """Run a primary and its standby, as Django's databases of these names."""
    with ExitStack() as stack:
        stack.enter_context(blocker.unblock())
        primary = stack.enter_context(server(**FOLLOWED))
        primary.createdb("shop")
        stack.enter_context(primary.attached(first, "shop"))
        call_command("migrate", database=first, verbosity=0)
        standby = stack.enter_context(standby_of(primary))
        stack.enter_context(standby.attached(second, "shop"))
        yield Pair(primary, standby, stack)


@pytest.fixture(scope="module")
def servers(django_db_blocker: Any) -> Iterator[Pair]:
    """Give the servers that the tests share."""
    with a_pair(django_db_blocker, "primary", "standby") as made:
        yield made


@pytest.fixture
def pair(servers: Pair) -> Iterator[Pair]:
    """Give the shared servers with two customers."""
    Order.objects.using("primary").all().delete()
    Customer.objects.using("primary").all().delete()
    for name in ("Ada", "Bea"):
        Customer.objects.using("primary").create(name=name)
    servers.catch_up()
    yield servers
    settled.forget()


def names(revision: Any) -> list[str]:
    return sorted(Customer.history(revision).values_list("name", flat=True))


def test_the_past_is_read_on_a_standby(pair: Pair) -> None:
    before = pair.revision()
    ada = Customer.objects.using("primary").get(name="Ada")
    Order.objects.using("primary").create(customer=ada, reference="R")
    Customer.objects.using("primary").update(name="after")
    pair.catch_up()
    assert names(before) == ["Ada", "Bea"]
    assert names(pair.revision()) == ["after", "after"]
    # The order before was placed when Ada was called so.
    placed = Revision.objects.using("standby").for_model(Order).earliest()
    order = Order.history(placed).select_related("customer").get()
    assert order.customer.name == "Ada"


def test_a_moment_before_which_something_may_still_appear_is_refused(pair: Pair) -> None:
    other = pair.connect()
    # It takes its place in the order of commits, and is seen later.
    send(other, "UPDATE testapp_customer SET name = 'prepared' WHERE name = 'Ada'")
    send(other, "PREPARE TRANSACTION 'half'")
    Customer.objects.using("primary").create(name="Cyd")
    pair.catch_up()
    moment = pair.revision()
    with mock.patch.object(settling, "TIMEOUT", 0.1):
        for _ in range(2):
            with pytest.raises(UnsettledError, match="have not ended on this standby"):
                names(moment)
        with pytest.raises(UnsettledError, match="have not ended on this standby"):
            Revision.objects.using("standby").settled(timeout=0.1)
    other.rollback()
    other.autocommit = True
    send(other, "COMMIT PREPARED 'half'")
    pair.catch_up()
    assert names(moment) == ["Bea", "Cyd", "prepared"]
    assert moment in Revision.objects.using("standby").settled()


def test_who_asks_in_sql_waits_too(pair: Pair) -> None:
    other = pair.connect()
    send(other, "UPDATE testapp_customer SET name = 'prepared' WHERE name = 'Ada'")
    send(other, "PREPARE TRANSACTION 'half'")
    Customer.objects.using("primary").create(name="Cyd")
    pair.catch_up()
    with closing(pair.standby.connect("shop", autocommit=True)) as reader:
        with pytest.raises(Exception, match="have not ended on this standby"):
            send(reader, "SELECT audittrail.wait_for_commits('50 milliseconds')")
        with closing(pair.primary.connect("shop", autocommit=True)) as writer:
            send(writer, "COMMIT PREPARED 'half'")
        pair.catch_up()
        assert send(reader, "SELECT audittrail.wait_for_commits('10 seconds')")


def test_what_maintain_has_closed_is_read_beside_a_long_transaction(pair: Pair) -> None:
    other = pair.connect()
    send(other, "UPDATE testapp_customer SET name = 'late' WHERE name = 'Ada'")
    pair.catch_up()
    moment = pair.revision()
    with mock.patch.object(settling, "TIMEOUT", 0.1), pytest.raises(UnsettledError):
        names(moment)
    call_command("audittrail", "maintain", database="primary", verbosity=0)
    pair.catch_up()
    assert names(moment) == ["Ada", "Bea"]
    other.rollback()


def test_a_time_that_the_standby_has_not_reached_is_refused(pair: Pair) -> None:
    value(pair.standby, "SELECT pg_wal_replay_pause()")
    before = pair.revision()
    Customer.objects.using("primary").update(name="after")
    asked = timezone.now()
    revisions = Revision.objects.using("standby")
    with (
        mock.patch.object(settling, "TIMEOUT", 0.1),
        pytest.raises(UnsettledError, match="has not replayed everything that was committed by"),
    ):
        revisions.get_by_timestamp(asked)
    assert revisions.get_by_timestamp(before.committed_at).pk <= before.pk
    value(pair.standby, "SELECT pg_wal_replay_resume()")
    Customer.objects.using("primary").create(name="later")
    assert names(revisions.get_by_timestamp(asked)) == ["after", "after"]


def test_a_promoted_standby_goes_on(django_db_blocker: Any) -> None:
    with a_pair(django_db_blocker, "old", "new") as pair:
        for name in ("Ada", "Bea"):
            Customer.objects.using("old").create(name=name)
        pair.catch_up()
        before = newest("new")
        pair.primary.stop("fast")
        assert value(pair.standby, "SELECT pg_promote(true, 60)") is True
        assert names(before) == ["Ada", "Bea"]
        Customer.objects.using("new").filter(name="Ada").update(name="promoted")
        after = newest("new")
        assert after.committed > before.committed
        assert names(after) == ["Bea", "promoted"]
        assert names(before) == ["Ada", "Bea"]
        assert Revision.objects.using("new").get_by_timestamp(timezone.now()) == after
    settled.forget()
