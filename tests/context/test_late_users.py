"""A user who is not known yet is looked for before the first write, and never for a read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection, transaction
from django.db.models import Count
from django.db.models.functions import Upper
from django.test.utils import CaptureQueriesContext
from django.utils.functional import SimpleLazyObject

from audittrail.revisions.context import context
from audittrail.revisions.cursors import changes_nothing
from tests.context.probes import Log, arriving

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ann() -> User:
    return User.objects.create(username="ann")


def unexpected() -> Any:
    raise AssertionError("the user was looked for")


READS: dict[str, Callable[[], Any]] = {
    "list": lambda: list(User.objects.filter(pk__in=[1, 2])),
    "count": lambda: User.objects.count(),
    "exists": lambda: User.objects.filter(username="x").exists(),
    "functions": lambda: list(User.objects.annotate(loud=Upper("username"))),
    "aggregate": lambda: User.objects.values("username").annotate(n=Count("groups"))[0],
    "union": lambda: list(User.objects.order_by("pk")[:1].union(User.objects.order_by("pk")[:2])),
    "iterator": lambda: list(User.objects.iterator(chunk_size=1)),
    "locking": lambda: transaction.atomic(lambda: list(User.objects.select_for_update()))(),
    "get_or_create": lambda: User.objects.get_or_create(username="ann"),
    "health check": lambda: connection.is_usable(),
    "savepoints": lambda: transaction.atomic(transaction.atomic(lambda: None))(),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_reading_never_looks_for_the_user(ann: User, read: Callable[[], Any]) -> None:
    with context(user=unexpected):
        read()
    with context(user=SimpleLazyObject(unexpected)):
        read()


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT take_note('x')",
        "select TAKE_NOTE('x')",
        "/* FROM \"x\" */ -- (\n SELECT take_note('x')",
        "SELECT 1; SELECT take_note('x')",
        "WITH w AS (INSERT INTO log (note) VALUES ('x')) SELECT 1",
        "INSERT INTO log (note) VALUES ('x')",
        "DO $$ BEGIN PERFORM take_note('x'); END $$",
        "EXPLAIN (ANALYZE, COSTS OFF) INSERT INTO log (note) VALUES ('x')",
        "COPY (SELECT take_note('x')) TO '/dev/null'",
    ],
)
def test_whatever_may_write_names_the_user(ann: User, log: Log, statement: str) -> None:
    with context(user=lambda: ann), connection.cursor() as cursor:
        cursor.execute(statement)
    assert log() == [("x", {"user": str(ann.pk)})]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ('SELECT "a"."b" FROM "a" WHERE f("a"."b")', True),
        ('  (SELECT 1 FROM "a") UNION (SELECT 2 FROM "b")', True),
        ("/* f() */ -- x\nSELECT 1", True),
        ('/* FROM "a" */ SELECT f(1)', False),
        ("SELECT 1; DELETE FROM a", False),
        ("SELECT 1;\n", True),
        ("select a from b", True),
        ("SELECT f(1)", False),
        ('SELECT * FROM "f"(1)', False),
        ('SELECT * FROM "s"."f ""x"(1)', False),
        ('SELECT f(1) FROM "s"."f ""x" WHERE (1)', True),
        ('SELECT COUNT(*) FROM (SELECT 1 FROM "a") subquery', True),
        ("SELECT f(1) FROM a", False),
        ("VALUES (f(1))", False),
        ('INSERT INTO "a" SELECT 1 FROM "b"', False),
        ('WITH x AS (DELETE FROM "a") SELECT 1 FROM "b"', False),
        ("CALL p()", False),
        ("ROLLBACK TO SAVEPOINT x", True),
        ("set time zone 'UTC'", True),
        ("", False),
        ("/* never closed", False),
        ("(" * 10_000, False),
    ],
)
def test_reads_are_told_from_what_may_write(statement: str, expected: bool) -> None:
    assert changes_nothing(statement) is expected


def test_the_orm_writes_in_the_name_of_the_user(ann: User) -> None:
    with context(user=SimpleLazyObject(lambda: User.objects.get(username="ann"))):
        with CaptureQueriesContext(connection) as first:
            Group.objects.create(name="first")
        with CaptureQueriesContext(connection) as second:
            Group.objects.create(name="second")
    assert len(first) == 2 and "auth_user" in first[0]["sql"]
    assert len(second) == 1


def test_a_user_who_is_known_is_named_by_reads_as_well(ann: User) -> None:
    lazy = SimpleLazyObject(lambda: ann)
    assert lazy.username == "ann"
    with context(user=lazy):
        assert arriving() == {"user": str(ann.pk)}


def test_a_callable_is_asked_once_for_each_context(ann: User) -> None:
    asked = []

    def find() -> User:
        asked.append(1)
        return ann

    @context(user=find)
    def work() -> None:
        arriving()
        arriving()

    work()
    assert len(asked) == 1
    work()
    assert len(asked) == 2


def test_looking_for_the_user_may_write_and_does_not_look_again(ann: User, log: Log) -> None:
    def find() -> User:
        with connection.cursor() as cursor:
            cursor.execute("SELECT take_note('looking')")
        return User.objects.get(username="ann")

    with context(user=find, reason="why"), connection.cursor() as cursor:
        cursor.execute("SELECT take_note('found')")
    assert log() == [
        ("looking", {"reason": "why"}),
        ("found", {"user": str(ann.pk), "reason": "why"}),
    ]


def test_an_error_while_looking_is_the_callers_to_see(log: Log) -> None:
    def find() -> User:
        raise LookupError("no such token")

    with context(user=find), connection.cursor() as cursor:
        with pytest.raises(LookupError, match="no such token"):
            cursor.execute("SELECT take_note('x')")
        assert User.objects.count() == 0
    assert log() == []
