"""What the tasks of the tests do, and which queues they are sent to."""

from __future__ import annotations

from typing import Any

import dramatiq
from celery import Celery
from django.db import connections
from dramatiq.brokers.stub import StubBroker

from audittrail.contrib.tasks.dramatiq_middleware import TaskContextMiddleware
from tests.testapp.models import Tag


def add_tag(name: str, fails: bool = False) -> str:
    """Write a tag, which is recorded."""
    Tag.objects.create(name=name)
    if fails:
        raise ValueError(name)
    return name


celery = Celery("tests", broker="memory://", backend="cache+memory://", set_as_current=False)


@celery.task(name="shop.add_tag")  # type: ignore[untyped-decorator]
def celery_tag(name: str) -> None:
    add_tag(name)


@celery.task(name="shop.add_two", bind=True)  # type: ignore[untyped-decorator]
def celery_tags(self: Any, name: str) -> None:
    add_tag(name)
    celery_tag.delay(f"{name} again")


broker = StubBroker(middleware=[TaskContextMiddleware()])


@dramatiq.actor(broker=broker)  # type: ignore[untyped-decorator]
def dramatiq_tag(name: str) -> None:
    try:
        add_tag(name)
    finally:
        connections.close_all()
