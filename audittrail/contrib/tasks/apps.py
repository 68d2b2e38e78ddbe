"""Let revisions tell of tasks by one line in INSTALLED_APPS: those of django.tasks and of Celery."""

from importlib.util import find_spec

from django.apps import AppConfig


class TasksConfig(AppConfig):
    """The application `audittrail.contrib.tasks`."""

    name = "audittrail.contrib.tasks"
    label = "audittrail_tasks"

    def ready(self) -> None:
        """Listen to the queues that the project has."""
        from audittrail.contrib.tasks import celery_signals, django_tasks

        for package in ("django.tasks", "django_tasks"):
            if find_spec(package):
                django_tasks.install(package)
        if find_spec("celery"):
            celery_signals.install()
