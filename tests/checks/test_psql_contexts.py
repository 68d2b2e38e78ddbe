"""What psql says with the settings of audittrail is taken, or refused in words that explain themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.utils import Error

from audittrail import history
from audittrail.models import Revision
from audittrail.testing import close_revision
from tests.testapp.models import Tag

pytestmark = pytest.mark.django_db


@pytest.fixture
def warnings_of() -> Any:
    """Give a block whose value is what the server warns of within it."""

    @contextmanager
    def warned(connection: Any) -> Iterator[list[str]]:
        connection.ensure_connection()
        raw: Any = connection.connection
        told: list[str] = []
        if hasattr(raw, "notices"):  # psycopg2
            del raw.notices[:]
            yield told
            told.extend(raw.notices)
        else:

            def note(diagnostic: Any) -> None:
                told.append(f"{diagnostic.message_primary}\nHINT:  {diagnostic.message_hint}")

            raw.add_notice_handler(note)
            try:
                yield told
            finally:
                raw.remove_notice_handler(note)

    return warned


#: Reads JSON as PostgreSQL does, with numbers of any size.
exactly = partial(json.loads, parse_float=Decimal, parse_int=Decimal)


def say(context: str, *, local: bool = True) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('audittrail.context', %s, %s)", [context, local])


def create_tag() -> Revision:
    """Write as psql does, without a context from Python."""
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO testapp_tag (name) VALUES (%s)", [uuid4().hex])
    revision = close_revision()
    assert revision is not None
    return revision


@pytest.mark.parametrize("context", ["", "{}", '{"user": null}', '{"reason": null}', " {} "])
def test_a_context_may_say_nothing(context) -> None:
    say(context)
    revision = create_tag()
    assert (revision.committed_by, revision.reason, revision.context) == (None, "", {})


def test_a_context_says_who_why_and_more() -> None:
    ada = User.objects.create(username="ada")
    close_revision()
    say(f'{{"user": {ada.pk}, "reason": "clean\\u00fcp", "ticket": {{"id": [17]}}}}')
    revision = create_tag()
    assert revision.committed_by == ada
    assert revision.reason == "cleanüp"
    assert revision.context == {"ticket": {"id": [17]}}


def test_a_user_may_be_a_string_or_not_exist() -> None:
    say('{"user": "987654321"}')
    revision = create_tag()
    assert (revision.committed_by, revision.committed_by_id) == (None, 987654321)


@pytest.mark.parametrize(
    "context",
    ["garbage", "1", "null", "[]", '"text"', "{", '{"user": 1', "{'user': 1}", '{"a": "\\u0000"}', "x" * 10000],
)  # fmt: skip
def test_a_context_that_is_no_object_is_kept_as_text(context, warnings_of) -> None:
    say(context)
    with warnings_of(connection) as told:
        revision = create_tag()
    assert (revision.committed_by_id, revision.reason) == (None, "")
    assert revision.context == {"audittrail_context": context}
    (text,) = set(told)
    assert (
        f"audittrail: the context of this statement is not a JSON object: {context[:200]}" in text
    )
    assert 'HINT:  Set audittrail.context to an object such as {"user": 1, "reason": "..."}' in text
    assert len(text) < 2000


@pytest.mark.parametrize(
    "user",
    ['"ada"', "1.5", "true", "[1]", '{"id": 1}', '""', '" "', "1e400", "99999999999999999999999", '"1; DROP TABLE x"'],
)  # fmt: skip
def test_a_user_that_is_no_key_is_kept_as_text(user, warnings_of) -> None:
    say(f'{{"user": {user}, "reason": "told", "more": 1}}')
    with warnings_of(connection) as told:
        revision = create_tag()
    assert (revision.committed_by_id, revision.reason) == (None, "told")
    assert revision.context["more"] == 1
    value, kept = exactly(user), revision.context["audittrail_user"]
    assert (kept if isinstance(value, str) else exactly(kept)) == value
    (text,) = set(told)
    assert "audittrail: the user " in text
    assert "is not a key of the user model" in text
    assert "HINT:  Give the primary key of a user, or no user." in text


def test_reads_and_writes_without_effect_do_not_mind_a_bad_context() -> None:
    say("garbage")
    assert not Tag.objects.filter(name="none").exists()
    Tag.objects.filter(name="none").update(name="nobody")
    Tag.objects.filter(name="none").delete()


def test_the_context_of_python_wins() -> None:
    say("garbage")
    with history.context(reason="from Python"):
        Tag.objects.create(name="red")
        revision = close_revision()
    assert revision is not None and revision.reason == "from Python"


def test_a_context_that_comes_later_in_the_transaction_is_kept_too(warnings_of) -> None:
    Tag.objects.create(name="red")
    say('{"user": "ada", "reason": "late"}')
    with warnings_of(connection) as told:
        Tag.objects.create(name="blue")
    assert any("is not a key of the user model" in text for text in told)
    revision = close_revision()
    assert revision is not None
    assert (revision.reason, revision.context) == ("late", {"audittrail_user": "ada"})


@pytest.mark.parametrize("value", ["garbage", "0", "-1", "1e5", "9" * 18, "9" * 30, "1; x", " "])
@pytest.mark.parametrize(
    "setting", ["revision", "applied", "nested", "unguarded", "reworked", "probe", "editing"]
)
def test_our_own_settings_set_by_somebody_else_break_no_write(setting, value) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config(%s, %s, true)", [f"audittrail.{setting}", value])
    Tag.objects.create(name="red")
    Tag.objects.update(name="blue")
    Tag.objects.all().delete()
    versions = Tag.history.versions.in_order().select_related("revision")
    assert [version.operation for version in versions] == ["I", "U", "D"]
    assert len({version.revision for version in versions}) == 1


def test_a_number_of_another_revision_is_not_believed() -> None:
    first = create_tag()
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('audittrail.revision', '1', true)")
    second = create_tag()
    assert second.pk > first.pk


@pytest.mark.parametrize("asked", ["asked", "answered"])
@pytest.mark.django_db(transaction=True)
def test_no_setting_keeps_a_revision_from_its_place_in_commit_order(
    second_connection, asked
) -> None:
    cursor = second_connection.cursor()
    cursor.execute(f"SET audittrail.probe = '{asked}'")
    cursor.execute("INSERT INTO testapp_tag (name) VALUES ('red')")
    second_connection.commit()
    assert Revision.objects.get().committed is not None


def test_errors_of_ours_name_the_product() -> None:
    with pytest.raises(Error, match=r"^audittrail: history cannot be changed") as caught:
        Tag.objects.create(name="red").history.versions.update(name="blue")
    assert "HINT:  To correct history on purpose" in str(caught.value)
