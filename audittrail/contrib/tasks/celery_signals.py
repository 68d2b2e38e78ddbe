"""Celery: who and why travel in a header of the message; the worker's signals begin and end the context."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

from audittrail.contrib.tasks.running import KEY, RunningTasks
from audittrail.revisions.passing import passing

_running: Final = RunningTasks()


def install() -> None:
    """Listen to Celery's signals, in whatever sends tasks and in its workers."""
    signals = import_module("celery.signals")
    for signal, receiver in (
        (signals.before_task_publish, _send),
        (signals.task_prerun, _begin),
        (signals.task_postrun, _end),
    ):
        signal.connect(receiver, weak=False, dispatch_uid=f"audittrail.{receiver.__name__}")


def _send(headers: dict[str, Any], **kwargs: Any) -> None:
    if told := passing():
        headers.setdefault(KEY, told)


def _begin(task_id: str, task: Any, **kwargs: Any) -> None:
    # A task that is run where it is called has no message, and what its caller says holds for it anyway.
    _running.begin(task.name, task_id, (task.request.headers or {}).get(KEY))


def _end(task_id: str, **kwargs: Any) -> None:
    _running.end(task_id)
