"""`manage.py audittrail backfill`: complete baselines."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Final

from audittrail.capture import baseline
from audittrail.management.arguments import positive
from audittrail.management.call import Call

HELP: Final = "Completes baselines, in batches beside the application's writes."


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "tables", nargs="*", help="tables or models (default: all that are incomplete)"
    )
    parser.add_argument(
        "--batch-size",
        type=positive,
        default=5000,
        help="how many rows a batch has (default: %(default)s)",
    )


def run(call: Call) -> None:
    """Complete the baselines, and show how far that has come."""
    call.require_owner()
    tables = call.tables()
    with call.progress_bar() as bar:
        baseline.backfill(
            call.connection.alias,
            batch_size=call.options["batch_size"],
            tables=tables,
            report=bar.show,
        )
    if not bar.shown:
        call.tell("Every baseline is complete.")
