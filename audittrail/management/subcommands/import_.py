"""`manage.py audittrail import`: bring along the history that another package kept before tracking began."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from datetime import timedelta
from typing import Final

from audittrail.importing.outcome import Import
from audittrail.importing.running import WITHIN, import_history
from audittrail.importing.sources import MODULES
from audittrail.management.arguments import add_confirmation
from audittrail.management.call import Call
from audittrail.management.objects import model_of
from audittrail.revisions.wording import counted

HELP: Final = "Imports the history that another package kept before tracking began."


def seconds(text: str) -> timedelta:
    """Return a time span of so many seconds; a type of arguments."""
    try:
        span = timedelta(seconds=float(text))
    except (ValueError, OverflowError):
        span = timedelta(-1)
    if span < timedelta(0):
        raise ArgumentTypeError(f"{text!r} is not a number of seconds, 0 or more")
    return span


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("source", choices=sorted(MODULES), help="the package that kept it")
    parser.add_argument(
        "models",
        nargs="*",
        metavar="model",
        help="labels of models (default: all of which it has records)",
    )
    parser.add_argument(
        "--within",
        type=seconds,
        default=WITHIN,
        metavar="SECONDS",
        help="how far apart the records of one revision may be on the whole (default: 1)",
    )
    parser.add_argument(
        "--incomplete",
        action="store_true",
        help="import models, too, of which not all columns were recorded: these are empty then",
    )
    parser.add_argument("--reason", default="", help="what the revision that records it says")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="only tell what would be imported: it is done, and taken back",
    )
    add_confirmation(parser)


def run(call: Call) -> None:
    """Show what would be imported, ask, and import it."""
    options = call.options
    models = [model_of(label) for label in options["models"]]

    def carry_out(*, dry_run: bool) -> Import:
        with call.progress_bar("records read") as bar:
            return import_history(
                options["source"],
                models,
                using=call.connection.alias,
                within=options["within"],
                incomplete=options["incomplete"],
                dry_run=dry_run,
                reason=options["reason"],
                report=bar.show,
            )

    if options["dry_run"] or options["interactive"]:
        planned = carry_out(dry_run=True)
        _show(call, planned, "to import")
        if options["dry_run"] or not planned.versions:
            return
        call.confirm("Nothing was imported.")
    _show(call, carry_out(dry_run=False), "imported")


def _show(call: Call, found: Import, done: str) -> None:
    for imported in found.tables:
        call.write(str(imported))
    for table, columns in found.empty.items():
        call.write(f"{table}: not recorded, and empty: {', '.join(columns)}")
    for left in found.left_out:
        call.write(f"Left out of {left}")
    call.write(
        f"{counted(found.revisions, 'revision')} with {counted(found.versions, 'version')} {done}."
    )
