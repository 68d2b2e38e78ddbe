"""Logical replication: publications of everything, history on an archive server, and tables that are replicated into a tracked database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.utils import timezone

from audittrail import history
from audittrail.checks import check_database
from audittrail.exceptions import UnsettledError
from audittrail.models import Revision
from audittrail.timetravel import settled
from tests.builders.sending import newest, send, sql
from tests.databases import OwnServer
from tests.operations.clusters import FOLLOWED, program, server, value, wait_until
from tests.testapp.models import Customer, Order, Tag

ALIAS = "origin"


@pytest.fixture(scope="module")
def origin(django_db_blocker: Any) -> Iterator[OwnServer]:
    """Give a server whose database "shop" publishes every table; Django knows it as "origin"."""
    with django_db_blocker.unblock(), server(**FOLLOWED) as made:
        made.createdb("shop")
        with made.attached(ALIAS, "shop"):
            call_command("migrate", database=ALIAS, verbosity=0)
            sql("CREATE PUBLICATION everything FOR ALL TABLES", using=ALIAS)
            yield made


@pytest.fixture
def other_server(django_db_blocker: Any) -> Iterator[OwnServer]:
    """Give a server to replicate to."""
    with django_db_blocker.unblock(), server(**FOLLOWED) as made:
        yield made
    settled.forget()


def audittrail(*arguments: str, using: str = ALIAS) -> str:
    output = StringIO()
    call_command("audittrail", *arguments, f"--database={using}", stdout=output)
    return output.getvalue()


def test_whatever_history_does_can_be_published(origin: OwnServer) -> None:
    tags = Tag.objects.using(ALIAS)
    key = tags.create(name="a").pk
    first = newest(ALIAS)
    tags.filter(pk=key).update(name="b")
    second = newest(ALIAS)
    audittrail("maintain")
    sql("ALTER TABLE testapp_tag ADD COLUMN note text DEFAULT 'none'", using=ALIAS)
    sql("UPDATE testapp_tag SET note = 'some'", using=ALIAS)
    sql("ALTER TABLE testapp_tag DROP COLUMN note", using=ALIAS)
    audittrail("sync")
    with history.editing("A correction", using=ALIAS):
        history.of(Tag).versions.using(ALIAS).filter(name="a").update(name="A")
    second.rollback_all_later_revisions()
    tags.filter(pk=key).delete()
    assert Tag.history(first).get(pk=key).name == "A"
    audittrail("prune", "--older-than", second.committed_at.isoformat(), "--noinput")
    with closing(origin.connect("shop")) as slow:
        # So long that it is listed, and stamped twice: a deferred trigger could do so.
        send(slow, "INSERT INTO testapp_tag (name) SELECT generate_series(1001, 1003)")
        for name in range(70):
            send(slow, "INSERT INTO testapp_tag (name) VALUES (%s)", str(name))
        send(slow, "SET CONSTRAINTS ALL IMMEDIATE")
        slow.commit()
    with_keys = value(
        origin,
        "SELECT count(*) FROM pg_class WHERE relnamespace = 'audittrail'::regnamespace"
        " AND relname LIKE '%history' AND relreplident <> 'f'",
        "shop",
    )
    assert with_keys == 0


def test_an_archive_server_answers_as_of_what_was_closed(
    origin: OwnServer, other_server: OwnServer
) -> None:
    customers = Customer.objects.using(ALIAS)
    order = Order.objects.using(ALIAS).create(
        customer=customers.create(name="archived"), reference="A1"
    )
    first = newest(ALIAS)
    customers.filter(name="archived").update(name="renamed")
    audittrail("maintain")
    other_server.createdb("archive")
    with ExitStack() as stack:
        archive = stack.enter_context(other_server.attached("archive", "archive"))
        schema = program(origin, "pg_dump", "-s", "--no-publications", "shop")
        (other_server.directory / "schema.sql").write_text(schema)
        program(other_server, "psql", "-Xqb", "-v", "ON_ERROR_STOP=1", "-d", "archive", "-f", other_server.directory / "schema.sql")  # fmt: skip
        tables = sql("SELECT string_agg(oid::regclass::text, ', ') FROM pg_class WHERE relnamespace = 'audittrail'::regnamespace AND relkind = 'r'", using=ALIAS)[0][0]  # fmt: skip
        sql(f"CREATE PUBLICATION history FOR TABLE {tables}", using=ALIAS)
        send(archive, f"CREATE SUBSCRIPTION history CONNECTION 'host={origin.host} user=postgres dbname=shop' PUBLICATION history")  # fmt: skip
        stack.callback(drop_subscription, other_server, "archive", "history")
        closed = sql("SELECT audittrail.closed_tick()", using=ALIAS)
        wait_until(lambda: sql("SELECT audittrail.closed_tick()", using="archive") == closed)

        revision = Revision.objects.using("archive").get(pk=first.pk)
        found = Order.history(revision).select_related("customer").get(pk=order.pk)
        assert (found.reference, found.customer.name) == ("A1", "archived")
        latest = Revision.objects.using("archive").settled().order_by("committed").last()
        assert Customer.history(latest).get(pk=found.customer.pk).name == "renamed"
        # What came later is replicated, and can be read when it is closed at the origin.
        customers.filter(name="renamed").update(name="later")
        later = newest(ALIAS)
        wait_until(lambda: Revision.objects.using("archive").filter(pk=later.pk).exists())
        there = Revision.objects.using("archive").get(pk=later.pk)
        for question in (
            lambda: Customer.history(there).first(),
            lambda: Revision.objects.using("archive").get_by_timestamp(timezone.now()),
        ):
            with pytest.raises(UnsettledError, match="only as far as history was closed"):
                question()
        audittrail("maintain")
        closed = sql("SELECT audittrail.closed_tick()", using=ALIAS)
        wait_until(lambda: sql("SELECT audittrail.closed_tick()", using="archive") == closed)
        assert Customer.history(there).get(pk=found.customer.pk).name == "later"


def test_a_change_of_servers_by_logical_replication(
    origin: OwnServer, other_server: OwnServer
) -> None:
    tag = Tag.objects.using(ALIAS).create(name="before")
    before = newest(ALIAS)
    other_server.createdb("shop")
    with ExitStack() as stack:
        new = stack.enter_context(other_server.attached("new", "shop"))
        (other_server.directory / "schema.sql").write_text(program(origin, "pg_dump", "-s", "--no-publications", "shop"))  # fmt: skip
        program(other_server, "psql", "-Xqb", "-v", "ON_ERROR_STOP=1", "-d", "shop", "-f", other_server.directory / "schema.sql")  # fmt: skip
        send(new, f"CREATE SUBSCRIPTION everything CONNECTION 'host={origin.host} user=postgres dbname=shop' PUBLICATION everything")  # fmt: skip
        wait_until(lambda: sql("SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'", using="new") == [(0,)])  # fmt: skip
        # No sequence is replicated, and yet the clock has passed all that came, at first and later: a session that has looked
        # at it before records nothing in the past.
        assert sql("SELECT audittrail.clock_lag()", using="new") == [(0,)]
        send(new, "SELECT audittrail.check_clock()")
        for number in range(40):
            Tag.objects.using(ALIAS).create(name=f"later {number}")
        last = newest(ALIAS)
        # The last that comes is a mark that is later than every revision, as after transactions that were rolled back.
        sql("SELECT count(nextval('audittrail.clock')) FROM generate_series(1, 5000)", using=ALIAS)
        audittrail("maintain")
        mark = "SELECT max(mark_tick) FROM audittrail.tracked_table"
        assert sql(mark, using=ALIAS)[0][0] > last.committed
        wait_until(lambda: sql(mark, using="new") == sql(mark, using=ALIAS))
        drop_subscription(other_server, "shop", "everything")
        assert sql("SELECT audittrail.clock_lag()", using="new") == [(0,)]
        Tag.objects.using("new").create(id=tag.pk + 1000, name="after")
        assert newest("new").committed > last.committed > before.committed
        assert newest("new").pk > sql(mark, using="new")[0][0]
        for revision, expected in ((before, 1), (last, 1), (newest("new"), 2)):
            there = Revision.objects.using("new").get(pk=revision.pk)
            assert Tag.history(there).filter(name__in=["before", "after"]).count() == expected
        audittrail("sync", using="new")
        audittrail("status", "--check", using="new")
        assert "wrong" not in audittrail("verify", using="new")


def test_rows_that_are_replicated_into_a_tracked_table_are_told(
    origin: OwnServer, other_server: OwnServer
) -> None:
    other_server.createdb("tracked")
    with ExitStack() as stack:
        tracked = stack.enter_context(other_server.attached("tracked", "tracked"))
        call_command("migrate", database="tracked", verbosity=0)
        assert audittrail("status", "--check", using="tracked")
        sql("CREATE PUBLICATION tags FOR TABLE testapp_tag", using=ALIAS)
        send(tracked, f"CREATE SUBSCRIPTION tags CONNECTION 'host={origin.host} user=postgres dbname=shop' PUBLICATION tags")  # fmt: skip
        stack.callback(drop_subscription, other_server, "tracked", "tags")
        name = f"replicated at {timezone.now()}"
        Tag.objects.using(ALIAS).create(name=name)
        wait_until(lambda: Tag.objects.using("tracked").filter(name=name).exists())
        assert "come by the subscription tags are not recorded" in audittrail("status", using="tracked")  # fmt: skip
        with pytest.raises(CommandError):
            audittrail("status", "--check", using="tracked")
        found = {message.id for message in check_database(databases=["tracked"])}
        assert found == {"audittrail.W016"}
        with pytest.raises(CommandError):
            audittrail("verify", using="tracked")
        audittrail("verify", "--repair", using="tracked")
        assert Tag.history(newest("tracked")).filter(name=name).exists()
        # The worker that applies changes fires triggers of rows alone, however those of statements are enabled.
        send(tracked, "ALTER TABLE testapp_tag ENABLE ALWAYS TRIGGER audittrail_insert")
        Tag.objects.using(ALIAS).create(name=f"{name}!")
        wait_until(lambda: Tag.objects.using("tracked").filter(name=f"{name}!").exists())
        assert not Tag.history(newest("tracked")).filter(name=f"{name}!").exists()
        with pytest.raises(CommandError):
            audittrail("verify", using="tracked")


def drop_subscription(there: OwnServer, dbname: str, name: str) -> None:
    with closing(there.connect(dbname, autocommit=True)) as connection:
        send(connection, f"DROP SUBSCRIPTION {name}")
    for alias in ("archive", "new", "tracked"):
        if alias in connections.settings:
            connections[alias].close()
