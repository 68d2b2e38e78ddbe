"""RQ: who and why are kept in the job's `meta`, and the job itself runs in their context."""

from __future__ import annotations

from typing import Any

from rq.job import Job

from audittrail.contrib.tasks.running import KEY, task_context
from audittrail.revisions.passing import passing


class RecordedJob(Job):
    """A job whose revisions say which it was, and for whom and why it was made; the class of jobs of queues and workers."""

    @classmethod
    def create(cls, *args: Any, **kwargs: Any) -> Any:
        """Make a job that takes along who makes it, and why."""
        job = super().create(*args, **kwargs)
        if told := passing():
            job.meta.setdefault(KEY, told)
        return job

    def perform(self) -> Any:
        """Run the job within its context."""
        with task_context(self.func_name or "", self.id, self.meta.get(KEY)):
            return super().perform()
