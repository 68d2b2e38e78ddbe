"""What the sub-commands that bring things back have in common: they show a plan, ask, and carry it out."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, Final

from django.core.management.base import CommandError

from audittrail import history
from audittrail.management.arguments import time_of
from audittrail.management.call import Call
from audittrail.management.lines import shown
from audittrail.models import Revision
from audittrail.restore.plan import Plan
from audittrail.revisions.wording import counted

#: How many rows of a table, and conflicts, are printed one by one.
SHOWN: Final = 10


def add_planning(parser: ArgumentParser, on_conflict: Sequence[str]) -> None:
    """Declare the arguments that all of them have."""
    parser.add_argument("--reason", help="why; recorded with the new revision")
    parser.add_argument("--dry-run", action="store_true", help="only show what would be done")
    parser.add_argument(
        "--on-conflict",
        choices=on_conflict,
        default="refuse",
        help="what to do about rows that have conflicts (default: %(default)s; then nothing is changed at all)",
    )


def revision_of(call: Call, number: int) -> Any:
    """Return the revision of a number; raise `CommandError` if there is none."""
    revisions: Any = Revision.objects.using(call.connection.alias)
    found = revisions.filter(pk=number).first()
    if found is None:
        raise CommandError(
            f"There is no revision {number} in database {call.connection.alias!r}; manage.py audittrail revisions lists them."
        )
    return found


def point_in_time(call: Call, text: str) -> Any:
    """Return the last revision by a time; raise `CommandError` for what is no time, or before the first revision."""
    at = time_of(text, "--at")
    revisions: Any = Revision.objects.using(call.connection.alias)
    try:
        return revisions.get_by_timestamp(at)
    except Revision.DoesNotExist as error:
        raise CommandError(str(error)) from None


def carry_out(
    call: Call,
    plan_of: Callable[[], Plan],
    confirm: Callable[[Plan], None] = lambda plan: None,
) -> None:
    """Show the plan, ask, and carry it out exactly as shown.

    Takes what makes the plan, and what is asked beside the "yes". Raises `CommandError` if there are conflicts, or nothing may be done.
    """
    reason = call.options["reason"]
    with history.context(reason=reason) if reason else nullcontext():
        plan = plan_of()
        for line in told(plan):
            call.write(line)
        if plan.is_empty and not plan.conflicts:
            call.write("There is nothing to do: everything is as it was.")
            return
        if plan.conflicts and call.options["on_conflict"] != "skip":
            brings_objects = "with_related" in call.options and not call.options["all"]
            options = "--on-conflict and --with-related" if brings_objects else "--on-conflict"
            raise CommandError(
                f"Nothing was changed, because of the conflicts above. Put them right, or see {options}.",
                returncode=1,
            )
        if call.options["dry_run"] or plan.is_empty:
            call.write("Nothing was changed.")
            return
        confirm(plan)
        call.confirm("Nothing was changed.")
        plan.carry_out()
    call.write("Done.")


def told(plan: Plan) -> list[str]:
    """Return a plan as lines of text."""
    lines = []
    for table in plan.tables:
        lines.append(
            f"{table.table}: {table.inserted} to insert, {table.updated} to update, {table.deleted} to delete"
        )
        for row in table.rows[:SHOWN]:
            key = ", ".join(map(str, row.key))
            sign = {"I": "+", "U": "~", "D": "-"}[row.action]
            changes = ", ".join(
                f"{change.column}: (masked)"
                if change.masked
                else f"{change.column}: {shown(change.old)} -> {shown(change.new)}"
                for change in row.changes
            )
            lines.append(f"  {sign} {key}" + (f"  {changes}" if row.action == "U" else ""))
        if table.total > SHOWN:
            lines.append(f"  ... and {table.total - SHOWN} more")
    if plan.erased is not None:
        revisions, versions = plan.erased
        lines.append(
            f"{counted(revisions, 'later revision')} and {counted(versions, 'version')} to erase"
        )
    lines += [f"Note: {note.message}" for note in plan.notes]
    lines += [f"Conflict: {conflict.message}" for conflict in plan.conflicts[:SHOWN]]
    if len(plan.conflicts) > SHOWN:
        lines.append(f"... and {counted(len(plan.conflicts) - SHOWN, 'more conflict')}")
    return lines
