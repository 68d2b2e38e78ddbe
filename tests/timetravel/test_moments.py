"""A moment is a revision or a time; `at_rev` holds it for a block of code, and for nothing else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta, timezone
from io import StringIO
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.core.management import call_command
from django.db import connections, transaction
from django.db.models import Count
from django.utils import timezone as django_timezone

from audittrail import history
from audittrail.exceptions import MomentError, NotTrackedError, UnsettledError
from audittrail.models import Revision
from tests.builders import world
from tests.builders.sending import newest, snapshot
from tests.testapp.models import Customer, LogLine, Order

pytestmark = pytest.mark.django_db(transaction=True)

MICROSECOND = timedelta(microseconds=1)


@pytest.fixture
def versions(transactional_db: None) -> list[Any]:
    """Give three revisions, in which the one customer is called One, Two and Three."""
    customer = Customer.objects.create(name="One")
    made = [newest()]
    for name in ("Two", "Three"):
        customer.name = name
        customer.save()
        made.append(newest())
    return made


def names(point: Any = None, **options: Any) -> list[str]:
    return [customer.name for customer in Customer.history(point, **options)]


def test_a_revision_that_took_long_is_a_moment_too(versions: list[Any]) -> None:
    customer = Customer.objects.get()
    with transaction.atomic():
        for number in range(70):
            customer.name = f"Step {number}"
            customer.save()
    long = newest()
    assert long.committed - long.pk > 64
    customer.delete()
    assert names(long) == ["Step 69"]
    assert Customer.history(long).restore(dry_run=True).inserted
    Customer.history(long).restore()
    assert Customer.objects.get().name == "Step 69"


def test_a_moment_is_a_revision_or_a_time(versions: list[Any]) -> None:
    assert [names(revision) for revision in versions] == [["One"], ["Two"], ["Three"]]
    first, second, third = versions
    assert names(second.committed_at) == ["Two"]
    assert names(second.committed_at - MICROSECOND) == ["One"]
    assert names(second.committed_at + MICROSECOND) == ["Two"]
    assert names(third.committed_at - MICROSECOND) == ["Two"]
    assert names(django_timezone.now() + timedelta(days=365)) == ["Three"]
    assert names(datetime.max.replace(tzinfo=UTC)) == ["Three"]
    for zone in (
        ZoneInfo("Asia/Kathmandu"),
        ZoneInfo("America/St_Johns"),
        timezone(timedelta(hours=-11)),
    ):
        assert names(second.committed_at.astimezone(zone)) == ["Two"]
        assert names((second.committed_at - MICROSECOND).astimezone(zone)) == ["One"]
    assert Customer.history.as_of(first).get().name == "One"
    assert Customer.history.as_of(second.committed_at).get().name == "Two"
    assert (
        Customer.history(revision=Revision.objects.get_by_timestamp(second.committed_at)).get().name
        == "Two"
    )
    for time in (first.committed_at - MICROSECOND, datetime.min.replace(tzinfo=UTC)):
        with pytest.raises(Revision.DoesNotExist):
            Customer.history(time)
        with pytest.raises(Revision.DoesNotExist), history.at_rev(time):
            pass


def test_an_object_is_asked_for_alone(versions: list[Any]) -> None:
    customer = Customer.objects.get()
    assert customer.history(versions[0]).name == "One"
    assert customer.history.as_of(versions[1].committed_at).name == "Two"
    with history.at_rev(versions[1]):
        assert customer.history().name == "Two"
    later = Customer.objects.create(name="later")
    with pytest.raises(Customer.DoesNotExist):
        later.history(versions[2])
    # From an object of the past, the way leads to its versions and to other moments.
    past = customer.history(versions[0])
    assert [version.name for version in past.history.versions.in_order()] == ["One", "Two", "Three"]
    assert past.history(versions[1]).name == "Two"
    assert [version.name for version in Customer.history.versions.in_order()][:3] == [
        "One",
        "Two",
        "Three",
    ]


@pytest.mark.parametrize("point", ["yesterday", 12, date(2026, 1, 1), object()])
def test_anything_else_is_no_moment(point: Any, versions: list[Any]) -> None:
    with pytest.raises(MomentError, match="as of a revision or a datetime, not"):
        Customer.history(point)
    with pytest.raises(MomentError), history.at_rev(point):
        pass


def test_a_naive_time_is_refused_where_there_are_time_zones(
    versions: list[Any], settings: Any
) -> None:
    naive = datetime(2026, 1, 1)  # noqa: DTZ001
    with pytest.raises(MomentError, match="make_aware"):
        Customer.history(naive)
    with pytest.raises(MomentError, match="make_aware"), history.at_rev(naive):
        pass
    settings.USE_TZ = False
    assert names(datetime(2999, 1, 1)) == ["Three"]  # noqa: DTZ001


def test_an_open_revision_is_no_moment(versions: list[Any]) -> None:
    with transaction.atomic():
        Customer.objects.update(name="Four")
        revision = Revision.objects.get(committed=None)
        with pytest.raises(MomentError, match="still open"):
            Customer.history(revision)
        with pytest.raises(MomentError, match="still open"):
            revision.get_changed_objects(Customer)
        # What the transaction has done itself is not in the past.
        assert names(versions[2]) == ["Three"]
        assert names(django_timezone.now()) == ["Three"]
    revision.refresh_from_db()
    assert names(revision) == ["Four"]
    with pytest.raises(MomentError, match="not read from a database"):
        Customer.history(Revision(id=1, committed=2))


def test_history_needs_a_moment_and_a_tracked_model(versions: list[Any]) -> None:
    for use in (
        lambda: Customer.history.filter(name="One"),
        lambda: Customer.history(),
        Customer.history.__call__,
    ):
        with pytest.raises(MomentError, match=r"history\.at_rev\(rev\)"):
            use()
    with pytest.raises(AttributeError):
        Customer.history.nothing_of_the_kind  # noqa: B018
    with pytest.raises(NotTrackedError, match="AUDITTRAIL_EXCLUDE"):
        history.of(LogLine)(versions[0])
    with pytest.raises(NotTrackedError), history.at_rev(versions[0]):
        history.of(LogLine).all()


def test_blocks_nest_and_end(versions: list[Any]) -> None:
    first, second, third = versions
    with history.at_rev(rev=first):
        assert Customer.history.get().name == "One"
        with history.at_rev(second.committed_at):
            assert [c.name for c in Customer.history.filter(name__in=["One", "Two"])] == ["Two"]
            # A moment that is named wins, and Model.objects is the present.
            assert names(third) == ["Three"]
            assert Customer.objects.get().name == "Three"
        assert Customer.history.get().name == "One"
        with pytest.raises(ZeroDivisionError), history.at_rev(second):
            1 / 0  # noqa: B018
        kept = Customer.history.all()
    assert kept.get().name == "One"
    assert [c.name for c in Customer.history.deleted()] == []
    with pytest.raises(MomentError):
        Customer.history.get()


def test_a_function_is_decorated(versions: list[Any]) -> None:
    @history.at_rev(versions[1])
    def name() -> str:
        return str(Customer.history.get().name)

    @history.at_rev(versions[0])
    async def first_name() -> str:
        found = await Customer.history.aget()
        return str(found.name)

    assert name() == "Two"
    assert async_to_sync(first_name)() == "One"
    with pytest.raises(MomentError):
        Customer.history.get()


def test_a_decorated_generator_keeps_its_moment_to_itself(versions: list[Any]) -> None:
    @history.at_rev(versions[0])
    def generate() -> Iterator[str]:
        yield Customer.history.get().name
        yield Customer.history.get().name

    steps = generate()
    assert next(steps) == "One"
    with pytest.raises(MomentError):
        Customer.history.get()
    with history.at_rev(versions[1]):
        assert next(steps) == "One"
        assert Customer.history.get().name == "Two"
        assert list(steps) == []
        assert Customer.history.get().name == "Two"


def test_blocks_in_generators_may_end_in_any_order(versions: list[Any]) -> None:
    def generate(revision: Any) -> Iterator[str]:
        with history.at_rev(revision):
            yield Customer.history.get().name

    one, two = generate(versions[0]), generate(versions[1])
    assert [next(one), next(two)] == ["One", "Two"]
    one.close()
    assert Customer.history.get().name == "Two"
    two.close()
    with pytest.raises(MomentError):
        Customer.history.get()


def test_threads_do_not_see_each_others_moment(versions: list[Any]) -> None:
    seen: dict[int, str] = {}
    barrier = threading.Barrier(3)

    def read(number: int) -> None:
        try:
            with pytest.raises(MomentError):
                Customer.history.get()
            with history.at_rev(versions[number]):
                barrier.wait(10)
                seen[number] = Customer.history.get().name
        finally:
            connections.close_all()

    with history.at_rev(versions[0]):
        threads = [threading.Thread(target=read, args=[number]) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
    assert seen == {0: "One", 1: "Two", 2: "Three"}


def test_tasks_have_their_own_moment_and_hand_it_on(versions: list[Any]) -> None:
    async def read(number: int) -> tuple[str, str, str]:
        with history.at_rev(versions[number]):
            await asyncio.sleep(0)
            first = (await Customer.history.aget()).name
            child = asyncio.create_task(Customer.history.afirst())
            inside = await sync_to_async(lambda: Customer.history.get().name)()
            return first, (await child).name, inside

    async def read_at_time(number: int) -> str:
        async with history.at_rev(versions[number].committed_at):
            found = await Customer.history.aget()
            return str(found.name)

    async def stream(number: int) -> AsyncIterator[str]:
        with history.at_rev(versions[number]):
            async for customer in Customer.history.all():
                yield customer.name

    async def main() -> Any:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(read(number)) for number in range(3)]
        found = [name async for name in stream(1)]
        assert await read_at_time(1) == "Two"
        return [task.result() for task in tasks], found

    resolved, found = async_to_sync(main)()
    assert resolved == [("One",) * 3, ("Two",) * 3, ("Three",) * 3]
    assert found == ["Two"]


def test_async_methods_read_the_past(created: Revision) -> None:
    world.change()
    customers = Customer.history(revision=created)

    async def main() -> None:
        assert await customers.acount() == 4
        assert (await customers.aget(name="Zoe")).name == "Zoe"
        assert [c.name async for c in customers.order_by("name")] == ["Wim", "Xia", "Yan", "Zoe"]
        assert [c.name async for c in customers.order_by("name").aiterator(chunk_size=2)] == [
            "Wim",
            "Xia",
            "Yan",
            "Zoe",
        ]
        assert await customers.filter(name="Zoe").aexists()
        assert len(await customers.ain_bulk()) == 4
        assert (await customers.order_by("name").alast()).name == "Zoe"
        assert (await Order.history(revision=created).aaggregate(n=Count("pk")))["n"] == 6
        assert "Scan" in await customers.aexplain()
        zoe = await customers.prefetch_related("orders").aget(name="Zoe")
        assert [order.reference async for order in zoe.orders.all()] == ["R00"]
        assert await zoe.favourites.acount() == 2
        await zoe.arefresh_from_db()
        assert zoe.name == "Zoe"

    async_to_sync(main)()


def test_objects_keep_their_moment_in_other_threads(created: Revision) -> None:
    zoe = Customer.history(revision=created).get(name="Zoe")
    orders = Order.history(revision=created).filter(customer__name="Yan")
    world.change()

    def use() -> tuple[list[str], list[str], str]:
        try:
            return (
                [order.reference for order in zoe.orders.all()],
                sorted(order.customer.name for order in orders),
                zoe.profile.bio,
            )
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as executor:
        assert executor.submit(use).result() == (["R00"], ["Yan", "Yan"], "Bio 0")
    assert async_to_sync(sync_to_async(use))() == (["R00"], ["Yan", "Yan"], "Bio 0")


def test_the_moments_of_a_thread_are_few_at_a_time(versions: list[Any]) -> None:
    from audittrail.timetravel.connection import KEPT
    from audittrail.timetravel.moment import Moment

    kept = Customer.history(versions[0])
    handler: Any = connections
    for tick in range(versions[2].committed, versions[2].committed + KEPT * 3):
        assert connections[Moment("default", tick).alias].alias
    open_now = [*handler.settings] + [
        f"default@{versions[2].committed + n}" for n in range(KEPT * 3)
    ]
    assert sum(hasattr(handler._connections, alias) for alias in open_now) <= KEPT + 2
    assert kept.get().name == "One"
    # They are no databases of the project: nothing that goes through all of them meets them.
    assert {connection.alias for connection in connections.all()} == {"default", "other"}
    assert kept.db not in list(connections)
    with pytest.raises(connections.exception_class, match="doesn't exist"):
        connections["nowhere@12"]


@pytest.mark.parametrize("end", ["commit", "rollback", None])
def test_a_snapshot_that_may_lack_a_commit_is_refused(
    versions: list[Any], connect: Any, end: str | None
) -> None:
    """However long ago the moment was: a transaction may have been prepared before it."""
    writer = connect()
    with writer.cursor() as cursor:
        cursor.execute("INSERT INTO testapp_customer (name, email, vip) VALUES ('slow', '', false)")
    with snapshot():
        if end is not None:
            getattr(writer, end)()
        if end == "commit":
            with pytest.raises(UnsettledError, match="REPEATABLE READ"):
                names(versions[0])
            transaction.set_rollback(True)
        else:
            assert names(versions[0]) == ["One"]
    with transaction.atomic():
        # At READ COMMITTED each statement has a snapshot of its own.
        assert names(versions[0]) == ["One"]


def test_a_snapshot_reads_a_moment_that_was_closed_before(
    versions: list[Any], connect: Any
) -> None:
    call_command("audittrail", "maintain", stdout=StringIO())
    writer = connect()
    with writer.cursor() as cursor:
        cursor.execute("INSERT INTO testapp_customer (name, email, vip) VALUES ('slow', '', false)")
    with snapshot():
        writer.commit()
        assert names(versions[0]) == ["One"]


def test_a_commit_on_its_way_is_waited_for(versions: list[Any], connect: Any) -> None:
    preparing, finishing = connect(), connect(autocommit=True)
    with preparing.cursor() as cursor:
        cursor.execute("INSERT INTO testapp_customer (name, email, vip) VALUES ('slow', '', false)")
        cursor.execute("PREPARE TRANSACTION 'waited for'")
    with finishing.cursor() as cursor:
        finish = threading.Timer(0.3, lambda: cursor.execute("COMMIT PREPARED 'waited for'"))
        try:
            Customer.objects.update(name="Four")
            finish.start()
            # Its tick is the smaller one, so it belongs to the state that the question is about.
            assert sorted(names(newest())) == ["Four", "slow"]
        finally:
            # Left behind, it would keep its locks for ever.
            if finish.ident is None:
                finish.start()
            finish.join()
