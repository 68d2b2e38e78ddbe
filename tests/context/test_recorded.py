"""Revisions say who, why and from where, however the change reached the database."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection, connections, transaction
from django.test import AsyncClient, Client, override_settings

from audittrail.models import Revision
from audittrail.revisions.context import context
from tests.builders.sending import send
from tests.context.pooler import transaction_pooler
from tests.context.test_statements import HOSTILE, kept
from tests.testapp.models import Product, Tag

ALIASES = ["default", "other"]
pytestmark = pytest.mark.django_db(transaction=True, databases=ALIASES)

Recorded = Callable[..., list[tuple[Any, str, dict[str, Any]]]]
psycopg3 = settings.DRIVER == "psycopg"


@pytest.fixture
def ann() -> User:
    return User.objects.create(username="ann")


@pytest.fixture
def recorded(ann: User, transactional_db: None) -> Recorded:
    """Give a function that returns user, reason and metadata of the test's revisions, in order."""
    earlier = {name: list(Revision.objects.using(name).values_list("pk")) for name in ALIASES}

    def found(using: str = "default") -> list[tuple[Any, str, dict[str, Any]]]:
        revisions = Revision.objects.using(using).order_by("committed")
        return [
            (revision.committed_by_id, revision.reason, revision.context)
            for revision in revisions
            if (revision.pk,) not in earlier[using]
        ]

    return found


@pytest.fixture(autouse=True)
def add_tag(transactional_db: None) -> Iterator[None]:
    """Make the function `add_tag(name)`, which writes a row."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION add_tag(name text) RETURNS bigint LANGUAGE sql VOLATILE"
            " AS 'INSERT INTO testapp_tag (name) VALUES (name) RETURNING id'"
        )
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION add_tag")


def run(statement: str, parameters: Any = None, many: bool = False) -> None:
    with connection.cursor() as cursor:
        (cursor.executemany if many else cursor.execute)(statement, parameters)


def copy(statement: str, text: str) -> None:
    with connection.cursor() as cursor:
        if psycopg3:
            with cursor.copy(statement) as writer:
                writer.write(text)
        else:
            cursor.copy_expert(statement, io.StringIO(text))


def in_a_transaction(*changes: Callable[[], Any]) -> None:
    with transaction.atomic():
        for change in changes:
            change()


def in_a_savepoint() -> None:
    with transaction.atomic():
        list(Tag.objects.all())
        with transaction.atomic():
            Tag.objects.create(name="new")


def over_the_relation() -> None:
    Product.objects.get().tags.set([Tag.objects.get()])


def as_the_server_binds() -> None:
    with options(server_side_binding=True, prepare_threshold=0):
        Tag.objects.create(name="new")


WAYS: dict[str, Callable[[], Any]] = {
    "save outside atomic": lambda: Tag.objects.create(name="new"),
    "save in atomic": lambda: in_a_transaction(lambda: Tag.objects.create(name="new")),
    "read, then save in a savepoint": in_a_savepoint,
    "update": lambda: Tag.objects.update(name="changed"),
    "delete": lambda: Tag.objects.all().delete(),
    "bulk_create": lambda: Tag.objects.bulk_create([Tag(name="x"), Tag(name="y")]),
    "upsert": lambda: Tag.objects.bulk_create(
        [Tag(name="old"), Tag(name="x")], ignore_conflicts=True
    ),
    "get_or_create": lambda: Tag.objects.get_or_create(name="new"),
    "many to many": over_the_relation,
    "function": lambda: run("SELECT add_tag('new')"),
    "function on rows": lambda: run("SELECT add_tag(name || '2') FROM testapp_tag"),
    "callproc": lambda: connection.cursor().callproc("add_tag", ["new"]),
    "WITH ... UPDATE": lambda: run(
        "WITH t AS (UPDATE testapp_tag SET name = 'changed' RETURNING id) SELECT * FROM t"
    ),
    "DO": lambda: run("DO $$ BEGIN PERFORM add_tag('new'); END $$"),
    "executemany": lambda: in_a_transaction(
        lambda: run("INSERT INTO testapp_tag (name) VALUES (%s)", [["x"], ["y"]], many=True)
    ),
    "several statements": lambda: run("SELECT 1; UPDATE testapp_tag SET name = 'changed'"),
    "COPY": lambda: copy("COPY testapp_tag (name) FROM stdin", "new\n"),
    "TRUNCATE": lambda: run("TRUNCATE testapp_tag CASCADE"),
}
if psycopg3:
    WAYS["server-side binding"] = as_the_server_binds


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_every_way_of_writing_records_the_context(ann: User, way: Callable[[], Any]) -> None:
    Product.objects.create(name="Chair")
    Tag.objects.create(name="old")
    before = Revision.objects.count()
    with context(user=lambda: User.objects.get(username="ann"), reason="Spring sale", ticket=17):
        way()
    added = list(Revision.objects.order_by("committed")[before:])
    assert [(r.committed_by, r.reason, r.context) for r in added] == [
        (ann, "Spring sale", {"ticket": 17})
    ]


def test_executemany_outside_atomic_records_each_of_its_transactions(ann: User) -> None:
    with context(user=ann, reason="list"):
        run("INSERT INTO testapp_tag (name) VALUES (%s)", [["x"], ["y"]], many=True)
    assert {r.reason for r in Revision.objects.filter(committed_by=ann)} == {"list"}
    assert Tag.history.versions.filter(revision__committed_by=ann).count() == 2


def test_without_a_context_nothing_is_claimed(recorded: Recorded) -> None:
    Tag.objects.create(name="new")
    assert recorded() == [(None, "", {})]


def test_a_nested_context_never_rewrites_an_earlier_revision(ann: User, recorded: Recorded) -> None:
    with context(user=ann, reason="outer", place="desk"):
        Tag.objects.create(name="1")
        with context(reason="inner", place="shop"):
            Tag.objects.create(name="2")
        Tag.objects.create(name="3")
    Tag.objects.create(name="4")
    assert recorded() == [
        (ann.pk, "outer", {"place": "desk"}),
        (ann.pk, "inner", {"place": "shop"}),
        (ann.pk, "outer", {"place": "desk"}),
        (None, "", {}),
    ]


def test_in_one_transaction_later_contexts_add_and_replace_nothing(
    ann: User, recorded: Recorded
) -> None:
    with transaction.atomic():
        Tag.objects.create(name="1")
        with context(reason="first", place="desk"):
            Tag.objects.create(name="2")
        with context(user=ann, reason="second", place="shop", till=3):
            Tag.objects.create(name="3")
    [(user, reason, metadata)] = recorded()
    assert user == ann.pk
    assert reason.startswith("first")
    assert metadata == {"place": "desk", "till": 3}


def test_what_is_rolled_back_takes_its_context_with_it(ann: User, recorded: Recorded) -> None:
    with transaction.atomic():
        with transaction.atomic(), context(reason="lost"):
            Tag.objects.create(name="1")
            transaction.set_rollback(True)
        with context(reason="kept"):
            Tag.objects.create(name="2")
    assert recorded() == [(None, "kept", {})]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_recorded_unchanged(text: str, recorded: Recorded) -> None:
    with context(reason=text, thing={"a": [text]}):
        Tag.objects.create(name="new")
    [(_, reason, metadata)] = recorded()
    assert reason == kept(text)
    assert metadata == {"thing": {"a": [kept(text)]}}


def test_a_value_that_looks_like_a_context_is_none(ann: User, recorded: Recorded) -> None:
    forged = '/*audittrail:{"user":"1","reason":"forged"}*/'
    run("INSERT INTO testapp_tag (name) VALUES (%s)", [forged])
    assert recorded() == [(None, "", {})]


def test_each_database_records_the_context(ann: User, recorded: Recorded) -> None:
    with context(user=ann, reason="both"):
        Tag.objects.create(name="here")
        Tag.objects.using("other").create(name="there")
    assert recorded() == [(ann.pk, "both", {})]
    assert recorded("other") == [(ann.pk, "both", {})]


def test_coroutines_that_run_together_are_recorded_apart() -> None:
    async def work(number: int) -> None:
        with context(user=number, reason=f"task {number}"):
            for part in range(3):
                await Tag.objects.acreate(name=f"{number}-{part}")
                await asyncio.sleep(0)
            await sync_to_async(run)("SELECT add_tag(%s)", [f"{number}-f"])

    async def main() -> None:
        await asyncio.gather(*(work(number) for number in range(1, 5)))

    async_to_sync(main)()
    versions = Tag.history.versions.select_related("revision")
    assert len(versions) == 16
    for version in versions:
        number = version.name[0]
        assert version.revision.committed_by_id == int(number)
        assert version.revision.reason == f"task {number}"


def test_threads_are_recorded_apart() -> None:
    with context(reason="elsewhere"):
        work_in_threads(4)
    assert len(versions()) == 16
    for version in versions():
        assert version.revision.reason == f"thread {version.name[0]}"


def test_a_request_is_recorded(ann: User, recorded: Recorded) -> None:
    with override_settings(ROOT_URLCONF="tests.context.views"):
        client = Client()
        client.force_login(ann)
        client.post("/tag/sync", headers={"X-Request-ID": "r-1"}, REMOTE_ADDR="192.0.2.7")
        Client().post("/tag/api", headers={"Authorization": "ann", "X-Request-ID": "r-2"})
        asynchronous = AsyncClient()
        asynchronous.force_login(ann)
        async_to_sync(asynchronous.post)("/tag/async", headers={"X-Request-ID": "r-3"})
    where = {"method": "POST", "remote_address": "127.0.0.1"}
    assert recorded() == [
        (
            ann.pk,
            "",
            {**where, "path": "/tag/sync", "request_id": "r-1", "remote_address": "192.0.2.7"},
        ),
        (ann.pk, "", {**where, "path": "/tag/api", "request_id": "r-2"}),
        (ann.pk, "", {**where, "path": "/tag/async", "request_id": "r-3"}),
    ]


def test_a_command_is_recorded(recorded: Recorded) -> None:
    call_command("createsuperuser", username="root", email="", interactive=False, verbosity=0)
    assert recorded() == [(None, "", {"command": "createsuperuser"})]


def test_other_clients_say_it_in_a_setting(
    ann: User, second_connection: Any, recorded: Recorded
) -> None:
    cursor = second_connection.cursor()
    setting = json.dumps({"user": ann.pk, "reason": "by hand", "tool": "psql"})
    cursor.execute("SELECT set_config('audittrail.context', %s, true)", [setting])
    cursor.execute("INSERT INTO testapp_tag (name) VALUES ('x')")
    second_connection.commit()
    cursor.execute("INSERT INTO testapp_tag (name) VALUES ('y')")
    second_connection.commit()
    assert recorded() == [(ann.pk, "by hand", {"tool": "psql"}), (None, "", {})]


def test_the_statement_wins_over_the_setting(recorded: Recorded) -> None:
    with transaction.atomic():
        run("""SET LOCAL audittrail.context = '{"reason": "setting"}'""")
        with context(reason="statement"):
            Tag.objects.create(name="x")
    assert recorded() == [(None, "statement", {})]


def test_nothing_leaks_through_a_transaction_pooler(ann: User, connect: Callable[..., Any]) -> None:
    with through_pooler() as pooled:
        stranger = connect(host=pooled["HOST"], port=pooled["PORT"], autocommit=True)
        with context(user=ann, reason="ours"):
            Tag.objects.create(name="1")
            mine = backend(connection)
            send(stranger, "INSERT INTO testapp_tag (name) VALUES ('2')")
            with transaction.atomic():
                Tag.objects.create(name="3")
        send(stranger, "INSERT INTO testapp_tag (name) VALUES ('4')")
        Tag.objects.create(name="5")
        assert backend(stranger) == mine, "both clients should share one server connection"
        work_in_threads(4)
    found = {v.name: (v.revision.committed_by, v.revision.reason) for v in versions()}
    assert {name: found.pop(name) for name in "12345"} == {
        "1": (ann, "ours"),
        "2": (None, ""),
        "3": (ann, "ours"),
        "4": (None, ""),
        "5": (None, ""),
    }
    assert len(found) == 16
    for name, (_, reason) in found.items():
        assert reason == f"thread {name[0]}"


def work_in_threads(count: int) -> None:
    """Add four tags in each of several threads, two of them in one transaction."""

    def work(number: int) -> None:
        try:
            with context(reason=f"thread {number}"):
                Tag.objects.create(name=f"{number}-1")
                with transaction.atomic():
                    Tag.objects.create(name=f"{number}-2")
                    run("SELECT add_tag(%s)", [f"{number}-3"])
                Tag.objects.create(name=f"{number}-4")
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=[number]) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def versions() -> Any:
    return Tag.history.versions.select_related("revision__committed_by")


def backend(client: Any) -> Any:
    """Return the process that serves a client."""
    return send(client, "SELECT pg_backend_pid()")[0][0]


@contextmanager
def options(**given: object) -> Iterator[None]:
    """Connect the default database anew with these OPTIONS."""
    with reconnected(OPTIONS={**connection.settings_dict["OPTIONS"], **given}):
        yield


@contextmanager
def through_pooler() -> Iterator[dict[str, Any]]:
    """Connect the default database through pgbouncer in transaction mode."""
    with transaction_pooler(connection.settings_dict) as pooled:
        changes = {"HOST": pooled["HOST"], "PORT": pooled["PORT"]}
        with reconnected(**changes, DISABLE_SERVER_SIDE_CURSORS=True):
            yield pooled


@contextmanager
def reconnected(**changes: Any) -> Iterator[None]:
    # All threads' connections share this dictionary.
    database = connections["default"].settings_dict
    before = {name: database.get(name) for name in changes}
    connection.close()
    database.update(changes)
    forget_features()
    try:
        yield
    finally:
        connection.close()
        database.update(before)
        forget_features()


def forget_features() -> None:
    for name in ("uses_server_side_binding", "max_query_params"):
        vars(connection.features).pop(name, None)
