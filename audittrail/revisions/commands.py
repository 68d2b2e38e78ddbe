"""Record the name of the management command that changes data."""

from __future__ import annotations

from functools import wraps
from typing import Any, Final

from django.core.management.base import BaseCommand

from audittrail.revisions.context import context

#: Commands that only serve requests or run tests, which have contexts of their own.
SILENT: Final = frozenset({"runserver", "runserver_plus", "test", "testserver"})


def install_command_context() -> None:
    """Make management commands record their names as metadata `command`, once and for all."""
    original = BaseCommand.execute
    if getattr(original, "_records_command", False):
        return

    @wraps(original)
    def execute(self: BaseCommand, *args: Any, **options: Any) -> str | None:
        name = type(self).__module__.rpartition(".")[2]
        if name in SILENT:
            return original(self, *args, **options)
        with context(command=name):
            return original(self, *args, **options)

    execute._records_command = True  # type: ignore[attr-defined]
    BaseCommand.execute = execute  # type: ignore[method-assign]
