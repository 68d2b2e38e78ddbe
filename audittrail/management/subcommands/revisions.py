"""`manage.py audittrail revisions`: who changed what and when, newest first."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any, Final

from django.db.models import Count

from audittrail.management.arguments import positive, time_of
from audittrail.management.call import Call
from audittrail.management.filters import nothing_matched, of_user
from audittrail.management.lines import DONE, headline
from audittrail.management.objects import model_of
from audittrail.models import Revision
from audittrail.revisions.wording import counted
from audittrail.timetravel import changes

HELP: Final = "Lists revisions, newest first: who changed what, when and why."


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--user", metavar="KEY", help="of the user with this primary key")
    parser.add_argument(
        "--model",
        metavar="MODEL",
        help="that changed rows of a model, such as shop.Order, or a table",
    )
    parser.add_argument("--since", metavar="TIME", help="committed at an ISO 8601 time or later")
    parser.add_argument("--until", metavar="TIME", help="committed before an ISO 8601 time")
    parser.add_argument("--reason", metavar="TEXT", help="whose reason has this text in it")
    parser.add_argument(
        "--number", type=positive, default=20, help="how many at most (default: %(default)s)"
    )


def run(call: Call) -> None:
    """Print them, each with the numbers of rows that it changed."""
    number = call.options["number"]
    found = _chosen(call).select_related(None)[: number + 1]
    revisions = list(found)
    if not revisions:
        raise nothing_matched("There is no such revision.")
    for revision in revisions[:number]:
        call.write(headline(revision))
        for model in changes.changed_models(revision):
            call.write(f"    {model._meta.label}: {_counts(revision, model)}")
    if len(revisions) > number:
        call.write(
            f"There are more than {counted(number, 'revision')}; see --number, --until and the other filters."
        )


def _chosen(call: Call) -> Any:
    options = call.options
    revisions: Any = Revision.objects.using(call.connection.alias).newest_first()
    if options["user"] is not None:
        revisions = of_user(revisions, options["user"])
    if options["model"] is not None:
        revisions = revisions.for_model(model_of(options["model"]))
    if options["since"] is not None:
        revisions = revisions.filter(committed_at__gte=time_of(options["since"], "--since"))
    if options["until"] is not None:
        revisions = revisions.filter(committed_at__lt=time_of(options["until"], "--until"))
    if options["reason"] is not None:
        revisions = revisions.filter(reason__icontains=options["reason"])
    return revisions


def _counts(revision: Any, model: Any) -> str:
    """Return how many rows of a model a revision inserted, updated and deleted."""
    rows = revision.get_changed_objects(model).order_by().values("history_operation")
    numbers = dict(rows.annotate(number=Count("pk")).values_list("history_operation", "number"))
    return ", ".join(f"{numbers[sign]} {word}" for sign, word in DONE.items() if sign in numbers)
