"""`manage.py audittrail redact | prune`: what is shown first, what is asked, and what the exit says."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from audittrail import history
from audittrail.management.filters import NOTHING_MATCHED, filtered
from audittrail.models import Revision
from tests.testapp.models import Customer, Order, OrderLine, Tag

pytestmark = pytest.mark.django_db(transaction=True)

REASON = ("--reason", "Request 4712")


def audittrail(*arguments: str) -> str:
    """Run the command and return what it says."""
    output = StringIO()
    call_command("audittrail", *arguments, stdout=output)
    return output.getvalue()


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Give a function that answers what the command asks."""

    def answers(text: str) -> None:
        def told(prompt: str) -> str:
            if not text:
                raise EOFError
            return text

        monkeypatch.setattr("builtins.input", told)

    return answers


def forbid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", lambda prompt: pytest.fail("it asked"))


# prune


@pytest.fixture
def tags() -> None:
    """Make a tag of three versions, and another that is deleted."""
    tag = Tag.objects.create(name="a")
    Tag.objects.create(name="gone").delete()
    for name in "bc":
        tag.name = name
        tag.save()


def count() -> int:
    return int(history.of(Tag).versions.count())


def test_prune_shows_what_goes_and_asks(tags: None, answer: Callable[[str], None]) -> None:
    answer("no")
    with pytest.raises(CommandError, match=r"Nothing was deleted\."):
        audittrail("prune", "--older-than", "0h")
    answer("")
    with pytest.raises(CommandError, match=r"Nothing was deleted\."):
        audittrail("prune", "--older-than", "0h")
    assert count() == 5
    answer("yes")
    told = audittrail("prune", "--older-than", "0d", "--reason", "Retention")
    lines = [line.rstrip() for line in told.splitlines()]
    assert lines[0] == "testapp_tag: 4 versions to delete"
    assert lines[1].startswith("4 versions and 4 revisions to delete. Moments before 20")
    assert lines[2:] == [
        "testapp_tag: 4 versions deleted",
        "4 versions and 4 revisions deleted.",
    ]
    assert count() == 1
    record = Revision.objects.newest()
    assert record is not None
    assert (record.reason, record.context["command"]) == ("Retention", "audittrail")


def test_prune_asks_nothing_if_told_so(tags: None, monkeypatch: pytest.MonkeyPatch) -> None:
    forbid(monkeypatch)
    told = audittrail(
        "prune", "testapp_tag", "--older-than", "0d", "--keep-last", "2", "--noinput", "--vacuum"
    )
    assert told.splitlines()[-1] == "1 version and 1 revision deleted."
    assert count() == 4


def test_prune_only_shows_with_dry_run(tags: None, monkeypatch: pytest.MonkeyPatch) -> None:
    forbid(monkeypatch)
    assert "testapp_tag: 4 versions to delete" in audittrail(
        "prune", "--older-than", "0d", "--dry-run"
    )
    assert count() == 5


def test_prune_with_nothing_that_old(tags: None, monkeypatch: pytest.MonkeyPatch) -> None:
    forbid(monkeypatch)
    for arguments in (
        ["--older-than", "365d", "--noinput"],
        ["--older-than", "365d", "--dry-run"],
        ["--older-than", "365d"],
        ["--older-than", "2000-01-31"],
        ["--older-than", "2000-01-31 12:00"],
    ):
        with pytest.raises(CommandError, match="No revision is as old as that") as error:
            audittrail("prune", *arguments)
        assert error.value.returncode == NOTHING_MATCHED


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: --older-than"),
        (["--older-than", "365"], "'365' is neither an age such as 365d"),
        (["--older-than", "2000-13-01"], "is neither an age"),
        (["--older-than", "2999-01-01"], "is still to come"),
        (["--older-than", "1d", "--keep-last", "-1"], "'-1' is not a whole number of 0 or more"),
        (
            ["nowhere", "--older-than", "1d"],
            "'nowhere' is not a table that database 'default' tracks",
        ),
    ],
)
def test_prune_refuses_bad_arguments(arguments: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        audittrail("prune", *arguments)


# redact


@pytest.fixture
def ada() -> Customer:
    """Give a customer of two versions whose live row holds no address."""
    customer = Customer.objects.create(name="Ada", email="ada@example.org")
    customer.email = ""
    customer.save()
    return customer


def emails() -> list[Any]:
    return list(Customer.history.versions.in_order().values_list("email", flat=True))


def test_redact_shows_what_is_replaced_and_asks(
    ada: Customer, answer: Callable[[str], None]
) -> None:
    arguments = ["redact", "testapp.Customer", "--pk", str(ada.pk), "--field", "email=", *REASON]
    answer("no")
    with pytest.raises(CommandError, match=r"Nothing was redacted\."):
        audittrail(*arguments)
    assert emails() == ["ada@example.org", ""]
    answer("yes")
    told = audittrail(*arguments)
    revision = Revision.objects.for_object(ada).earliest()
    assert told.splitlines() == [
        "testapp_customer: email in 1 version of 1 row",
        f"  I {ada.pk} in revision {revision}: email='ada@example.org'",
        "testapp_customer: 1 version of 1 row redacted.",
    ]
    assert emails() == ["", ""]
    assert "there is nothing to redact" in audittrail(*arguments)


def test_redact_refuses_while_the_live_row_holds_it(
    ada: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid(monkeypatch)
    arguments = ["redact", "testapp.Customer", "--field", "name=x", "--all", *REASON]
    with pytest.raises(CommandError, match="give --live to overwrite them"):
        audittrail(*arguments)
    with pytest.raises(CommandError, match="1 live row of 'testapp_customer' still hold"):
        audittrail(*arguments, "--noinput")
    assert "1 live row overwritten." in audittrail(*arguments, "--noinput", "--live", "--vacuum")
    ada.refresh_from_db()
    assert ada.name == "x"


def test_redact_only_shows_with_dry_run(ada: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    forbid(monkeypatch)
    told = audittrail(
        "redact", "testapp_customer", "--field", "__all__", "--all", "--dry-run", *REASON
    )
    assert "testapp_customer: email, name, vip in 2 versions of 1 row" in told
    assert "still holds something else than the replacement in 1 row" in told
    assert emails() == ["ada@example.org", ""]


def test_redact_finds_rows_by_what_they_once_held(ada: Customer) -> None:
    Customer.objects.create(name="Grace", email="grace@example.org")
    ada.delete()
    audittrail(
        "redact", "testapp.Customer", "--field", "email", "--filter", "email=ada@example.org", "--noinput", *REASON
    )  # fmt: skip
    assert emails() == [None, None, "grace@example.org", None]


def test_redact_of_a_users_revisions() -> None:
    user = User.objects.create_user("ada")
    with history.context(user=user, path="/ada/"):
        Tag.objects.create(name="a")
    revision = Revision.objects.by_user(user).get()
    told = audittrail(
        "redact", "audittrail.Revision", "--user", str(user.pk), "--field", "committed_by", "--field", "context__path",
        "--noinput", *REASON,
    )  # fmt: skip
    assert told == "revision: 1 version of 1 row redacted.\n"
    revision.refresh_from_db()
    assert (revision.committed_by_id, revision.context) == (None, {})


def test_redact_of_composite_keys(answer: Callable[[str], None]) -> None:
    with pytest.raises(CommandError, match=r"no row of testapp\.OrderLine that matches \['5,2'\]"):
        audittrail("redact", "testapp.OrderLine", "--field", "quantity=1", "--pk", "5,2", *REASON)
    with pytest.raises(CommandError, match="a primary key here has 2 values"):
        audittrail("redact", OrderLine._meta.label, "--field", "quantity=1", "--pk", "5", *REASON)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["testapp.Customer", "--all", *REASON], "required: --field"),
        (["testapp.Customer", "--all", "--field", "email"], "required: --reason"),
        (["testapp.Customer", "--field", "email", *REASON], "one of the arguments --pk --filter --user --all is required"),
        (["testapp.Customer", "--field", "email", "--all", "--pk", "1", *REASON], "not allowed with"),
        (["nowhere", "--field", "email", "--all", *REASON], "no history of 'nowhere'"),
        (["nowhere", "--field", "email", "--filter", "a=b", *REASON], "is not a model of this project"),
        (["testapp.Customer", "--field", "email", "--user", "1", *REASON], "goes with audittrail.Revision"),
        (["testapp.Customer", "--field", "email", "--filter", "nothing=1", *REASON], r"--filter 'nothing=1' can't be understood: Cannot resolve"),
        (["testapp.Customer", "--field", "email", "--filter", "vip=maybe", *REASON], "can't be understood: “maybe” value must be .*[^.]\\.$"),
        (["testapp.Customer", "--field", "email", "--filter", "email", *REASON], "--filter 'email' has no value; write NAME=VALUE"),
        (["audittrail.Revision", "--field", "reason", "--user", "ada", *REASON], "--user 'ada' can't be understood as a primary key of a user"),
        (["testapp.Customer", "--field", "id", "--all", *REASON], "part of the primary key"),
    ],
)  # fmt: skip
def test_redact_refuses_bad_arguments(arguments: list[str], message: str) -> None:
    with pytest.raises(CommandError, match=message):
        audittrail("redact", *arguments)


@pytest.fixture
def orders() -> list[Order]:
    """Give orders whose details hold a number, the same as text, and neither."""
    ada = Customer.objects.create(name="Ada")
    return [
        Order.objects.create(customer=ada, reference=f"p{number}", details=details)
        for number, details in enumerate(({"n": 5, "tag": "x"}, {"n": "5"}, {"n": 6}, {}))
    ]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (["details__n=5"], {"p0", "p1"}),
        (['details__n="5"'], {"p1"}),
        (["details__n=6"], {"p2"}),
        (["details__n__gt=5"], {"p2"}),
        (["details__tag=x"], {"p0"}),
        (["details__tag__icontains=X"], {"p0"}),
        (["details__has_key=n"], {"p0", "p1", "p2"}),
        (['details__contains={"n": 5}'], {"p0"}),
        (["details={}"], {"p3"}),
        (["details__n=5", "reference=p1"], {"p1"}),
        (["reference=p0", "reference=p1"], set()),
    ],
)
def test_filters_of_json_take_numbers_and_text(
    orders: list[Order], filters: list[str], expected: set[str]
) -> None:
    found = filtered(Order.objects.all(), filters)
    assert set(found.values_list("reference", flat=True)) == expected


def test_redact_finds_a_number_in_json(orders: list[Order]) -> None:
    told = audittrail(
        "redact", "testapp.Order", "--filter", "details__n=6", "--field", "reference=gone", "--live",
        "--noinput", *REASON,
    )  # fmt: skip
    assert told.startswith("testapp_order: 1 version of 1 row redacted, and 1 live row overwritten")
    orders[2].refresh_from_db()
    assert orders[2].reference == "gone"


@pytest.mark.parametrize("arguments", [["--noinput"], ["--dry-run"], []])
@pytest.mark.parametrize(
    "chosen",
    [
        ["testapp.Customer", "--filter", "email=nobody@example.org"],
        ["testapp.Customer", "--pk", "123456789"],
        ["testapp_customer", "--pk", "123456789"],
        ["audittrail.Revision", "--user", "123456789"],
        ["audittrail.Revision", "--filter", "reason=Never said"],
    ],
)
def test_redact_tells_a_choice_that_matches_nothing(
    chosen: list[str], arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid(monkeypatch)
    field = "reason" if chosen[0] == "audittrail.Revision" else "email"
    before = Revision.objects.count()
    with pytest.raises(CommandError, match="so nothing was redacted") as error:
        audittrail("redact", *chosen, "--field", field, *arguments, *REASON)
    assert error.value.returncode == NOTHING_MATCHED
    assert repr(chosen[2]) in str(error.value) or chosen[1] == "--user"
    assert Revision.objects.count() == before


def test_redact_again_is_no_error(orders: list[Order]) -> None:
    arguments = [
        "redact",
        "testapp.Order",
        "--all",
        "--field",
        "details",
        "--live",
        "--noinput",
        *REASON,
    ]
    arguments[4] = "details={}"
    audittrail(*arguments)
    assert "0 versions of 0 rows redacted" in audittrail(*arguments)
