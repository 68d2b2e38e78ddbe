"""`manage.py audittrail restore`: bring objects, or everything, back to what they were."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from audittrail import history
from audittrail.management.arguments import add_confirmation
from audittrail.management.call import Call
from audittrail.management.filters import nothing_matched
from audittrail.management.objects import key_of, model_of
from audittrail.management.planning import add_planning, carry_out, point_in_time, revision_of
from audittrail.restore.plan import OnConflict
from audittrail.revisions.wording import said

HELP: Final = "Brings objects, or everything, back to what they were as of a revision or a time; shows the plan first."


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("model", nargs="?", help="a model, such as shop.Order, or its table")
    what.add_argument("--all", action="store_true", help="every tracked table")
    when = parser.add_mutually_exclusive_group()
    when.add_argument("--revision", type=int, help="the number of a revision")
    when.add_argument(
        "--at", metavar="TIME", help="an ISO 8601 time, such as 2026-01-31T12:00+01:00"
    )
    when.add_argument(
        "--deleted", action="store_true", help="objects that are deleted, as they last were"
    )
    parser.add_argument(
        "--pk", action="append", help="the primary key of an object (repeat for more; default: all)"
    )
    parser.add_argument("--fields", help="names of fields with commas between (default: all)")
    parser.add_argument(
        "--with-related", action="store_true", help="bring back what the rows refer to as well"
    )
    parser.add_argument(
        "--with-cascade",
        action="store_true",
        help="with --deleted: bring back what was deleted along with them",
    )
    add_planning(parser, ("refuse", "skip"))
    add_confirmation(parser)


def run(call: Call) -> None:
    """Show the plan, ask, and carry it out."""
    options = call.options
    on_conflict: OnConflict = options["on_conflict"]
    if options["all"]:
        names = ("pk", "fields", "with_related", "deleted", "with_cascade")
        given = [name for name in names if options[name]]
        if given:
            raise CommandError(f"--{given[0].replace('_', '-')} goes with a model, not with --all.")
        revision = _point(call)
        carry_out(call, lambda: revision.restore_all(dry_run=True, on_conflict=on_conflict))
        return
    model = model_of(options["model"])
    if options["deleted"]:
        if options["fields"]:
            raise CommandError("Deleted objects come back whole; leave out --fields.")
        every = history.of(model).deleted(using=call.connection.alias)
        deleted = _chosen(call, every, f"No deleted {model._meta.label} has")
        carry_out(
            call,
            lambda: deleted.undelete(
                dry_run=True,
                with_cascade=options["with_cascade"],
                with_related=options["with_related"],
                on_conflict=on_conflict,
            ),
        )
        return
    if options["with_cascade"]:
        raise CommandError("--with-cascade goes with --deleted.")
    every = history.of(model)(_point(call))
    past = _chosen(call, every, f"As of {every.moment} no {model._meta.label} had")
    fields = options["fields"].split(",") if options["fields"] else None
    carry_out(
        call,
        lambda: past.restore(
            fields, dry_run=True, with_related=options["with_related"], on_conflict=on_conflict
        ),
    )


def _point(call: Call) -> Any:
    if call.options["revision"] is not None:
        return revision_of(call, call.options["revision"])
    if call.options["at"] is not None:
        return point_in_time(call, call.options["at"])
    raise CommandError("Say which state: --revision NUMBER or --at TIME.")


def _chosen(call: Call, every: Any, none_has: str) -> Any:
    """Return the objects of the keys that were given, by default all; takes how an error about keys that none of them has begins.

    Raises `CommandError` for what is not a key, and if no object has one of them.
    """
    given = call.options["pk"]
    if given is None:
        return every
    label = every.model._meta.label
    try:
        keys = {key_of(every.model, key): key for key in given}
    except (ValidationError, ValueError) as error:
        raise CommandError(
            f"--pk {', '.join(given)} can't be understood as a primary key of {label}: {said(error)}"
        ) from error
    chosen = every.filter(pk__in=list(keys))
    missing = keys.keys() - set(chosen.values_list("pk", flat=True))
    told = f"{none_has} the primary key {' or '.join(keys[key] for key in keys if key in missing)}."
    if len(missing) == len(keys):
        raise nothing_matched(f"{told} Nothing was changed.")
    if missing:
        call.write(told, error=True)
    return chosen
