"""A role that has been granted to read history reads it as of any moment too, with no rights but its own."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection, transaction

from audittrail.exceptions import UnsettledError
from audittrail.models import Revision
from audittrail.revisions.models import BaseRevision
from tests.capture.ways import sql
from tests.testapp.models import Customer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def role() -> Iterator[str]:
    """Give a role that may read the tables of the application, and history."""
    name = f"reader_of_{connection.settings_dict['NAME']}"
    sql(f"CREATE ROLE {name}; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}")
    call_command("audittrail", "grant", name, "--apply", verbosity=0)
    yield name
    sql(f"RESET ROLE; DROP OWNED BY {name}; DROP ROLE {name}")


def test_the_past_is_read_by_the_orm_and_from_psql(role: str) -> None:
    customer = Customer.objects.create(name="Ada")
    then = Revision.objects.newest()
    assert then is not None and then.committed_at is not None
    Customer.objects.update(name="Bea")
    gone = Customer.objects.create(name="Cyd")
    gone.delete()
    sql(f"SET ROLE {role}")
    assert Customer.history(revision=then).get().name == "Ada"
    assert Customer.history.deleted().get().name == "Cyd"
    assert [found.name for found in then.get_changed_objects(clss=Customer)] == ["Ada"]
    assert [change.new for change in Customer.history.diff(pk=customer.pk)][-1] == "Bea"
    assert Revision.objects.get_by_timestamp(then.committed_at) == then
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name FROM audittrail.as_of(NULL::testapp_customer, %s)", [then.committed_at]
        )
        assert cursor.fetchall() == [("Ada",)]


def test_a_snapshot_is_asked_what_it_lacks_with_no_rights_but_the_readers(role: str) -> None:
    Customer.objects.create(name="Ada")
    then = Revision.objects.newest()
    assert then is not None and then.committed_at is not None
    sql(f"SET ROLE {role}")
    deadline = time.monotonic() + 120
    while True:
        try:
            names = names_in_one_snapshot(then)
        except (UnsettledError, OperationalError) as error:
            # Autovacuum, or others on a server that is given, may write, and a snapshot does not tell where.
            if "napshot of this" not in str(error) or time.monotonic() > deadline:
                raise
        else:
            break
    assert names == ["Ada", "Ada"]


def names_in_one_snapshot(then: BaseRevision) -> list[str]:
    """Return the customer's name as of `then`, by its number and by its time, in one REPEATABLE READ transaction."""
    with transaction.atomic():
        sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        by_number = Customer.history(revision=then).get().name
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT name FROM audittrail.as_of(NULL::testapp_customer, %s)",
                [then.committed_at],
            )
            return [by_number, *(name for (name,) in cursor.fetchall())]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT audittrail.next_version()",
        "SELECT audittrail.close_revision()",
        "SELECT audittrail.reset_history()",
    ],
)
def test_what_changes_anything_is_the_owners(role: str, statement: str) -> None:
    sql(f"SET ROLE {role}")
    with pytest.raises(Exception, match="permission denied for function"), transaction.atomic():
        sql(statement)
