"""`manage.py audittrail status`: each tracked table and its state."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Final

from django.core.management.base import CommandError
from django.db import router

from audittrail.capture import registry, servercode, sync, tracking
from audittrail.management.call import Call
from audittrail.management.objects import table_of
from audittrail.revisions.wording import spelled

HELP: Final = "Shows each tracked table and its state."


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--check", action="store_true", help="exit with 1 if anything needs attention"
    )


def run(call: Call) -> None:
    """Show the tables, those that are to be tracked and are not, and server code that is not what was installed."""
    rows = [("table", "history", "tracked since", "state")]
    attention = False
    for recorded in registry.registry(call.connection):
        state = _state(recorded)
        attention = attention or (recorded.until_at is None and state != "ok")
        since = spelled(recorded.since_at)
        if recorded.kept_since is not None:
            state += f", history kept since {spelled(recorded.kept_since)}"
        rows.append((recorded.table, recorded.history, since, state))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        call.write("  ".join([*cells, row[3]]).rstrip())
    for change in sync.pending(call.connection):
        attention = attention or change.action != "skipped"
        call.write(_change_line(change))
    for found in servercode.deviations(call.connection):
        if not found.is_tracking:
            attention = attention or not found.is_blind
            call.write(str(found), error=not found.is_blind)
    if call.verbosity > 1:
        for model in tracking.candidates():
            reason = tracking.why_left_out(model)
            if reason and router.allow_migrate_model(call.connection.alias, model):
                call.write(f"{table_of(model)}: left out, {reason}")
    if call.options["check"] and attention:
        raise CommandError("Something needs attention; see above.", returncode=1)


def _change_line(change: sync.TrackingChange) -> str:
    """Return what is shown of something that `sync` would do, or can't."""
    if change.action == "skipped":
        return f"{change.table}: not tracked: {change.detail}"
    if change.action == "created":
        return f"{change.table}: not tracked yet; run sync"
    return f"{change.table}: {change.detail}; run sync"


def _state(recorded: registry.RegistryEntry) -> str:
    if recorded.until_at is not None:
        return f"ended {spelled(recorded.until_at)}"
    if not recorded.exists:
        return "table is gone; run sync"
    if recorded.replaced:
        return "another table has its name; run sync"
    if recorded.faults:
        return "; ".join(recorded.faults)
    if recorded.subscriptions:
        return f"rows that come by the subscription {', '.join(recorded.subscriptions)} are not recorded; run verify --repair"
    if not recorded.in_step:
        return "out of step; run sync"
    return "ok" if recorded.baseline_complete else "baseline incomplete; run backfill"
