"""What can't be honoured is an error that says what to do, and never a mix of past and present."""

from __future__ import annotations

import pickle
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import ProgrammingError, connection, connections, transaction

from audittrail import history
from audittrail.capture.sync import sync
from audittrail.exceptions import (
    MomentError,
    PastIsReadOnlyError,
    TimeTravelError,
    TrackedLaterError,
)
from audittrail.models import Revision
from audittrail.timetravel import registry, settled
from audittrail.timetravel.moment import Moment
from tests.builders import world
from tests.builders.sending import newest
from tests.testapp.models import Customer, Legacy, Order, TaggedNote

pytestmark = pytest.mark.django_db(transaction=True)


def read(revision: Revision, statement: str, parameters: Any = None) -> list[tuple[Any, ...]]:
    with connections[Customer.history(revision).db].cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())


def test_untracked_tables_are_refused_unless_a_setting_allows_them(
    created: Revision, settings: Any
) -> None:
    users = User.history(revision=created)
    with pytest.raises(TimeTravelError, match="AUDITTRAIL_READ_LIVE"):
        list(users.filter(logentry__action_flag=1))
    with pytest.raises(TimeTravelError, match="django_session"):
        read(created, "SELECT * FROM auth_user, django_session")
    with pytest.raises(TimeTravelError, match="AUDITTRAIL_READ_LIVE"):
        users[0].logentry_set.count()
    assert TaggedNote.history(revision=created).filter(content_type__model="country").count() == 3
    settings.AUDITTRAIL_READ_LIVE = ["admin.LogEntry"]
    assert list(users.filter(logentry__action_flag=1)) == []
    assert users[0].logentry_set.count() == 0
    with pytest.raises(TimeTravelError, match="django_content_type"):
        TaggedNote.history(revision=created).filter(content_type__model="country").count()


def test_a_table_that_was_tracked_later_says_since_when(created: Revision, settings: Any) -> None:
    settings.AUDITTRAIL_MODELS = ["*", "testapp.Legacy"]
    sync()
    Legacy.objects.create(code="L2", label="tracked")
    tracked = newest()
    try:
        assert {row.code for row in Legacy.history(revision=tracked)} == {"L1", "L2"}
        with pytest.raises(TrackedLaterError, match=r"'legacy' is tracked only since \d{4}-"):
            list(Legacy.history(revision=created))
        with pytest.raises(TrackedLaterError):
            read(created, "SELECT * FROM testapp_customer JOIN legacy ON true")
    finally:
        settings.AUDITTRAIL_MODELS = ["*"]
        sync()
    Customer.objects.create(name="after")
    assert read(tracked, "SELECT count(*) FROM legacy") == [(2,)]
    with pytest.raises(TrackedLaterError, match="not tracked any more since"):
        read(newest(), "SELECT * FROM legacy")


def test_a_schema_in_a_name_is_refused(created: Revision) -> None:
    with pytest.raises(TimeTravelError, match="names its schema"):
        read(created, "SELECT * FROM public.testapp_customer")
    with pytest.raises(TimeTravelError, match="search_path"):
        read(created, 'SELECT * FROM "warehouse"."the shelf"')


def test_views_and_other_names_are_refused(created: Revision) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE VIEW some_view AS SELECT * FROM testapp_customer")
    try:
        for name in ("some_view", "pg_class", "nothing", "revision"):
            with pytest.raises(TimeTravelError, match="not a tracked table"):
                read(created, f"SELECT * FROM {name}")
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP VIEW some_view")


def test_a_cte_named_like_a_tracked_table_is_read_where_it_is_seen(created: Revision) -> None:
    world.change()
    alive = "SELECT count(*) FROM testapp_customer"
    (then,), (now,) = read(created, alive), read(newest(), alive)
    assert then != now
    for statement, expected in (
        ("WITH testapp_customer AS (SELECT 7 AS id) SELECT id FROM testapp_customer", (7,)),
        (f"SELECT (WITH testapp_customer AS (SELECT 1) {alive}), ({alive})", (1, *then)),
        (f"SELECT * FROM (WITH testapp_customer AS (TABLE testapp_customer) {alive}) c", then),
        (f"SELECT * FROM (WITH RECURSIVE c AS (TABLE d), d AS ({alive}) TABLE c) c", then),
        (f"WITH mine AS ({alive}) TABLE mine", then),
        (f"(WITH mine AS ({alive}) TABLE mine)", then),
    ):
        assert read(created, statement) == [expected], statement
    for statement in (
        f"WITH testapp_customer AS (SELECT * FROM testapp_customer) {alive}",
        f"WITH c AS ({alive}), testapp_customer AS (SELECT 1) SELECT * FROM c, testapp_customer",
    ):
        with pytest.raises(TimeTravelError, match="give the CTE another name"):
            read(created, statement)


def test_a_string_is_read_as_the_session_says(created: Revision) -> None:
    alias = Customer.history(created).db
    statement = r"SELECT '\' FROM nothing --' FROM testapp_customer"
    with connections[alias].cursor() as cursor:
        cursor.execute("SET standard_conforming_strings = off")
        cursor.execute("SET escape_string_warning = off")
        try:
            cursor.execute(statement)
            assert cursor.fetchall() == [("' FROM nothing --",)] * 4
        finally:
            cursor.execute("RESET standard_conforming_strings")
            cursor.execute("RESET escape_string_warning")
        with pytest.raises(TimeTravelError, match="nothing"):
            cursor.execute(statement)


def test_a_table_can_not_be_a_parameter(created: Revision) -> None:
    with pytest.raises(TimeTravelError, match=r"%s stands where the name of a table belongs"):
        read(created, "SELECT * FROM %s", ["testapp_customer"])


def test_an_excluded_column_reads_as_none_and_can_not_be_asked_about(created: Revision) -> None:
    users = User.history(revision=created)
    assert {user.password for user in users} == {None}
    assert all(row["password"] is None for row in users.values())
    assert users.count() == 3
    assert [user.password for user in users.only("password")] == [None] * 3
    with transaction.atomic():
        for ask in (
            lambda: users.filter(password="x").count(),
            lambda: list(users.exclude(password__startswith="x")),
            lambda: list(users.values("password")),
            lambda: list(users.values_list("password", flat=True)),
            lambda: list(users.order_by("password")),
            lambda: list(users.distinct("password")),
            lambda: list(users.filter(groups__user__password="x")),
        ):
            with pytest.raises(
                TimeTravelError, match=r"auth\.User\.password is excluded from history"
            ):
                ask()
        # Nothing was sent: the transaction goes on.
        assert User.objects.count() == 3
    with pytest.raises(ProgrammingError, match=r"auth_user\.password is excluded from history"):
        read(created, "SELECT password FROM auth_user")
    assert read(created, "SELECT count(username) FROM auth_user") == [(3,)]


def test_parameters_and_percent_signs_are_left_alone(created: Revision) -> None:
    assert read(created, "SELECT name FROM testapp_customer WHERE name LIKE 'Z%'") == [("Zoe",)]
    assert read(created, "SELECT name FROM testapp_customer WHERE name LIKE %s", ["Z%"]) == [
        ("Zoe",)
    ]
    assert read(
        created, "SELECT name FROM testapp_customer WHERE name LIKE 'Z%%' AND id %% 1 = 0", []
    ) == [("Zoe",)]
    assert read(created, "SELECT name FROM testapp_customer WHERE name = %(x)s", {"x": "Zoe"}) == [
        ("Zoe",)
    ]


def test_a_moment_that_the_server_does_not_know_is_refused(created: Any) -> None:
    queryset = Customer.history(revision=created)
    settled.forget()
    unknown = pickle.loads(pickle.dumps(queryset.query))
    unknown.moment = type(unknown.moment)("default", created.committed + 1_000_000)
    queryset._db, queryset.query = unknown.moment.alias, unknown
    with pytest.raises(
        MomentError, match=r"does not hold the moment .*has not reached this server yet"
    ):
        list(queryset)


def test_reading_writes_nothing_and_takes_no_transaction_id(created: Revision) -> None:
    world.change()
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
        registry.forget()
        settled.forget()
        with history.at_rev(created):
            assert Customer.history.filter(orders__lines__quantity=2).distinct().count() == 2
            assert [o.customer.name for o in Order.history.filter(reference="R00")] == ["Zoe"]
        assert newest().get_all_changed_objects()
        assert Customer.history.deleted().count() == 1
        assert Customer.history(created.committed_at).count() == 4
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_current_xact_id_if_assigned()")
            assert cursor.fetchone() == (None,)


def test_a_changed_schema_is_noticed(created: Revision, connect: Any) -> None:
    customers = Customer.history(revision=created)
    assert customers.count() == 4
    other = connect(autocommit=True)
    with other.cursor() as cursor:
        cursor.execute("ALTER TABLE testapp_customer RENAME COLUMN email TO mail")
        cursor.execute("SELECT audittrail.track('testapp_customer')")
    try:
        assert read(created, "SELECT count(mail) FROM testapp_customer") == [(4,)]
        with transaction.atomic():
            assert read(created, "SELECT count(mail) FROM testapp_customer") == [(4,)]
            assert customers.values_list("name").count() == 4
    finally:
        with other.cursor() as cursor:
            cursor.execute("ALTER TABLE testapp_customer RENAME COLUMN mail TO email")
            cursor.execute("SELECT audittrail.track('testapp_customer')")
    # With a cursor on the server, too, which executes only once.
    assert len(list(customers.iterator(chunk_size=2))) == 4
    with transaction.atomic():
        assert customers.count() == 4
        with other.cursor() as cursor:
            cursor.execute(
                "UPDATE audittrail.tracked_table SET fingerprint = 'other' WHERE table_name = 'testapp_customer'"
            )
        with (
            pytest.raises(TimeTravelError, match="Try the transaction again"),
            transaction.atomic(),
        ):
            list(customers)
        # After the savepoint it is looked up again.
        assert customers.count() == 4
    with other.cursor() as cursor:
        cursor.execute("SELECT audittrail.track('testapp_customer')")


def test_querysets_and_objects_are_pickled_with_their_moment(created: Revision) -> None:
    queryset = Customer.history(revision=created).filter(vip=True).prefetch_related("orders")
    evaluated = Customer.history(revision=created).select_related("profile")
    pickled = pickle.dumps((queryset.query, queryset, evaluated, evaluated[0], list(evaluated)))
    world.change()
    query, restored, again, one, several = pickle.loads(pickled)
    assert {c.name for c in restored} == {c.name for c in queryset} == {"Zoe", "Xia"}
    assert [c.name for c in again] == [c.name for c in several]
    assert one.orders.count() == 1
    assert {c.orders.count() for c in several} == {0, 1, 2, 3}
    renewed = Customer.history(revision=created)
    renewed.query = query
    assert {c.name for c in renewed} == {"Zoe", "Xia"}
    assert restored.filter(name="Zoe").get().profile.bio == "Bio 0"
    assert isinstance(restored, type(Customer.objects.all()))


def test_queries_are_shown_and_explained(created: Revision) -> None:
    queryset = Customer.history(revision=created).filter(name="Zoe")
    assert 'FROM "testapp_customer" WHERE' in str(queryset.query)
    assert repr(queryset).startswith("<PastQuerySet [<Customer: Zoe>]")
    assert "testapp_customer_history" in queryset.explain(verbose=True)


def test_a_moment_is_named_by_its_revision_and_its_time(created: Any) -> None:
    at = f"revision {created.pk} ({created.committed_at:%Y-%m-%d %H:%M:%S} UTC)"
    with pytest.raises(PastIsReadOnlyError, match=re.escape(f"as of {at}: the past is read-only")):
        Customer.history(revision=created).delete()
    found = Customer.history(revision=created).first()
    assert found is not None
    with pytest.raises(PastIsReadOnlyError, match=re.escape(f"is as of {at}, and the past")):
        found.save()
    # A process that has not seen the revision, as one that unpickles an object, knows the alias alone.
    assert (
        str(Moment("default", created.committed + 1))
        == f"the moment 'default@{created.committed + 1}'"
    )
