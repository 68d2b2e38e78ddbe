"""`manage.py audittrail`: look after what is tracked, and work with history."""

from __future__ import annotations

from argparse import ArgumentParser
from contextlib import nullcontext
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS, ProgrammingError, connections

from audittrail.capture import access, install
from audittrail.capture.locking import sqlstate
from audittrail.exceptions import AuditTrailError
from audittrail.management.arguments import add_common_options
from audittrail.management.call import Call
from audittrail.management.subcommands import SUBCOMMANDS
from audittrail.management.wording import in_options


class Command(BaseCommand):
    """Run one of the sub-commands, on one database."""

    help = "Shows and keeps up what audittrail records in a database."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the sub-commands."""
        commands = parser.add_subparsers(dest="subcommand", required=True, metavar="COMMAND")
        for module in SUBCOMMANDS:
            name = module.__name__.rpartition(".")[2].rstrip("_")
            sub: ArgumentParser = commands.add_parser(
                name, help=module.HELP, description=module.HELP
            )
            add_common_options(sub)
            module.add_arguments(sub)
            sub.set_defaults(run=module.run)
        parser.set_defaults(database=DEFAULT_DB_ALIAS)

    def handle(self, *args: Any, **options: Any) -> None:
        """Run a sub-command."""
        connection = connections[options["database"]]
        if not install.is_supported(connection):
            raise CommandError(
                f"Database {connection.alias!r} is not PostgreSQL ({connection.vendor}); audittrail can't work there."
            )
        if not install.is_installed(connection):
            raise CommandError(
                f"Database {connection.alias!r} does not hold audittrail's tables; "
                f"run manage.py migrate --database {connection.alias}."
            )
        try:
            install.raise_if_impossible(connection, to_read=True)
            # Whatever a former release has left can be removed.
            release = (
                nullcontext()
                if options["subcommand"] == "uninstall"
                else install.of_this_release(connection)
            )
            with release:
                options["run"](Call(self, connection, options))
        except AuditTrailError as error:
            raise CommandError(in_options(str(error))) from error
        except ProgrammingError as error:
            if sqlstate(error) != access.INSUFFICIENT_PRIVILEGE:
                raise
            raise CommandError(access.lacking(connection, error)) from error
