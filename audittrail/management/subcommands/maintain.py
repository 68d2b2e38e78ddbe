"""`manage.py audittrail maintain`: make reading the past fast."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Final

from audittrail.capture import closing, indexes
from audittrail.ledger import entering
from audittrail.management.arguments import add_batches
from audittrail.management.call import Call
from audittrail.management.lines import entered_line

HELP: Final = "Makes reading the past fast: closes versions and builds indexes, beside the application's writes."


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("tables", nargs="*", help="tables or models (default: all with a history)")
    add_batches(parser)


def run(call: Call) -> None:
    """Build indexes, close versions, enter revisions if there is a ledger, and vacuum if that is wanted."""
    call.require_owner()
    tables, database = call.tables(), call.connection.alias
    for line in indexes.build(database, tables=tables):
        call.tell(line)
    with call.progress_bar() as bar:
        closing.close(
            database, batch_size=call.options["batch_size"], tables=tables, report=bar.show
        )
    if not bar.shown:
        call.tell("Every table is closed as far as it can be.")
    if entering.head(call.connection) is not None:
        call.tell(entered_line(entering.enter(database).size))
    if call.options["vacuum"]:
        closing.vacuum(database, tables=tables)
