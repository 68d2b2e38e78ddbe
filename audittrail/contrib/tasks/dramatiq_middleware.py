"""dramatiq: who and why are an option of the message, and the middleware begins and ends the context."""

from __future__ import annotations

from typing import Any

from dramatiq import Middleware

from audittrail.contrib.tasks.running import KEY, RunningTasks
from audittrail.revisions.passing import passing


class TaskContextMiddleware(Middleware):
    """Let the revisions of actors say which one ran, and for whom and why its message was sent."""

    def __init__(self) -> None:
        self._running = RunningTasks()

    def before_enqueue(self, broker: Any, message: Any, delay: Any) -> None:
        """Put who sends the message, and why, into it; a message that is sent again keeps what it has."""
        if told := passing():
            message.options.setdefault(KEY, told)

    def before_process_message(self, broker: Any, message: Any) -> None:
        """Enter the context of the actor."""
        self._running.begin(message.actor_name, message.message_id, message.options.get(KEY))

    def after_process_message(
        self, broker: Any, message: Any, *, result: Any = None, exception: Any = None
    ) -> None:
        """Leave the context of the actor."""
        self._running.end(message.message_id)

    def after_skip_message(self, broker: Any, message: Any) -> None:
        """Leave the context of a message that another middleware has skipped."""
        self._running.end(message.message_id)
