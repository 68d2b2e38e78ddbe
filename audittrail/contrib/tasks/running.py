"""The contexts of tasks that are running, each from the signal of its beginning to that of its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from audittrail.revisions.context import Context
from audittrail.revisions.passing import passed

#: The name under which who and why travel with a task, beside its arguments.
KEY: Final = "audittrail"


def task_context(name: str, number: str | None, given: object) -> Context:
    """Return the context of a task: its name and its id, and who sent it and why, if that has come along."""
    told = given if isinstance(given, Mapping) else {}
    return passed(told, task=name, task_id=number)


class RunningTasks:
    """Contexts that signals begin and end: of one task several may be open, where it is tried again inside itself."""

    def __init__(self) -> None:
        self._open: dict[str, list[Context]] = {}

    def begin(self, name: str, number: str, given: object) -> None:
        """Enter the context of a task."""
        entered = task_context(name, number, given)
        entered.__enter__()
        self._open.setdefault(number, []).append(entered)

    def end(self, number: str) -> None:
        """Leave the context of a task, if it was entered here."""
        contexts = self._open.get(number)
        if not contexts:
            return
        contexts.pop().__exit__(None, None, None)
        if not contexts:
            del self._open[number]
