"""`manage.py audittrail prune`: delete the history that is older than it is to be kept."""

from __future__ import annotations

import re
from argparse import ArgumentParser, ArgumentTypeError
from calendar import monthrange
from datetime import UTC, datetime, timedelta
from typing import Final

from django.conf import settings
from django.core.management.base import CommandError
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.timezone import get_current_timezone, is_naive, make_aware, make_naive

from audittrail.capture import closing
from audittrail.management.arguments import add_batches, add_confirmation, natural
from audittrail.management.call import Call
from audittrail.management.filters import nothing_matched
from audittrail.management.objects import table_named
from audittrail.revisions.pruning import Pruning, prune
from audittrail.revisions.wording import counted, spelled

HELP: Final = (
    "Deletes versions that no moment from a cutoff on needs, and revisions without versions."
)

_UNITS: Final = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_MONTHS: Final = {"m": 1, "y": 12}


def age(text: str) -> timedelta | datetime:
    """Return an age such as 365d, or a time such as 2026-01-31; a type of arguments.

    Months and years are those of the calendar: they lead to a time.
    """
    at: datetime | None
    try:
        if found := re.fullmatch(r"(\d{1,6})([hdw])", text):
            return int(found[1]) * _UNITS[found[2]]
        if found := re.fullmatch(r"(\d{1,6})([my])", text):
            at = months_before(
                datetime.now(get_current_timezone()), int(found[1]) * _MONTHS[found[2]]
            )
        else:
            day = parse_date(text)
            at = datetime(day.year, day.month, day.day) if day else parse_datetime(text)  # noqa: DTZ001
    except ValueError:
        at = None
    if at is None:
        raise ArgumentTypeError(
            f"{text!r} is neither an age such as 365d, 18m or 2y (hours h, days d, weeks w, months m, years y) nor a date or time such as "
            "2026-01-31"
        )
    at = make_aware(at) if is_naive(at) else at
    if at > datetime.now(UTC):
        raise ArgumentTypeError(f"{text!r} is still to come; give an age or a time of the past")
    return at if settings.USE_TZ else make_naive(at)


def months_before(at: datetime, months: int) -> datetime:
    """Return the same day and time some months earlier, or the last day of that month; raise `ValueError` before the calendar begins."""
    year, month = divmod(at.year * 12 + at.month - 1 - months, 12)
    if year < 1:
        raise ValueError(f"{months} months before {at} the calendar has not begun")
    day = min(at.day, monthrange(year, month + 1)[1])
    # The offset of now may not be that of then.
    return make_aware(at.replace(year=year, month=month + 1, day=day, tzinfo=None), at.tzinfo)


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "tables",
        nargs="*",
        help="tables or models (default: all, those no longer tracked included)",
    )
    parser.add_argument(
        "--older-than",
        type=age,
        required=True,
        metavar="AGE",
        help="how much history to keep, such as 365d, 52w, 18m, 2y or 2026-01-31: every moment since then stays readable",
    )
    parser.add_argument(
        "--keep-last",
        type=natural,
        default=0,
        metavar="N",
        help="keep the last N versions of each row in any case (default: %(default)s)",
    )
    parser.add_argument("--reason", default="", help="what the revision that records it says")
    parser.add_argument("--dry-run", action="store_true", help="only count what would be deleted")
    add_batches(parser)
    add_confirmation(parser)


def run(call: Call) -> None:
    """Show what would be deleted, ask, and delete it."""
    call.require_owner()
    options = call.options

    def carry_out(*, dry_run: bool) -> Pruning:
        with call.progress_bar("versions deleted") as bar:
            return prune(
                options["older_than"],
                keep_last=options["keep_last"],
                tables=[table_named(name) for name in options["tables"]],
                using=call.connection.alias,
                reason=options["reason"],
                batch_size=options["batch_size"],
                dry_run=dry_run,
                report=bar.show,
            )

    if options["dry_run"] or options["interactive"]:
        planned = carry_out(dry_run=True)
        _show(call, planned)
        if options["dry_run"]:
            return
        call.confirm("Nothing was deleted.")
    done = carry_out(dry_run=False)
    if done.cutoff is None:
        raise _no_revision()
    call.tell(
        f"{counted(done.versions, 'version')} and {counted(done.revisions, 'revision')} deleted."
    )
    if options["vacuum"]:
        names = frozenset(f"{it.schema}.{it.table}" for it in done.tables if it.versions)
        closing.vacuum(call.connection.alias, tables=names)


def _no_revision() -> CommandError:
    return nothing_matched("No revision is as old as that: there is nothing to delete.")


def _show(call: Call, planned: Pruning) -> None:
    if planned.cutoff is None:
        raise _no_revision()
    for table in planned.tables:
        if table.obstacle:
            call.write(f"{table.table}: left alone, {table.obstacle}")
        elif table.versions:
            call.write(f"{table.table}: {counted(table.versions, 'version')} to delete")
    call.write(
        f"{counted(planned.versions, 'version')} and {counted(planned.revisions, 'revision')} to delete. Moments before "
        f"{spelled(planned.cutoff.committed_at)} can't be read afterwards, and what was deleted by then can't be restored."
    )
