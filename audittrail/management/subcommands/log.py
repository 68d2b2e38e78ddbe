"""`manage.py audittrail log`: what happened to one object, newest first."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Final

from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.core.management.base import CommandError

from audittrail import history
from audittrail.management.arguments import time_of
from audittrail.management.call import Call
from audittrail.management.filters import nothing_matched
from audittrail.management.lines import DONE, change_line, headline
from audittrail.management.objects import key_of, model_of
from audittrail.revisions.wording import said

HELP: Final = (
    "Prints every change of one object: who changed which field from what to what, when and why."
)


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("model", help="a model, such as shop.Order, or its table")
    parser.add_argument(
        "--pk", required=True, help="the primary key of the object; deleted ones have theirs still"
    )
    parser.add_argument("--fields", help="names of fields with commas between (default: all)")
    parser.add_argument(
        "--since", metavar="TIME", help="after an ISO 8601 time (default: since tracking began)"
    )
    parser.add_argument("--until", metavar="TIME", help="until an ISO 8601 time (default: now)")


def run(call: Call) -> None:
    """Print them."""
    options = call.options
    model = model_of(options["model"])
    try:
        key = key_of(model, options["pk"])
    except (ValidationError, ValueError) as error:
        raise CommandError(
            f"--pk {options['pk']!r} can't be understood as a primary key of {model._meta.label}: {said(error)}"
        ) from error
    since, until = (
        None if options[name] is None else time_of(options[name], f"--{name}")
        for name in ("since", "until")
    )
    fields = options["fields"].split(",") if options["fields"] else None
    try:
        found = list(
            history.of(model).steps(
                since, until, pk=key, fields=fields, using=call.connection.alias
            )
        )
    except ObjectDoesNotExist as error:
        raise nothing_matched(str(error)) from None
    for step in reversed(found):
        call.write(headline(step.revision))
        if step.operation:
            call.write(f"    {DONE[step.operation].capitalize()}")
        for change in step.changes:
            call.write(f"    {change_line(change)}")
    if not found:
        raise nothing_matched(
            f"{model._meta.label} {options['pk']} did not change in that time, or in those fields."
        )
