"""The past is read-only, every attempt says so and what to do, and nothing happens to the open transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Group, User
from django.db import connections, transaction

from audittrail.exceptions import AuditTrailError, PastIsReadOnlyError
from audittrail.models import Revision
from tests.builders import world
from tests.testapp.models import (
    Country,
    Customer,
    Document,
    Order,
    Organization,
    Person,
    TaggedNote,
)

pytestmark = pytest.mark.django_db(transaction=True)


def past(model: Any, revision: Revision) -> Any:
    return model.history(revision=revision)


def awaited(method: Any, *args: Any, **kwargs: Any) -> Any:
    async def wait() -> Any:
        return await method(*args, **kwargs)

    return async_to_sync(wait)()


WRITES: dict[str, Callable[[Revision], Any]] = {
    "create": lambda r: past(Customer, r).create(name="x"),
    "get_or_create": lambda r: past(Customer, r).get_or_create(name="x"),
    "update_or_create": lambda r: past(Customer, r).update_or_create(name="x"),
    "bulk_create": lambda r: past(Customer, r).bulk_create([Customer(name="x")]),
    "bulk_update": lambda r: past(Customer, r).bulk_update(list(past(Customer, r)), ["name"]),
    "update": lambda r: past(Customer, r).update(name="x"),
    "update of a part": lambda r: past(Customer, r).filter(vip=True).exclude(name="x").update(name="x"),
    "delete": lambda r: past(Customer, r).delete(),
    "_raw_delete": lambda r: past(Customer, r)._raw_delete(None),
    "select_for_update": lambda r: past(Customer, r).select_for_update(),
    "acreate": lambda r: awaited(past(Customer, r).acreate, name="x"),
    "aupdate": lambda r: awaited(past(Customer, r).aupdate, name="x"),
    "adelete": lambda r: awaited(past(Customer, r).adelete),
    "save of an object": lambda r: past(Customer, r).first().save(),
    "save of one field": lambda r: past(Customer, r).first().save(update_fields=["name"]),
    "asave of an object": lambda r: awaited(past(Customer, r).first().asave),
    "save of a child": lambda r: past(Organization, r).get(name="Leaf").save(),
    "delete of an object": lambda r: past(Customer, r).first().delete(),
    "save of a prefetched object": lambda r: past(Customer, r).prefetch_related("orders").get(name="Zoe").orders.all()[0].save(),
    "save of a selected object": lambda r: past(Order, r).select_related("customer")[0].customer.save(),
    "save of a lazy object": lambda r: past(Order, r)[0].customer.save(),
    "save of a generic target": lambda r: past(TaggedNote, r)[0].target.save(),
    "m2m add": lambda r: past(User, r)[0].groups.add(Group.objects.get(name="readers")),
    "m2m add by key": lambda r: past(User, r)[0].groups.add(1),
    "m2m remove": lambda r: past(User, r).get(username="vic").groups.remove(1),
    "m2m set": lambda r: past(User, r).get(username="vic").groups.set([]),
    "m2m clear": lambda r: past(Person, r).get(name="Ada").friends.clear(),
    "m2m create": lambda r: past(User, r)[0].groups.create(name="x"),
    "m2m aclear": lambda r: awaited(past(Person, r)[0].friends.aclear),
    "reverse m2m set": lambda r: past(Group, r)[0].user_set.set([]),
    "reverse add": lambda r: past(Customer, r)[0].orders.add(Order.objects.first()),
    "reverse create": lambda r: past(Customer, r)[0].orders.create(reference="x"),
    "reverse get_or_create": lambda r: past(Customer, r)[0].orders.get_or_create(reference="x"),
    "reverse update": lambda r: past(Customer, r)[0].orders.update(reference="x"),
    "reverse filtered update": lambda r: past(Customer, r)[0].orders.filter(pk=1).update(reference="x"),
    "reverse delete": lambda r: past(Customer, r)[0].orders.all().delete(),
    "reverse bulk_create": lambda r: past(Customer, r)[0].orders.bulk_create([Order(reference="x")]),
    "reverse select_for_update": lambda r: past(Customer, r)[0].orders.select_for_update(),
    "reverse clear": lambda r: past(User, r)[0].documents.clear(),
    "reverse remove": lambda r: past(User, r)[0].documents.remove(Document.objects.first()),
    "reverse set": lambda r: past(User, r)[0].documents.set([]),
    "generic create": lambda r: past(Country, r)[0].notes.create(text="x"),
    "generic clear": lambda r: past(Country, r)[0].notes.clear(),
    "a new object that belongs to one of the past": lambda r: Order(customer=past(Customer, r)[0]),
    "created beside one of the past": lambda r: Order.objects.create(customer=past(Customer, r)[0], reference="x"),
    "update in the past": lambda r: Customer.objects.using(past(Customer, r).db).update(name="x"),
}  # fmt: skip


def test_every_write_is_refused(created: Revision) -> None:
    count = Revision.objects.count()
    for name, write in WRITES.items():
        with transaction.atomic():
            with pytest.raises(AuditTrailError, match="past") as caught:
                write(created)
            # The transaction goes on.
            assert Customer.objects.count() == 4, name
        assert isinstance(caught.value, PastIsReadOnlyError), name
    assert Revision.objects.count() == count


def test_the_alias_of_a_moment_takes_no_writes_either(created: Revision) -> None:
    customer = Customer.objects.first()
    alias = Customer.history(revision=created).db
    for write in (customer.save, customer.delete, Customer(name="x").save):
        with pytest.raises(PastIsReadOnlyError):
            write(using=alias)
    with pytest.raises(PastIsReadOnlyError):
        Customer.objects.db_manager(alias).create(name="x")
    assert Customer.objects.count() == 4


@pytest.mark.parametrize(
    "name", ["update", "save of an object", "delete of an object", "m2m clear"]
)
def test_the_error_says_where_to_write_instead(name: str, created: Revision) -> None:
    with pytest.raises(PastIsReadOnlyError, match=r"\b[A-Z]\w+\.objects"):
        WRITES[name](created)


STATEMENTS = [
    "INSERT INTO testapp_tag (name) VALUES ('x')",
    "UPDATE testapp_customer SET name = 'x'",
    "DELETE FROM testapp_customer",
    "MERGE INTO testapp_tag USING testapp_customer ON false WHEN MATCHED THEN DELETE",
    "TRUNCATE testapp_customer",
    "WITH gone AS (DELETE FROM testapp_customer RETURNING *) SELECT * FROM gone",
    "WITH some AS (SELECT 1) UPDATE testapp_customer SET name = 'x'",
    "EXPLAIN ANALYZE UPDATE testapp_customer SET name = 'x'",
    "EXPLAIN (ANALYZE) INSERT INTO testapp_tag (name) SELECT name FROM testapp_customer",
    "SELECT * INTO copy FROM testapp_customer",
    "CREATE TABLE copy AS SELECT * FROM testapp_customer",
    "COPY testapp_customer TO STDOUT",
    "SELECT * FROM testapp_customer FOR UPDATE",
    "SELECT * FROM testapp_customer FOR NO KEY UPDATE",
    "SELECT * FROM testapp_customer FOR SHARE",
    "/* a comment */ -- another\n DELETE FROM testapp_customer",
    "LOCK TABLE testapp_customer",
    "DO $$ BEGIN DELETE FROM testapp_customer; END $$",
    "CALL something()",
    "ALTER TABLE testapp_customer ADD COLUMN x int",
]


def test_raw_statements_that_write_are_refused(created: Revision) -> None:
    customers = Customer.history(revision=created)
    with transaction.atomic(), connections[customers.db].cursor() as cursor:
        for statement in STATEMENTS:
            with pytest.raises(PastIsReadOnlyError):
                cursor.execute(statement)
        with pytest.raises(PastIsReadOnlyError):
            cursor.executemany("SELECT %s", [[1], [2]])
        with pytest.raises(PastIsReadOnlyError):
            cursor.callproc("now")
        for name in ("copy", "copy_expert", "copy_from", "stream"):
            with pytest.raises(PastIsReadOnlyError):
                getattr(cursor, name)
    with pytest.raises(PastIsReadOnlyError):
        list(customers.raw("DELETE FROM testapp_customer RETURNING *"))
    with pytest.raises(PastIsReadOnlyError), connections[customers.db].schema_editor():
        pass
    assert Customer.objects.count() == 4


def test_transactions_go_on_around_and_inside_the_past(created: Revision) -> None:
    alias = Customer.history(revision=created).db
    with transaction.atomic():
        Customer.objects.create(name="new")
        with transaction.atomic(using=alias):
            assert Customer.history(revision=created).count() == 4
            with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
                cursor.execute("SELECT count(*) FROM testapp_customer")
                assert cursor.fetchone() == (4,)
        assert Customer.objects.count() == 5
        transaction.set_rollback(True)
    assert Customer.objects.count() == 4
    with transaction.atomic(using=alias):
        # The session is one: what is written to the present belongs to the same transaction.
        Customer.objects.create(name="kept")
        transaction.set_rollback(True, using=alias)
    assert Customer.objects.count() == 4
    ran = []
    with transaction.atomic(using=alias):
        transaction.on_commit(lambda: ran.append(1), using=alias)
    assert ran == [1]


def test_objects_are_read_again_from_their_moment(created: Revision) -> None:
    customer = Customer.history(revision=created).get(name="Zoe")
    world.change()
    customer.name = "forgotten"
    customer.refresh_from_db()
    assert customer.name == "Zoe"
    customer.refresh_from_db(fields=["email"])
    assert customer.orders.count() == 1
    order = Order.history(revision=created).get(reference="R10")
    order.refresh_from_db(using="default")
    assert order.details == {"gone": True}


def test_a_moment_closes_nothing(created: Revision) -> None:
    alias = Customer.history(revision=created).db
    connections[alias].close()
    assert connections["default"].connection is not None
    assert Customer.history(revision=created).count() == 4
    connections["default"].close()
    assert Customer.history(revision=created).count() == 4
