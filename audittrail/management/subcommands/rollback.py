"""`manage.py audittrail rollback`: everything back to a revision, and all later history erased."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Final

from audittrail.management.arguments import add_confirmation
from audittrail.management.call import Call
from audittrail.management.planning import add_planning, carry_out, revision_of
from audittrail.restore.plan import Plan
from audittrail.revisions.wording import counted, spelled

HELP: Final = (
    "Brings everything back to a revision and ERASES all later revisions; shows the plan first."
)


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("revision", type=int, help="the number of the last revision to keep")
    add_planning(parser, ("refuse", "skip"))
    add_confirmation(parser)


def run(call: Call) -> None:
    """Show the plan, ask, and carry it out."""
    call.require_owner()
    revision = revision_of(call, call.options["revision"])

    def warn(plan: Plan) -> None:
        revisions, versions = plan.erased or (0, 0)
        call.write(
            f"This brings database {call.connection.settings_dict['NAME']!r} back to revision {revision.pk} of {spelled(revision.committed_at)} "
            f"and ERASES {counted(revisions, 'revision')} with {counted(versions, 'version')}. They can't be brought back.",
            error=True,
        )

    carry_out(
        call,
        lambda: revision.rollback_all_later_revisions(
            dry_run=True, on_conflict=call.options["on_conflict"]
        ),
        warn,
    )
