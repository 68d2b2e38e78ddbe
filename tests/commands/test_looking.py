"""`revisions` and `log`: who changed what, for whoever has a terminal and no browser."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import transaction
from django.utils import timezone

from audittrail import history
from audittrail.management.filters import NOTHING_MATCHED
from audittrail.revisions.wording import spelled
from tests.builders.sending import newest
from tests.testapp import models as m

pytestmark = pytest.mark.django_db(transaction=True)


def audittrail(*arguments: str) -> str:
    output = StringIO()
    call_command("audittrail", *arguments, stdout=output)
    return output.getvalue()


def refusal(*arguments: str) -> CommandError:
    with pytest.raises(CommandError) as caught:
        audittrail(*arguments)
    return caught.value


@pytest.fixture
def ada() -> User:
    return User.objects.create(username="ada")


@pytest.fixture
def changed(ada: User) -> Any:
    """Change a few rows as somebody; return the customer and the two revisions."""
    with history.context(user=ada, reason="Stocktaking"), transaction.atomic():
        yan = m.Customer.objects.create(name="Yan")
        m.Customer.objects.create(name="Zoe")
        m.Order.objects.create(customer=yan, reference="A1")
    first = newest()
    m.Customer.objects.filter(pk=yan.pk).update(name="Yanis", vip=True)
    return yan, first, newest()


def head(revision: Any, rest: str) -> str:
    return f"{revision.pk}  {spelled(timezone.localtime(revision.committed_at))}{rest}"


def test_revisions_come_newest_first_with_what_they_changed(changed: Any) -> None:
    _yan, first, second = changed
    lines = audittrail("revisions", "--number", "2").splitlines()
    assert lines[:2] == [head(second, ""), "    testapp.Customer: 1 updated"]
    assert lines[2] == head(first, " by ada: Stocktaking")
    assert set(lines[3:5]) == {"    testapp.Customer: 2 inserted", "    testapp.Order: 1 inserted"}
    assert lines[5].startswith("There are more than 2 revisions; see --number")
    assert len(lines) == 6


def test_revisions_are_filtered(changed: Any, ada: User) -> None:
    _yan, first, second = changed
    m.Tag.objects.create(name="red")
    last = newest()

    def found(*arguments: str) -> list[int]:
        shown = audittrail("revisions", *arguments).splitlines()
        return [int(line.split()[0]) for line in shown if not line.startswith(" ")]

    assert found("--user", str(ada.pk)) == [first.pk]
    assert found("--model", "testapp.Customer") == [second.pk, first.pk]
    assert found("--reason", "stock") == [first.pk]
    assert found("--since", first.committed_at.isoformat()) == [last.pk, second.pk, first.pk]
    until = second.committed_at.isoformat()
    assert found("--until", until, "--model", "testapp.Customer") == [first.pk]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--user", "ada"], "--user 'ada' can't be understood as a primary key of a user"),
        (["--model", "shop.Nothing"], "'shop.Nothing' is not a model of this project"),
        (["--model", "sessions.Session"], "sessions.Session is not tracked"),
        (["--since", "yesterday"], "--since 'yesterday' is not a time; write it like 2026-01-31"),
        (["--until", "2026-02-31"], "--until '2026-02-31' is not a time"),
    ],
)
def test_revisions_says_what_it_does_not_understand(arguments: list[str], said: str) -> None:
    assert said in str(refusal("revisions", *arguments))


def test_revisions_that_match_nothing(changed: Any) -> None:
    tomorrow = (timezone.now() + timedelta(days=1)).isoformat()
    error = refusal("revisions", "--since", tomorrow)
    assert (str(error), error.returncode) == ("There is no such revision.", NOTHING_MATCHED)


def test_the_log_of_an_object(changed: Any) -> None:
    yan, first, second = changed
    shown = audittrail("log", "testapp.Customer", "--pk", str(yan.pk)).splitlines()
    assert shown[:4] == [
        head(second, ""),
        "    Updated",
        "    name: 'Yan' -> 'Yanis'",
        "    vip: False -> True",
    ]
    assert shown[4:6] == [head(first, " by ada: Stocktaking"), "    Inserted"]
    assert "    name: None -> 'Yan'" in shown[6:]


def test_the_log_of_a_field_and_of_a_time(changed: Any) -> None:
    yan, first, second = changed
    key = ["log", "testapp.Customer", "--pk", str(yan.pk)]
    shown = audittrail(*key, "--fields", "vip", "--since", first.committed_at.isoformat())
    assert shown.splitlines() == [head(second, ""), "    Updated", "    vip: False -> True"]
    error = refusal(*key, "--since", second.committed_at.isoformat())
    assert error.returncode == NOTHING_MATCHED
    assert "did not change in that time" in str(error)


def test_the_log_of_a_deleted_object(changed: Any) -> None:
    key = m.Customer.objects.get(name="Zoe").pk
    m.Customer.objects.filter(pk=key).delete()
    shown = audittrail("log", "testapp.customer", "--pk", str(key)).splitlines()
    assert shown[:2] == [head(newest(), ""), "    Deleted"]
    assert "    name: 'Zoe' -> None" in shown


def test_the_log_of_what_never_was(changed: Any) -> None:
    error = refusal("log", "testapp.Customer", "--pk", "987654")
    assert error.returncode == NOTHING_MATCHED
    assert str(error).startswith("There is no testapp.Customer with primary key 987654")
    assert "can't be understood as a primary key of testapp.Customer" in str(
        refusal("log", "testapp.Customer", "--pk", "x")
    )
    assert "has no field 'colour' in its history" in str(
        refusal("log", "testapp.Customer", "--pk", "1", "--fields", "colour")
    )


def test_tables_are_named_instead_of_models(changed: Any) -> None:
    yan, _first, _second = changed
    key = str(yan.pk)
    assert audittrail("log", "testapp_customer", "--pk", key) == audittrail(
        "log", "testapp.Customer", "--pk", key
    )
    assert audittrail("revisions", "--model", "testapp_order") == audittrail(
        "revisions", "--model", "testapp.Order"
    )


def test_a_revision_is_shown_with_all_that_it_changed(changed: Any) -> None:
    yan, first, second = changed
    assert audittrail("show", str(second.pk)).splitlines() == [
        head(second, ""),
        f"    db_user: {second.db_user}",
        f"    testapp.Customer {yan.pk} updated",
        "        name: 'Yan' -> 'Yanis'",
        "        vip: False -> True",
    ]
    shown = audittrail("show", str(first.pk), "--number", "1").splitlines()
    assert shown[0] == head(first, " by ada: Stocktaking")
    assert f"    testapp.Customer {yan.pk} inserted" in shown
    assert "    testapp.Customer: there are more than 1; see --number." in shown
    assert sum("testapp.Order" in line for line in shown) == 1


def test_a_revision_is_shown_with_its_context() -> None:
    with history.context(ticket=17):
        m.Tag.objects.create(name="red")
    assert "    ticket: 17" in audittrail("show", str(newest().pk)).splitlines()
    assert str(refusal("show", "987654321")).startswith("There is no revision 987654321")
