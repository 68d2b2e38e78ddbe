"""`manage.py audittrail sync`: bring tracking in step, tell what there is to do, or print it as SQL."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Final

from django.core.management.base import CommandError

from audittrail.capture import install, sync
from audittrail.management.call import Call

HELP: Final = "Brings tracking in step with settings and schema, as migrate does."


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--sql", action="store_true", help="print the SQL instead of running it")
    only.add_argument(
        "--check",
        action="store_true",
        help="only tell; exit with 1 if there is something to do",
    )
    only.add_argument(
        "--reinstall",
        action="store_true",
        help="put the functions of this release in place of whatever is there",
    )


def run(call: Call) -> None:
    """Bring tracking in step, or do what an option says instead."""
    if call.options["sql"]:
        for statement in sync.statements(call.connection):
            call.write(statement)
    elif call.options["check"]:
        _check(call)
    else:
        call.require_owner()
        done = sync.sync(
            call.connection.alias,
            report=lambda change: call.tell(change_line(change)),
            reinstall=call.options["reinstall"],
        )
        if not any(change.action != "skipped" for change in done):
            call.tell("Everything is in step.")


def _check(call: Call) -> None:
    connection = call.connection
    stale = not install.functions_are_current(connection)
    if stale:
        call.write("The functions of another release of audittrail are installed.")
    changes = list(sync.pending(connection)) if install.has_functions(connection) else []
    for change in changes:
        call.write(change_line(change))
    if stale or any(change.action != "skipped" for change in changes):
        raise CommandError("Tracking is out of step; run manage.py audittrail sync.", returncode=1)
    call.write("Everything is in step.")


def change_line(change: sync.TrackingChange) -> str:
    """Return what is shown of a change."""
    detail = f" ({change.detail})" if change.detail else ""
    return f"{change.table}: {change.action}{detail}"
