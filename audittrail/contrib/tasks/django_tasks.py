"""django.tasks, Django's own from 6.0 on, and the package django-tasks, from which it comes: whatever backend a project has.

Tasks have nothing beside their arguments that every backend would keep. So who and why are one more of them, which is taken out again before
the task's function is called.
"""

from __future__ import annotations

from functools import wraps
from importlib import import_module
from typing import Any, Final

from audittrail.contrib.tasks.running import KEY, RunningTasks
from audittrail.revisions.passing import passing

#: The argument's name, which no function of a project should have.
ARGUMENT: Final = f"_{KEY}"

_MARK: Final = "_audittrail_passes_on"

_running: Final = RunningTasks()


def install(package: str) -> None:
    """Let the tasks of a package take along who sent them and why, and listen to its signals."""
    task: Any = import_module(f"{package}.base").Task
    if hasattr(task, _MARK):
        return
    for name, replaced in (
        ("enqueue", _enqueueing(task.enqueue)),
        ("aenqueue", _enqueueing_async(task.aenqueue)),
        ("call", _without_argument(task.call)),
        ("acall", _without_argument(task.acall)),
        (_MARK, True),
    ):
        setattr(task, name, replaced)
    signals = import_module(f"{package}.signals")
    signals.task_started.connect(_begin, dispatch_uid="audittrail.task_started")
    signals.task_finished.connect(_end, dispatch_uid="audittrail.task_finished")


def _enqueueing(live: Any) -> Any:
    @wraps(live)
    def enqueue(self: Any, *args: Any, **kwargs: Any) -> Any:
        return _shown(live(self, *args, **_told(kwargs)))

    return enqueue


def _enqueueing_async(live: Any) -> Any:
    @wraps(live)
    async def aenqueue(self: Any, *args: Any, **kwargs: Any) -> Any:
        return _shown(await live(self, *args, **_told(kwargs)))

    return aenqueue


def _told(arguments: dict[str, Any]) -> dict[str, Any]:
    told = passing()
    return {**arguments, ARGUMENT: told} if told else arguments


def _shown(result: Any) -> Any:
    """Return the result that the caller gets, with the arguments that the caller gave."""
    result.kwargs.pop(ARGUMENT, None)
    return result


def _without_argument(live: Any) -> Any:
    @wraps(live)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        kwargs.pop(ARGUMENT, None)
        return live(self, *args, **kwargs)

    return call


def _begin(task_result: Any, **kwargs: Any) -> None:
    _running.begin(task_result.task.module_path, task_result.id, task_result.kwargs.get(ARGUMENT))


def _end(task_result: Any, **kwargs: Any) -> None:
    _running.end(task_result.id)
