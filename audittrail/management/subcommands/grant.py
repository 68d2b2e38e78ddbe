"""`manage.py audittrail grant`: what another role needs to read history."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Final

from django.db import transaction

from audittrail.capture import access
from audittrail.management.call import Call

HELP: Final = "Prints, or applies, what another role needs to read history."


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("role", help="an existing role of the server")
    parser.add_argument(
        "--apply", action="store_true", help="run the statements instead of printing them"
    )


def run(call: Call) -> None:
    """Print the statements, or run them."""
    role = call.options["role"]
    if call.options["apply"]:
        call.require_owner()
    statements = access.reading_grants(call.connection, role)
    if not call.options["apply"]:
        for statement in statements:
            call.write(f"{statement};")
        return
    with transaction.atomic(using=call.connection.alias), call.connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
    call.write(f"Role {role} may read history.")
