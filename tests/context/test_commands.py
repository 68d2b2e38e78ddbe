"""Management commands record their names by themselves."""

from __future__ import annotations

import types
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import BaseCommand

from audittrail.revisions.commands import install_command_context
from audittrail.revisions.context import comment, context
from tests.context.probes import said


def command(name: str, body: Any) -> BaseCommand:
    """Return a command as Django finds it in the module `name` of an application."""

    def handle(self: BaseCommand, *args: Any, **options: Any) -> None:
        body()

    module = f"shop.management.commands.{name}"
    namespace = {"handle": handle, "requires_system_checks": [], "__module__": module}
    return types.new_class("Command", (BaseCommand,), exec_body=lambda n: n.update(namespace))()


def present() -> dict[str, Any] | None:
    return said(f"{comment()}SELECT 1")


def test_a_command_records_its_name() -> None:
    seen: list[Any] = []
    call_command(command("restock", lambda: seen.append(present())))
    assert seen == [{"command": "restock"}]
    assert comment() == ""


def test_a_command_called_by_a_command_or_a_request_is_the_inner_one() -> None:
    seen: list[Any] = []
    inner = command("inner", lambda: seen.append(present()))

    def outer() -> None:
        call_command(inner)
        seen.append(present())

    with context(user=5):
        call_command(command("outer", outer))
    assert seen == [{"user": "5", "command": "inner"}, {"user": "5", "command": "outer"}]


@pytest.mark.parametrize("name", ["runserver", "testserver", "test"])
def test_commands_that_serve_others_say_nothing(name: str) -> None:
    seen: list[Any] = []
    call_command(command(name, lambda: seen.append(comment())))
    assert seen == [""]


def test_a_command_that_fails_ends_its_context() -> None:
    with pytest.raises(ZeroDivisionError):
        call_command(command("broken", lambda: 1 / 0))
    assert comment() == ""


def test_installing_again_changes_nothing() -> None:
    before = BaseCommand.execute
    install_command_context()
    assert BaseCommand.execute is before
