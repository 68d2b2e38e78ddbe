"""`manage.py audittrail show`: the functions and triggers that capture a table's changes, as SQL."""

from __future__ import annotations

from argparse import ArgumentParser
from contextlib import suppress
from typing import Final

from django.apps import apps
from django.core.management.base import CommandError

from audittrail.capture import generated, registry
from audittrail.management.call import Call

HELP: Final = "Prints the functions and triggers that record a table's changes."


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("table", help="a tracked table, or its model as APP.MODEL")


def run(call: Call) -> None:
    """Print them."""
    wanted = call.options["table"]
    with suppress(LookupError, ValueError):  # no such model, or no name of the form APP.MODEL
        wanted = apps.get_model(wanted)._meta.db_table
    found = [
        recorded
        for recorded in registry.registry(call.connection)
        if recorded.until_at is None and recorded.table == wanted
    ]
    if not found:
        raise CommandError(
            f"{call.options['table']!r} is not a tracked table of database {call.connection.alias!r}, nor the model of one; "
            "manage.py audittrail status lists them."
        )
    for recorded in found:
        call.write(
            f"-- Table {recorded.schema}.{recorded.table}, history in audittrail.{recorded.history}"
        )
        for statement in generated.statements(call.connection, recorded.id):
            call.write(f"\n{statement}")
