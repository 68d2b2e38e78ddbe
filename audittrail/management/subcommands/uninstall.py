"""`manage.py audittrail uninstall`: remove audittrail and all history from a database."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Final

from django.db.migrations.recorder import MigrationRecorder

from audittrail.capture.sync import TrackingChange
from audittrail.capture.uninstalling import uninstall
from audittrail.management.arguments import add_confirmation
from audittrail.management.call import Call
from audittrail.management.subcommands.sync import change_line

HELP: Final = "Removes triggers and history; the tables stay as they are."


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    add_confirmation(parser)


def run(call: Call) -> None:
    """Ask, and remove everything."""
    connection = call.connection
    if call.options["interactive"]:
        call.write(
            f"This removes audittrail and ALL HISTORY from database {connection.settings_dict['NAME']!r}. "
            "Your own tables stay as they are."
        )
    call.confirm("Nothing was removed.")

    def report(change: TrackingChange) -> None:
        if call.verbosity > 1:
            call.write(change_line(change))

    uninstall(connection.alias, report=report)
    MigrationRecorder(connection).migration_qs.filter(app="audittrail").delete()
    call.write(
        "audittrail is removed. Take it out of INSTALLED_APPS and MIDDLEWARE, or the next migrate installs it again."
    )
