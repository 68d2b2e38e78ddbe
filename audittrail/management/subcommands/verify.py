"""`manage.py audittrail verify`: compare tables with their history."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Final

from django.core.management.base import CommandError

from audittrail.capture import servercode, verify
from audittrail.management.call import Call
from audittrail.revisions.wording import counted

HELP: Final = "Compares tables with their history; exits with 1 if they differ."


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "tables", nargs="*", help="tables or models (default: all that are tracked)"
    )
    parser.add_argument(
        "--repair",
        action="store_true",
        help="record the differences of rows as versions of now, which agree with the table",
    )


def run(call: Call) -> None:
    """Show what differs, and record it if that is wanted."""
    if call.options["repair"]:
        call.require_owner()
    deviations = [
        found for found in servercode.deviations(call.connection) if not found.is_tracking
    ]
    for found in deviations:
        call.write(str(found), error=not found.is_blind)
    faulty = count = 0
    for recorded, findings in verify.verify(call.connection.alias, tables=call.tables()):
        count += 1
        for finding in findings:
            call.write(str(finding), error=True)
        if not findings and call.verbosity > 1:
            call.write(f"{recorded.table}: ok")
        if call.options["repair"] and any(finding.can_be_recorded for finding in findings):
            verify.repair(recorded, call.connection.alias)
            call.write(f"{recorded.table}: recorded")
            findings = [finding for finding in findings if not finding.can_be_recorded]
        faulty += bool(findings)
    if faulty:
        raise CommandError(
            f"{faulty} of {counted(count, 'table')} {'differs from its' if faulty == 1 else 'differ from their'} history. manage.py "
            "audittrail sync puts triggers right and records what was written without them; verify --repair records all other "
            "differences of rows.",
            returncode=1,
        )
    if any(not found.is_blind for found in deviations):
        raise CommandError("The server code is not what was installed; see above.", returncode=1)
    call.write(
        f"{counted(count, 'table')} {'agrees with its' if count == 1 else 'agree with their'} history."
    )
