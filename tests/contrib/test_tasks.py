"""Tasks: the revision says which one ran, and for whom and why it was sent, in another thread or process, and later."""

from __future__ import annotations

import asyncio
import json
from contextvars import Context
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import dramatiq
import pytest
from celery.worker.request import Request
from django.contrib.auth.models import User
from django.db import connections
from django.utils.functional import SimpleLazyObject
from fakeredis import FakeStrictRedis
from rq import Queue

from audittrail import history
from audittrail.contrib.tasks.rq_jobs import RecordedJob
from audittrail.models import Revision
from audittrail.revisions.context import active
from tests.contrib import work
from tests.testapp.models import Tag

pytestmark = pytest.mark.django_db(transaction=True)

PACKAGES = [name for name in ("django.tasks", "django_tasks") if find_spec(name)]


@pytest.fixture
def ada() -> User:
    return User.objects.create(username="ada")


def revision_of(name: str) -> Revision:
    """Return the revision in which a tag was written."""
    found: Revision = Tag.history.versions.get(name=name).revision
    return found


def elsewhere(function: Any, *arguments: Any) -> Any:
    """Call a function as another process would: without the context of the caller."""
    return Context().run(function, *arguments)


class Waiting:
    """A queue of django.tasks: what is sent is kept as JSON has it, and run when `work` is called."""

    def __init__(self, package: str) -> None:
        self.base: Any = import_module(f"{package}.base")
        self.immediate: Any = import_module(f"{package}.backends.immediate").ImmediateBackend
        self.sent: list[Any] = []

    def task(self, function: Any) -> Any:
        """Return the task of a function, whose backend this is."""
        made = import_module(package_of(self.base)).task(function)
        backend = made.get_backend()
        waiting = self

        class Keeping(type(backend)):  # type: ignore[misc]
            def _execute_task(self, task_result: Any) -> None:
                kept = json.loads(json.dumps(task_result.kwargs))
                waiting.sent.append(replace(task_result, kwargs=kept))

        backend.__class__ = Keeping
        self.undo = lambda: setattr(backend, "__class__", self.immediate)
        return made

    def work(self) -> None:
        """Run what was sent."""
        for result in self.sent:
            elsewhere(self.immediate("default", {})._execute_task, result)
        self.sent.clear()


def package_of(base: Any) -> str:
    return str(base.__name__.rpartition(".")[0])


@pytest.fixture(params=PACKAGES)
def waiting(request: pytest.FixtureRequest) -> Any:
    made = Waiting(request.param)
    yield made
    made.undo()


def test_django_tasks(waiting: Waiting, ada: User) -> None:
    task = waiting.task(work.add_tag)
    with history.context(user=ada, reason="Stocktaking", ticket=17):
        result = task.enqueue(name="red")
        asyncio.run(task.aenqueue("blue", fails=True))
    task.enqueue("green")
    assert result.kwargs == {"name": "red"}
    waiting.work()
    for name in ("red", "blue"):
        revision = revision_of(name)
        assert (revision.committed_by, revision.reason) == (ada, "Stocktaking")
        assert revision.context.keys() == {"task", "task_id"}
    assert revision_of("red").context == {
        "task": "tests.contrib.work.add_tag",
        "task_id": result.id,
    }
    green = revision_of("green")
    assert (green.committed_by, green.reason) == (None, "")
    assert active() is None


@pytest.mark.parametrize("package", PACKAGES)
def test_django_tasks_that_run_at_once(package: str, ada: User) -> None:
    task = import_module(package).task(work.add_tag)
    with history.context(user=ada, reason="Stocktaking", ticket=17):
        result = task.enqueue("red")
        outer = active()
        task.enqueue("blue", fails=True)
        assert active() is outer
    assert revision_of("red").context == {
        "ticket": 17, "task": "tests.contrib.work.add_tag", "task_id": result.id,
    }  # fmt: skip
    assert revision_of("blue").committed_by == ada


def test_a_user_that_is_not_known_yet_is_found(waiting: Waiting, ada: User) -> None:
    task = waiting.task(work.add_tag)
    with history.context(user=SimpleLazyObject(lambda: User.objects.get(username="ada"))):
        task.enqueue("red")
    waiting.work()
    assert revision_of("red").committed_by == ada


def test_a_user_who_is_none_any_more_does_not_fail_the_task(waiting: Waiting) -> None:
    task = waiting.task(work.add_tag)
    with history.context(user=17):
        task.enqueue("red")
    waiting.sent[0].kwargs["_audittrail"]["user"] = "nobody"
    waiting.work()
    revision = revision_of("red")
    assert revision.committed_by_id is None and revision.context["audittrail_user"] == "'nobody'"


@pytest.fixture
def carry_out() -> Any:
    """Give a function that carries out the next message of Celery's queue as a worker does."""
    app = work.celery
    with app.connection_for_read() as connection, connection.SimpleQueue("celery") as queue:

        def next_message() -> None:
            message = queue.get(timeout=10)
            request = Request(message, app=app, task=app.tasks[message.headers["task"]])
            elsewhere(request.execute)

        yield next_message


def test_celery(carry_out: Any, ada: User) -> None:
    with history.context(user=ada, reason="Stocktaking", ticket=17):
        result = work.celery_tags.delay("red")
    work.celery_tag.delay("green")
    for _ in range(3):
        carry_out()
    first = revision_of("red")
    assert (first.committed_by, first.reason) == (ada, "Stocktaking")
    assert first.context == {"task": "shop.add_two", "task_id": result.id}
    second = revision_of("red again")
    assert (second.committed_by, second.reason) == (ada, "Stocktaking")
    assert second.context["task"] == "shop.add_tag"
    assert (revision_of("green").committed_by, revision_of("green").reason) == (None, "")


def test_celery_where_it_is_called(ada: User) -> None:
    with history.context(user=ada, reason="Stocktaking"):
        work.celery_tag.apply(["red"])
    revision = revision_of("red")
    assert (revision.committed_by, revision.reason) == (ada, "Stocktaking")
    assert revision.context["task"] == "shop.add_tag" and active() is None


def test_rq(ada: User) -> None:
    redis = FakeStrictRedis()
    queue = Queue(connection=redis, job_class=RecordedJob)
    with history.context(user=ada, reason="Stocktaking", ticket=17):
        sent = queue.enqueue(work.add_tag, "red")
    elsewhere(RecordedJob.fetch(sent.id, connection=redis).perform)
    revision = revision_of("red")
    assert (revision.committed_by, revision.reason) == (ada, "Stocktaking")
    assert revision.context == {"task": "tests.contrib.work.add_tag", "task_id": sent.id}


def test_dramatiq(ada: User) -> None:
    with history.context(user=ada, reason="Stocktaking", ticket=17):
        sent = work.dramatiq_tag.send("red")
    work.dramatiq_tag.send("green")
    worker = dramatiq.Worker(work.broker, worker_timeout=100, worker_threads=1)
    worker.start()
    try:
        work.broker.join(work.dramatiq_tag.queue_name, timeout=60_000)
        worker.join()
    finally:
        worker.stop()
    revision = revision_of("red")
    assert (revision.committed_by, revision.reason) == (ada, "Stocktaking")
    assert revision.context == {"task": "dramatiq_tag", "task_id": sent.message_id}
    assert revision_of("green").committed_by is None
    connections.close_all()
