"""`manage.py audittrail standins`: what a dump without history needs where it is restored."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Final

from audittrail.capture.standins import stand_ins
from audittrail.management.call import Call

HELP: Final = "Prints the SQL that a database needs before a dump of the tables without history is restored into it."


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments: there are none."""


def run(call: Call) -> None:
    """Print the statements, and how to be rid of them."""
    call.write(
        "-- Run this before the restore. Afterwards, DROP SCHEMA audittrail CASCADE takes the triggers along."
    )
    for statement in stand_ins(call.connection):
        call.write(statement)
