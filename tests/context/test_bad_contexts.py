"""What no revision could record is refused at once, with the value and what to do instead."""

from __future__ import annotations

import datetime
import decimal
import uuid
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Group, User
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext_lazy

from audittrail.exceptions import AuditTrailError, ContextError
from audittrail.revisions.context import comment, context
from tests.context.probes import said


def entered(**arguments: Any) -> dict[str, Any]:
    """Return what a context with these arguments says."""
    with context(**arguments):
        return said(f"{comment()}SELECT 1") or {}


def user(pk: Any) -> User:
    made = User(pk=pk, username="ann")
    made._state.adding = False
    return made


@pytest.mark.parametrize("reason", [5, b"bytes", ["list"], object()])
def test_a_reason_must_be_text(reason: object) -> None:
    with pytest.raises(ContextError, match="reason of a context must be a string") as error:
        context(reason=reason)
    assert repr(reason) in str(error.value)
    assert isinstance(error.value, AuditTrailError)


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [object(), {1, 2}, b"bytes", float("nan"), float("inf"), {("a", 1): 2}, nested(200_000)],
    ids=["object", "set", "bytes", "nan", "inf", "tuple key", "too deep"],
)
def test_metadata_must_be_json(value: object) -> None:
    with pytest.raises(ContextError, match="'thing' can't be written as JSON"):
        entered(thing=value)
    assert comment() == ""


def test_metadata_may_not_use_names_that_are_kept() -> None:
    with pytest.raises(ContextError, match="'audittrail_x' has a reserved name"):
        context(audittrail_x=1)


@pytest.mark.parametrize("key", ["abc", "", True, 2.5, object(), 10**30, uuid.uuid4(), ()])
def test_a_user_must_be_one_of_this_site(key: object) -> None:
    with pytest.raises(ContextError, match="user of a context") as error:
        entered(user=key)
    text = str(error.value)
    assert repr(key) in text
    assert text.endswith(". Give an object of auth.User, its primary key, or None.")
    assert ".." not in text


def test_an_object_of_another_model_is_no_user() -> None:
    with pytest.raises(ContextError, match=r"must be an object of auth\.User, not Group 1"):
        entered(user=Group(pk=1))


def test_what_turns_out_to_be_no_user_when_somebody_writes_is_kept_as_text() -> None:
    assert entered(user=lambda: Group(pk=1, name="red")) == {"audittrail_user": "<Group: red>"}
    assert entered(user=lambda: "ada", reason="why") == {
        "audittrail_user": "'ada'",
        "reason": "why",
    }


@pytest.mark.parametrize(
    "nobody",
    [None, AnonymousUser(), User(), User(pk=5), SimpleLazyObject(AnonymousUser), lambda: None],
    ids=["None", "anonymous", "new", "new with a key", "lazily anonymous", "callable"],
)
def test_anonymous_and_unsaved_users_are_nobody(nobody: object) -> None:
    assert entered(user=nobody) == {}


@pytest.mark.parametrize(
    "given",
    [5, "5", user(5), SimpleLazyObject(lambda: user(5)), SimpleLazyObject(lambda: 5), lambda: "5"],
    ids=["key", "key as text", "user", "lazy user", "lazy key", "callable"],
)
def test_a_user_can_be_given_in_every_form(given: object) -> None:
    assert entered(user=given) == {"user": "5"}


def test_a_user_saved_within_the_context_counts_from_then_on() -> None:
    new = User(username="ann")
    with context(user=new, reason="sign up"):
        assert said(f"{comment()}SELECT 1") == {"reason": "sign up"}
        new.pk, new._state.adding = 9, False
        assert said(f"{comment()}SELECT 1") == {"user": "9", "reason": "sign up"}


def test_metadata_takes_what_django_can_write_as_json() -> None:
    key = uuid.uuid4()
    assert entered(
        reason=gettext_lazy("Home"),
        lazy=gettext_lazy("Home"),
        deep=[gettext_lazy("Home"), {"when": datetime.date(2024, 2, 29)}],
        key=key,
        amount=decimal.Decimal("1.20"),
        moment=datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=datetime.UTC),
        number=2**70,
        nothing=None,
        flag=False,
    ) == {
        "reason": "Home",
        "lazy": "Home",
        "deep": ["Home", {"when": "2024-02-29"}],
        "key": str(key),
        "amount": "1.20",
        "moment": "2024-01-02T03:04:05Z",
        "number": 2**70,
        "nothing": None,
        "flag": False,
    }


@pytest.mark.parametrize("thing", [User, 5, None])
def test_only_functions_are_decorated(thing: Any) -> None:
    with pytest.raises(ContextError, match="can decorate functions and methods, not"):
        context(reason="x")(thing)
