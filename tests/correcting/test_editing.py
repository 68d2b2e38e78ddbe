"""`history.editing`: fixing a value by hand, in closed versions too, and what that means for the live row."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from audittrail import history
from audittrail.exceptions import EditingError
from audittrail.models import Revision
from tests.testapp.models import Customer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def moments() -> list[Any]:
    """Give the revisions of a customer who is called Ada, then Adda by mistake, then Ada again; all closed."""
    customer = Customer.objects.create(name="Ada")
    revisions = [Revision.objects.newest()]
    for name in ("Adda", "Ada L."):
        customer.name = name
        customer.save()
        revisions.append(Revision.objects.newest())
    call_command("audittrail", "maintain", verbosity=0)
    return revisions


def names(moments: list[Any]) -> list[str]:
    return [Customer.history(revision=moment).get().name for moment in moments]


def test_a_value_is_fixed_in_a_closed_version_and_recorded(moments: list[Any]) -> None:
    clerk = User.objects.create_user("clerk")
    with history.editing("Misspelt at the import", user=clerk, ticket=7):
        assert Customer.history.versions.filter(name="Adda").update(name="Ada") == 1
    assert names(moments) == ["Ada", "Ada", "Ada L."]
    record = Revision.objects.newest()
    assert record is not None
    assert (record.reason, record.committed_by, record.context["ticket"]) == (
        "Misspelt at the import", clerk, 7,
    )  # fmt: skip
    assert record.context["corrected"] == ["testapp_customer_history"]
    call_command("audittrail", "verify", verbosity=0)


def test_a_version_is_taken_out_of_closed_ones(moments: list[Any]) -> None:
    with history.editing("It never was so"):
        Customer.history.versions.filter(name="Adda").delete()
    assert names(moments) == ["Ada", "Ada", "Ada L."]
    call_command("audittrail", "verify", verbosity=0)


def test_a_last_version_that_does_not_agree_with_the_live_row_is_noticed(
    moments: list[Any],
) -> None:
    with history.editing("Wrong way round"):
        Customer.history.versions.filter(name="Ada L.").update(name="Lovelace")
    with pytest.raises(CommandError, match="differs from its history"):
        call_command("audittrail", "verify", verbosity=0)
    with history.editing("Put right"):
        Customer.history.versions.filter(name="Lovelace").update(name="Lovelace, Ada")
        Customer.objects.update(name="Lovelace, Ada")
    call_command("audittrail", "verify", verbosity=0)


def test_a_role_that_does_not_own_history_is_refused_in_words(moments: list[Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP ROLE IF EXISTS corrector; CREATE ROLE corrector")
        try:
            cursor.execute("SET ROLE corrector")
            for call in (
                lambda: history.editing("x").__enter__(),
                lambda: history.redact(Customer, ["name"], pks=[1], reason="x"),
                lambda: history.prune(moments[0], dry_run=True),
            ):
                with pytest.raises(
                    EditingError,
                    match="Role 'corrector' may not correct history, which belongs to role",
                ):
                    call()
        finally:
            cursor.execute("RESET ROLE; DROP ROLE corrector")


def test_a_correction_waits_for_the_closing_of_the_same_table(
    moments: list[Any], second_connection: Any
) -> None:
    cursor = second_connection.cursor()
    cursor.execute(
        "SELECT FROM audittrail.tracked_table WHERE table_name = 'testapp_customer' FOR UPDATE"
    )
    with pytest.raises(DatabaseError, match="lock timeout"):
        correct(lock_timeout="20ms")


def correct(lock_timeout: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [lock_timeout])
        with history.editing("x"):
            Customer.history.versions.filter(name="Adda").update(name="Ada")
