"""`restore`, `undo` and `rollback`: a plan first, then the question, then exactly what was shown."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from audittrail.management.filters import NOTHING_MATCHED
from audittrail.models import Revision
from audittrail.testing import assert_no_new_history
from tests.builders.sending import newest
from tests.testapp import models as m

pytestmark = pytest.mark.django_db(transaction=True)


def audittrail(*arguments: str) -> str:
    output = StringIO()
    call_command("audittrail", *arguments, stdout=output)
    return output.getvalue()


@pytest.fixture
def changed() -> Any:
    """Give the revision before two customers were changed, and one of them deleted."""
    for name in ("Yan", "Zoe"):
        customer = m.Customer.objects.create(name=name)
    m.Order.objects.create(customer=customer, reference="A1")
    rev = newest()
    m.Customer.objects.filter(name="Yan").update(name="Other", vip=True)
    m.Customer.objects.get(name="Zoe").delete()
    return rev


def test_restore_shows_the_plan_and_asks(changed: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("builtins.input", lambda prompt: "no")
    arguments = ["restore", "testapp.Customer", "--revision", str(changed.pk)]
    with assert_no_new_history(), pytest.raises(CommandError, match="Nothing was changed"):
        audittrail(*arguments)
    with assert_no_new_history():
        shown = audittrail(*arguments, "--dry-run")
    assert "testapp_customer: 1 to insert, 1 to update, 0 to delete" in shown
    assert "name: 'Other' -> 'Yan'" in shown
    monkeypatch.setattr("builtins.input", lambda prompt: "yes")
    assert audittrail(*arguments, "--reason", "by hand").endswith("Done.\n")
    assert set(m.Customer.objects.values_list("name", flat=True)) == {"Yan", "Zoe"}
    revision = newest()
    assert revision.reason == "by hand" and revision.context["command"] == "audittrail"
    assert "nothing to do" in audittrail(*arguments)


def test_restore_of_some_objects_and_fields(changed: Any) -> None:
    key = str(m.Customer.objects.get().pk)
    arguments = [
        "--pk",
        key,
        "--fields",
        "name",
        "--noinput",
        "--at",
        changed.committed_at.isoformat(),
    ]
    audittrail("restore", "testapp.Customer", *arguments)
    customer = m.Customer.objects.get()
    assert (customer.name, customer.vip) == ("Yan", True)


def test_restore_of_deleted_objects(changed: Any) -> None:
    audittrail("restore", "testapp.Customer", "--deleted", "--with-cascade", "--noinput")
    assert m.Order.objects.get().customer.name == "Zoe"


def test_restore_of_everything(changed: Any) -> None:
    audittrail("restore", "--all", "--revision", str(changed.pk), "--noinput")
    assert set(m.Customer.objects.values_list("name", flat=True)) == {"Yan", "Zoe"}
    assert m.Order.objects.count() == 1


def test_undo(changed: Any) -> None:
    rev = newest()
    assert "testapp_order: 1 to insert" in audittrail("undo", str(rev.pk), "--noinput")
    assert m.Order.objects.count() == 1


def test_conflicts_are_printed_and_exit_with_1(changed: Any) -> None:
    second = Revision.objects.newest_first()[1]
    m.Customer.objects.update(name="Third")
    with (
        assert_no_new_history(),
        pytest.raises(CommandError, match=r"see --on-conflict\.$") as caught,
    ):
        audittrail("undo", str(second.pk), "--noinput")
    assert caught.value.returncode == 1
    audittrail("undo", str(second.pk), "--noinput", "--on-conflict", "skip")
    customer = m.Customer.objects.get()
    assert (customer.name, customer.vip) == ("Third", False)


def test_rollback_warns_and_erases(changed: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("builtins.input", lambda prompt: "yes")
    shown = audittrail("rollback", str(changed.pk))
    assert "2 later revisions" in shown and "ERASES" in shown
    assert set(m.Customer.objects.values_list("name", flat=True)) == {"Yan", "Zoe"}
    assert Revision.objects.filter(committed__gt=changed.committed).count() == 1


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            ["restore", "99", "--revision", "1"],
            "'99' is not a model of this project; give its label",
        ),
        (["restore", "testapp.Nothing", "--revision", "1"], "not a model of this project"),
        (["restore", "testapp.Customer"], "--revision NUMBER or --at TIME"),
        (["restore", "testapp.Customer", "--revision", "1"], "no revision 1"),
        (["restore", "testapp.Customer", "--at", "yesterday"], "is not a time"),
        (["restore", "testapp.Customer", "--at", "1999-01-01T00:00"], "No revision was committed"),
        (["restore", "--all", "--revision", "1", "--pk", "1"], "--pk goes with a model"),
        (
            ["restore", "--all", "--revision", "1", "--with-cascade"],
            "--with-cascade goes with a model",
        ),
        (
            ["restore", "testapp.Customer", "--deleted", "--pk", "x"],
            "can't be understood as a primary key",
        ),
        (["restore", "testapp.OrderLine", "--deleted", "--pk", "1"], "give them as"),
        (["restore", "testapp.Customer", "--deleted", "--fields", "name"], "come back whole"),
        (["undo", "1"], "no revision 1"),
        (["rollback", "1"], "no revision 1"),
    ],
)
def test_bad_arguments(arguments: list[str], text: str) -> None:
    with pytest.raises(CommandError, match=text):
        audittrail(*arguments)


def test_keys_that_match_nothing_are_told_and_exit_with_3(changed: Any) -> None:
    arguments = ["restore", "testapp.Customer", "--revision", str(changed.pk), "--noinput"]
    with assert_no_new_history(), pytest.raises(CommandError) as error:
        audittrail(*arguments, "--pk", "123456", "--pk", "234567")
    assert error.value.returncode == NOTHING_MATCHED
    assert str(error.value).startswith(f"As of revision {changed.pk} (")
    assert str(error.value).endswith(
        ") no testapp.Customer had the primary key 123456 or 234567. Nothing was changed."
    )
    with (
        assert_no_new_history(),
        pytest.raises(
            CommandError, match=r"No deleted testapp\.Customer has the primary key"
        ) as error,
    ):
        audittrail("restore", "testapp.Customer", "--deleted", "--pk", "123456")
    assert error.value.returncode == NOTHING_MATCHED


def test_of_several_keys_those_that_match_nothing_are_told(changed: Any) -> None:
    key = str(m.Customer.objects.get().pk)
    told = audittrail(
        "restore", "testapp.Customer", "--revision", str(changed.pk), "--noinput", "--pk", key, "--pk", "123456"
    )  # fmt: skip
    assert "had the primary key 123456." in told.splitlines()[0]
    assert m.Customer.objects.get(pk=key).name == "Yan"


def test_a_plan_says_in_words_what_it_does_or_has_done(changed: Any) -> None:
    plan = m.Customer.history(revision=changed).restore(dry_run=True)
    assert str(plan).startswith("Restore planned: 1 to insert, 1 to update, 0 to delete")
    assert str(plan.carry_out()).startswith("Restore carried out: 1 inserted, 1 updated, 0 deleted")
