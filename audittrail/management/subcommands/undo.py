"""`manage.py audittrail undo`: reverse what one revision changed."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Final

from audittrail.management.arguments import add_confirmation
from audittrail.management.call import Call
from audittrail.management.planning import add_planning, carry_out, revision_of

HELP: Final = "Reverses what one revision changed, field by field; shows the plan first."


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("revision", type=int, help="the number of the revision")
    add_planning(parser, ("refuse", "skip", "override"))
    add_confirmation(parser)


def run(call: Call) -> None:
    """Show the plan, ask, and carry it out."""
    revision = revision_of(call, call.options["revision"])
    carry_out(call, lambda: revision.undo(dry_run=True, on_conflict=call.options["on_conflict"]))
