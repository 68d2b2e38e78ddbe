"""While somebody travels, code that knows nothing of history reads the past, whatever it does, and writes nothing."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.core.cache import caches
from django.db import InternalError, connection, connections, models, router, transaction
from django.db.models import Count, Exists, OuterRef, Prefetch
from django.db.models.signals import pre_delete, pre_save
from django.test.utils import isolate_apps
from django.utils import timezone

from audittrail import history
from audittrail.exceptions import (
    MixedMomentsError,
    PastIsReadOnlyError,
    TimeTravelError,
    TrackedLaterError,
)
from audittrail.models import Revision
from tests.builders import world
from tests.builders.sending import newest
from tests.structure.tree import ROOT
from tests.testapp.models import (
    Customer,
    CustomerProfile,
    LogLine,
    Order,
    OrderLine,
    Organization,
    Person,
    Product,
    Tag,
)
from tests.timetravel.queries import QUERIES
from tests.timetravel.test_equality import answers, differences, present

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def una(created: Revision) -> User:
    """Give the user of a request, read in the present."""
    return User.objects.get(username="una")


def names(queryset: Any) -> list[str]:
    return sorted(queryset.values_list("name", flat=True))


def test_ordinary_queries_answer_as_they_did(created: Revision) -> None:
    before = answers(QUERIES, present)
    world.change()
    changed = answers(QUERIES, present)
    with history.travelling(created):
        assert differences(before, answers(QUERIES, present)) == {}
        named = answers(QUERIES, lambda model: model.objects.using("default"))
        assert differences(before, named) == {}
        managed = answers(QUERIES, lambda model: model._base_manager.db_manager("default").all())
        assert differences(before, managed) == {}
        with history.in_the_present():
            assert differences(changed, answers(QUERIES, present)) == {}
        assert differences(before, answers(QUERIES, lambda model: model.history.all())) == {}
    assert differences(changed, answers(QUERIES, present)) == {}


def test_a_queryset_reads_as_of_when_it_is_evaluated(created: Revision) -> None:
    customers = Customer.objects.order_by("name")
    named = Customer.objects.using("default").order_by("name")
    world.change()
    with history.travelling(created):
        assert names(customers) == names(named) == ["Wim", "Xia", "Yan", "Zoe"]
        inside = Customer.objects.all()
    assert names(customers.all()) == names(inside) == ["Wim!", "Xia!", "Yan!"]


def test_objects_stay_in_their_moment(created: Revision) -> None:
    zoe = Customer.objects.get(name="Zoe").pk
    world.change()
    with history.travelling(created):
        customer = Customer.objects.get(pk=zoe)
    assert [order.reference for order in customer.orders.all()] == ["R00"]
    assert customer.orders.get().lines.get().product.price == 0
    assert customer.profile.bio == "Bio 0"
    with pytest.raises(PastIsReadOnlyError):
        customer.save()


def test_present_and_past_querysets_are_combined(created: Revision) -> None:
    world.change()
    with history.travelling(created):
        zoe = Customer.objects.get(name="Zoe")
        mine = zoe.orders.all() | Order.objects.filter(reference="R10")
        assert sorted(order.reference for order in mine) == ["R00", "R10"]
        mine = Order.objects.filter(reference="R10") | zoe.orders.all()
        assert sorted(order.reference for order in mine) == ["R00", "R10"]
        both = zoe.orders.all().union(Order.objects.filter(reference="R10"))
        assert sorted(order.reference for order in both) == ["R00", "R10"]
        lines = zoe.orders.filter(lines__product__in=Product.objects.filter(price=0))
        assert lines.count() == 1
        with_lines = zoe.orders.filter(Exists(OrderLine.objects.filter(order=OuterRef("pk"))))
        assert with_lines.count() == 1
        prefetched = Customer.objects.prefetch_related(
            Prefetch("orders", Order.objects.annotate(n=Count("lines")))
        )
        assert {o.n for c in prefetched for o in c.orders.all()} == {1, 2, 3}
        assert (
            Customer.history.filter(orders__in=Order.objects.filter(reference="R00")).count() == 1
        )


def test_other_moments_are_not_mixed_in(created: Revision) -> None:
    world.change()
    later = newest()
    with history.travelling(created):
        assert names(Customer.history(revision=later)) == ["Wim!", "Xia!", "Yan!"]
        with pytest.raises(MixedMomentsError):
            list(Order.objects.filter(customer__in=Customer.history(revision=later)))
        with pytest.raises(MixedMomentsError):
            list(Order.history(revision=later).filter(customer__in=Customer.objects.all()))


def test_what_belongs_to_an_object_of_the_present_is_in_the_present(
    created: Revision, una: User
) -> None:
    vic = User.objects.get(username="vic")
    vic.groups.add(Group.objects.create(name="newcomers"))
    permission = Permission.objects.first()
    assert permission is not None
    vic.user_permissions.add(permission)
    world.change()
    with history.travelling(created):
        assert names(vic.groups.all()) == ["newcomers"]
        assert vic.groups.count() == 1
        assert vic.groups.filter(name="newcomers").exists()
        assert list(vic.user_permissions.select_related("content_type")) == [permission]
        assert [d.title for d in vic.documents.all()] == []
        assert names(User.objects.get(pk=vic.pk).groups.all()) == ["editors"]
        assert User.objects.get(pk=vic.pk).user_permissions.count() == 0
        assert not list(Permission.objects.filter(user=vic))


def test_what_is_not_tracked_is_read_as_it_is(created: Revision, settings: Any) -> None:
    world.change()
    LogLine.objects.create(line="Zoe")
    with history.travelling(created):
        assert [line.pk for line in LogLine.objects.all()] == ["Zoe"]
        assert ContentType.objects.get_for_model(Order).model == "order"
        assert ContentType.objects.get_for_model(Order)._state.db == "default"
        mixes: list[Any] = [
            LogLine.objects.filter(line__in=Customer.objects.values("name")),
            Customer.objects.filter(name__in=LogLine.objects.all()),
            Customer.objects.get(name="Zoe").favourites.filter(name__in=LogLine.objects.all()),
        ]
        for mix in mixes:
            with pytest.raises(TimeTravelError, match="'log_line' is not a tracked table"):
                list(mix)
    settings.AUDITTRAIL_READ_LIVE = ["testapp.LogLine"]
    with history.travelling(created):
        assert [line.pk for line in mixes[0].all()] == ["Zoe"]
        assert names(mixes[1].all()) == ["Zoe"]


def test_raw_sql_reads_the_past(created: Revision) -> None:
    world.change()
    count = "SELECT count(*) FROM testapp_customer WHERE name NOT LIKE '%!'"
    with history.travelling(created):
        with connection.cursor() as cursor:
            cursor.execute(count)
            assert cursor.fetchone() == (4,)
            cursor.execute("SELECT count(*) FROM testapp_customer WHERE name = %s", ["Zoe"])
            assert cursor.fetchone() == (1,)
            cursor.execute("SELECT count(*) FROM auth_permission")
            assert cursor.fetchone()[0] > 4
        with connections["default"].chunked_cursor() as cursor:
            cursor.execute("SELECT name FROM testapp_customer ORDER BY name DESC")
            assert cursor.fetchone() == ("Zoe",)
        with connection.connection.cursor() as raw:
            raw.execute(count)
            assert raw.fetchone() == (4,)
        found = Customer.objects.raw("SELECT * FROM testapp_customer WHERE name = %s", ["Zoe"])
        assert [customer.name for customer in found] == ["Zoe"]
        found = Customer.objects.raw(
            "SELECT * FROM testapp_customer WHERE name = 'Zoe'", using="default"
        )
        [zoe] = found
        assert zoe.orders.count() == 1
        assert max(customer.name for customer in Customer.objects.iterator()) == "Zoe"


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM public.testapp_customer",
        "SELECT * FROM testapp_customer c JOIN django_session s ON s.session_key = c.name",
        "WITH testapp_order AS (SELECT * FROM testapp_order) SELECT * FROM testapp_order",
    ],
)
def test_raw_sql_that_would_mix_is_refused(created: Revision, statement: str) -> None:
    with history.travelling(created), connection.cursor() as cursor, pytest.raises(TimeTravelError):
        cursor.execute(statement)
    assert Customer.objects.count() == 4


VIEWS = """
    CREATE VIEW names AS SELECT name FROM testapp_customer;
    CREATE VIEW short_names AS SELECT name FROM (SELECT * FROM names WHERE length(name) < 4) n;
    CREATE MATERIALIZED VIEW kept_names AS SELECT name FROM short_names;
    CREATE VIEW keys AS SELECT session_key FROM django_session;
"""


@pytest.fixture
def views(transactional_db: None) -> Iterator[None]:
    """Make views of a tracked table, one of the other, and one of an untracked table."""
    with connection.cursor() as cursor:
        cursor.execute(VIEWS)
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP VIEW names, keys CASCADE")


@isolate_apps("tests.testapp")
def test_a_view_of_tracked_tables_is_refused(created: Revision, views: None, settings: Any) -> None:
    class Names(models.Model):  # noqa: DJ008
        name = models.TextField(primary_key=True)

        class Meta:
            app_label = "testapp"
            managed = False
            db_table = "names"

    with history.travelling(created), connection.cursor() as cursor:
        for view in ("names", "short_names", "kept_names", "public.names"):
            with pytest.raises(TimeTravelError, match="reads the tracked table 'testapp_customer'"):
                cursor.execute(f"SELECT * FROM {view}")
        with pytest.raises(TimeTravelError, match="'names' is a view"):
            cursor.execute("SELECT c.name FROM testapp_customer c WHERE name IN (TABLE names)")
        with pytest.raises(TimeTravelError, match="'names' is a view"):
            Names.objects.count()
        cursor.execute("SELECT count(*) FROM keys")
        assert cursor.fetchone() == (0,)
    assert Names.objects.count() == 4


@isolate_apps("tests.testapp")
def test_a_second_model_of_a_tracked_table_reads_the_past(
    created: Revision, monkeypatch: pytest.MonkeyPatch
) -> None:
    class CustomerName(models.Model):  # noqa: DJ008
        name = models.TextField()

        class Meta:
            app_label = "testapp"
            managed = False
            db_table = "testapp_customer"

    world.change()
    then = names(Customer.history(created).all())
    assert names(CustomerName.objects.all()) != then
    known = apps.get_models
    monkeypatch.setattr(apps, "get_models", lambda **options: [*known(**options), CustomerName])
    with history.travelling(created):
        assert names(CustomerName.objects.all()) == then


STATEMENTS = [
    "UPDATE testapp_customer SET name = 'x'",
    "INSERT INTO public.\"testapp_tag\" (name) VALUES ('x')",
    "DELETE FROM only testapp_customer",
    "TRUNCATE testapp_customer CASCADE",
    "WITH gone AS (DELETE FROM testapp_orderline RETURNING 1) SELECT * FROM gone",
    "SELECT * INTO copied FROM testapp_customer",
    "SELECT * FROM testapp_customer FOR UPDATE",
    "INSERT INTO log_line SELECT name, 1 FROM testapp_tag",
    "DELETE FROM log_line l USING testapp_tag t WHERE l.line = t.name",
    "ALTER TABLE testapp_customer ADD COLUMN more int",
    "DO $$ BEGIN UPDATE testapp_customer SET name = 'x'; END $$",
    "COPY testapp_customer TO STDOUT",
    "MERGE INTO testapp_tag t USING testapp_customer c ON false WHEN NOT MATCHED THEN INSERT (name) VALUES ('x')",
]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_raw_sql_that_writes_is_refused(created: Revision, statement: str) -> None:
    with history.travelling(created), connection.cursor() as cursor:
        with pytest.raises(PastIsReadOnlyError):
            cursor.execute(statement)
        with pytest.raises(PastIsReadOnlyError), connection.connection.cursor() as raw:
            raw.execute(statement)
    assert newest() == created


WRITES: dict[str, Any] = {
    "save": lambda c: c.save(),
    "save to a database": lambda c: c.save(using="default"),
    "save a new one": lambda c: Tag(name="x").save(),
    "save a new one to a database": lambda c: Tag(name="x").save(using="default"),
    "create": lambda c: Tag.objects.create(name="x"),
    "create in a database": lambda c: Tag.objects.using("default").create(name="x"),
    "create by a manager": lambda c: Tag.objects.db_manager("default").create(name="x"),
    "bulk_create": lambda c: Tag.objects.db_manager("default").bulk_create([Tag(name="x")]),
    "bulk_update": lambda c: Customer.objects.bulk_update([c], ["name"]),
    "update": lambda c: Customer.objects.update(name="x"),
    "update in a database": lambda c: Customer.objects.using("default").update(name="x"),
    "update by a manager": lambda c: Customer.objects.db_manager("default").update(name="x"),
    "delete": lambda c: Customer.objects.all().delete(),
    "delete by a manager": lambda c: OrderLine.objects.db_manager("default").all().delete(),
    "delete an object": lambda c: c.delete(),
    "delete from a database": lambda c: c.delete(using="default"),
    "raw delete": lambda c: Order.objects.all()._raw_delete("default"),
    "m2m": lambda c: c.favourites.clear(),
    "lock": lambda c: list(Customer.objects.select_for_update()),
    "get_or_create": lambda c: Tag.objects.get_or_create(name="x"),
}


def test_every_write_is_refused(created: Revision, una: User) -> None:
    for name, write in WRITES.items():
        with transaction.atomic(), history.travelling(created):
            customer = Customer.objects.get(name="Wim")
            with pytest.raises(PastIsReadOnlyError):
                write(customer)
        assert Customer.objects.count() == 4, name
    with history.travelling(created):
        for write in (
            lambda: una.save(),
            lambda: una.groups.clear(),
            lambda: una.documents.update(title="x"),
            lambda: una.documents.create(title="x"),
            lambda: una.delete(),
        ):
            with pytest.raises(PastIsReadOnlyError), transaction.atomic():
                write()
    assert newest() == created


def test_to_ask_where_something_is_written_writes_nothing(created: Revision) -> None:
    world.change()
    with history.travelling(created):
        for model in (Customer, Tag, ContentType):
            assert router.db_for_write(model) == "default"
        assert "Zoe" in names(Customer.objects.using(router.db_for_write(Customer)))
        assert Customer.objects.get_or_create(name="Zoe")[1] is False


def test_what_is_found_where_it_might_be_written_is_of_the_past(created: Revision) -> None:
    then = Customer.objects.get(name="Zoe").orders.count()
    world.change()
    Order.objects.all().delete()
    revision = newest()
    with history.travelling(created):
        zoe, is_new = Customer.objects.get_or_create(name="Zoe")
        assert (zoe.orders.count(), is_new) == (then, False)
        with pytest.raises(PastIsReadOnlyError):
            Customer.objects.get_or_create(name="nobody")
        with pytest.raises(PastIsReadOnlyError):
            Customer.objects.update_or_create(name="Zoe", defaults={"name": "other"})
    with pytest.raises(PastIsReadOnlyError, match="as of"):
        zoe.save()
    assert newest() == revision


def test_a_write_is_refused_before_anything_is_done(created: Revision) -> None:
    sent: list[Any] = []

    def note(**kwargs: Any) -> None:
        sent.append(kwargs)

    for signal in (pre_save, pre_delete):
        signal.connect(note)
    zoe, line = Customer.objects.get(name="Zoe"), OrderLine.objects.all()[0]
    try:
        with history.travelling(created):
            for write in (
                Customer(name="new").save,
                zoe.save,
                zoe.delete,
                line.delete,
                Customer.objects.all().delete,
            ):
                with pytest.raises(PastIsReadOnlyError, match="in the time machine, which is at"):
                    write()
    finally:
        for signal in (pre_save, pre_delete):
            signal.disconnect(note)
    assert sent == []


def test_only_a_strict_journey_refuses_writing_what_is_not_tracked(created: Revision) -> None:
    with history.travelling(created):
        LogLine.objects.create(line="untracked")
    with history.travelling(created, strict=True):
        with pytest.raises(PastIsReadOnlyError, match="log_line"):
            LogLine.objects.create(line="x")
        Session.objects.create(session_key="k", session_data="d", expire_date=timezone.now())
        with connection.cursor() as cursor:
            cursor.execute("CREATE TEMP TABLE cached (key text)")
            cursor.execute("INSERT INTO cached VALUES ('x')")
    assert [line.pk for line in LogLine.objects.all()] == ["untracked"]
    assert Session.objects.count() == 1


def test_objects_may_be_made_to_be_shown(created: Revision, una: User) -> None:
    with history.travelling(created):
        customer = Customer.objects.get(name="Wim")
        order = Order(customer=customer, reference="new")
        assert order.customer.name == "Wim"
        assert Order(customer=Customer(name="nobody")).customer.name == "nobody"
        profile = CustomerProfile(bio="none")
        customer.profile = profile
        assert profile.customer == customer
        for made in (order, profile):
            with pytest.raises(PastIsReadOnlyError):
                made.save()


def test_functions_of_drivers_are_refused_where_they_cannot_be_seen_through(
    created: Revision,
) -> None:
    import io

    with history.travelling(created), connection.cursor() as cursor:
        with pytest.raises(PastIsReadOnlyError):
            cursor.callproc("now") if hasattr(cursor.cursor, "copy_expert") else cursor.execute(
                "CALL nothing()"
            )
        if hasattr(cursor.cursor, "copy_expert"):
            with pytest.raises(PastIsReadOnlyError):
                cursor.copy_expert("COPY testapp_tag (name) FROM STDIN", io.StringIO("x\n"))
            with pytest.raises(PastIsReadOnlyError):
                cursor.copy_from(io.StringIO("x\n"), "testapp_tag", columns=["name"])
        else:
            with (
                pytest.raises(PastIsReadOnlyError),
                cursor.copy("COPY testapp_tag (name) FROM STDIN"),
            ):
                pass
            with pytest.raises(PastIsReadOnlyError):
                list(cursor.stream("UPDATE testapp_tag SET name = 'x' RETURNING name"))
        with pytest.raises(PastIsReadOnlyError):
            cursor.executemany("INSERT INTO testapp_tag (name) VALUES (%s)", [["x"], ["y"]])
    assert newest() == created


def test_not_even_a_function_of_the_database_writes(
    created: Revision, writing_function: None
) -> None:
    for statement in ("SELECT write_tag()", "SELECT write_tag() FROM testapp_customer"):
        with (
            history.travelling(created),
            connection.cursor() as cursor,
            pytest.raises(InternalError, match="the past can't be changed"),
        ):
            cursor.execute(statement)
    with history.context(reason="outside"), history.travelling(created):
        with history.context(reason="inside"), pytest.raises(InternalError):
            connection.cursor().execute("SELECT write_tag()")
        with history.in_the_present(), connection.cursor() as cursor:
            cursor.execute("SELECT write_tag()")
    assert Tag.objects.filter(name="by a function").count() == 1
    assert (newest().reason, newest().context) == ("outside", {})


def test_history_ends_at_the_moment(created: Revision) -> None:
    wim = Customer.objects.get(name="Wim")
    world.change()
    everything, latest = Revision.objects.count(), newest()
    assert wim.history.versions.count() == 2
    with history.travelling(created):
        assert Revision.objects.newest() == created
        assert Revision.objects.count() < everything
        assert Revision.objects.newest_first()[0] == created
        assert [v.operation for v in Customer.objects.get(pk=wim.pk).history.versions] == ["I"]
        assert Customer.history.versions.filter(operation="U").count() == 0
        assert not Revision.objects.filter(pk=latest.pk).exists()
        assert Revision.objects.for_object(wim).count() == 1
        assert list(Customer.history.deleted()) == []
        both = Revision.objects.all().union(Revision.objects.filter(pk=latest.pk))
        assert latest not in list(both)
        with history.in_the_present():
            assert Revision.objects.count() == everything
    assert Revision.objects.count() == everything


def test_a_masked_value_stays_masked(created: Revision, settings: Any) -> None:
    from audittrail.capture import tracking

    world.change()
    tracking._registered[Customer] = tracking.Options(mask=("email",))
    try:
        with history.travelling(created):
            assert [c.email for c in Customer.objects.filter(name="Zoe")] == [None]
            with pytest.raises(TimeTravelError, match="masked"):
                Customer.objects.filter(email__contains="zoe").count()
            with pytest.raises(TimeTravelError, match="excluded"):
                User.objects.filter(password="secret").count()
        assert Customer.history(revision=created).get(name="Zoe").email == "Zoe@shop.example"
    finally:
        del tracking._registered[Customer]


def test_cached_values_are_kept_apart(created: Revision, settings: Any) -> None:
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "apart"}
    }
    cache = caches["default"]
    cache.clear()
    cache.set("count", "now")
    with history.travelling(created):
        assert cache.get("count") is None
        cache.set("count", "then")
        cache.set_many({"a": 1, "b": 2})
        assert cache.get_many(["a", "b", "count"]) == {"a": 1, "b": 2, "count": "then"}
        cache.set("django.contrib.sessions.cacheabc", "session")
    assert cache.get("count") == "now"
    assert cache.get("a") is None
    assert cache.get("django.contrib.sessions.cacheabc") == "session"


SITES = """
import django
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["audittrail", "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sites"], SITE_ID=1,
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "none"}},
)
django.setup()
from unittest.mock import Mock, patch
from django.contrib.sites.models import Site, SiteManager
from audittrail.timetravel import machine
with patch.object(SiteManager, "_get_site_by_id", lambda self, number: machine.current()):
    with machine.again(Mock(time=None)):
        print(machine.current() is None, Site.objects.get_current())
"""


def test_the_current_site_is_kept_by_the_process_and_that_of_the_present() -> None:
    run = subprocess.run(
        [sys.executable, "-c", SITES], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (run.stdout, run.stderr) == ("False None\n", "")


def test_other_threads_are_in_the_present_and_tasks_are_not(created: Revision) -> None:
    world.change()
    found: dict[str, list[str]] = {}

    def look(where: str) -> None:
        found[where] = names(Customer.objects.all())
        if where == "thread":
            connection.close()

    async def travel() -> None:
        with history.travelling(created):
            await asyncio.gather(sync_to_async(look)("sync"), look_async("task"))
            found["iterated"] = sorted([c.name async for c in Customer.objects.all()])
        found["after"] = sorted([c.name async for c in Customer.objects.all()])
        await sync_to_async(connections.close_all)()

    async def look_async(where: str) -> None:
        found[where] = sorted([c.name async for c in Customer.objects.all()])

    with history.travelling(created):
        thread = threading.Thread(target=look, args=["thread"])
        thread.start()
        thread.join()
    asyncio.run(travel())
    past, now = ["Wim", "Xia", "Yan", "Zoe"], ["Wim!", "Xia!", "Yan!"]
    assert found == {
        "thread": now,
        "sync": past,
        "task": past,
        "iterated": past,
        "after": now,
    }


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_other_databases_are_read_as_of_the_same_time(transactional_db: None) -> None:
    Tag.objects.using("other").create(name="early")
    tag = Tag.objects.create(name="here")
    then = newest()
    Tag.objects.using("other").update(name="late")
    Tag.objects.update(name="changed")
    with history.travelling(then) as journey:
        assert names(Tag.objects.using("other")) == ["early"]
        assert names(Tag.objects.all()) == names(Tag.objects.using("default")) == ["here"]
        assert Tag.objects.using("other").get().history.versions.count() == 1
        with connections["other"].cursor() as cursor:
            cursor.execute("SELECT name FROM testapp_tag")
            assert cursor.fetchall() == [("early",)]
        with pytest.raises(PastIsReadOnlyError):
            Tag.objects.using("other").create(name="x")
        assert journey.moment_in("other").using == "other"
    assert tag.history.versions.count() == 2


@pytest.mark.django_db(transaction=True, databases=["default", "other"])
def test_another_database_without_history_then_is_an_error(transactional_db: None) -> None:
    Organization.objects.create(name="here")
    then = newest()
    Person.objects.using("other").create(name="later")
    with history.travelling(then), pytest.raises(TrackedLaterError, match="database 'other'"):
        Person.objects.using("other").count()
