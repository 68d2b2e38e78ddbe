"""`manage.py audittrail show`: what a revision changed, or the code that records a table's changes."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any, Final

from django.core.management.base import CommandError

from audittrail import history
from audittrail.capture import generated, registry
from audittrail.diff.versions import VersionChanges, version_changes
from audittrail.management.arguments import positive
from audittrail.management.call import Call
from audittrail.management.lines import DONE, change_line, headline, shown
from audittrail.management.objects import table_named
from audittrail.management.planning import revision_of
from audittrail.timetravel import changes

HELP: Final = (
    "Prints what a revision changed, or the functions and triggers that record a table's changes."
)


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "shown",
        metavar="REVISION|TABLE",
        help="the number of a revision; or a tracked table, or its model as APP.MODEL",
    )
    parser.add_argument(
        "--number",
        type=positive,
        default=20,
        help="of a revision: how many versions of each model at most (default: %(default)s)",
    )


def run(call: Call) -> None:
    """Print it."""
    wanted = call.options["shown"]
    if wanted.removeprefix("-").isdecimal():
        _show_revision(call, revision_of(call, int(wanted)))
    else:
        _show_code(call, wanted)


def _show_revision(call: Call, revision: Any) -> None:
    call.write(headline(revision))
    for name in ("db_user", "application_name", "client_addr"):
        if value := getattr(revision, name):
            call.write(f"    {name}: {value}")
    for name, value in revision.context.items():
        call.write(f"    {name}: {shown(value)}")
    for model in changes.changed_models(revision):
        _show_changes(call, revision, model)


def _show_changes(call: Call, revision: Any, model: Any) -> None:
    """Print the first versions of a model's rows in a revision, each with the fields that changed."""
    number = call.options["number"]
    versions = history.of(model).versions.using(call.connection.alias).filter(revision=revision)
    found = list(versions.in_order()[: number + 1])
    for told in version_changes(found[:number]):
        call.write(_version_line(model, told))
        for change in told.changes:
            call.write(f"        {change_line(change)}")
    if len(found) > number:
        call.write(f"    {model._meta.label}: there are more than {number}; see --number.")


def _version_line(model: Any, told: VersionChanges) -> str:
    version: Any = told.version
    key = ",".join(str(getattr(version, name)) for name in version.key_names)
    return f"    {model._meta.label} {key} {DONE[version.operation]}"


def _show_code(call: Call, wanted: str) -> None:
    table = table_named(wanted)
    found = [
        recorded
        for recorded in registry.registry(call.connection)
        if recorded.until_at is None
        and table in (recorded.table, f"{recorded.schema}.{recorded.table}")
    ]
    if not found:
        raise CommandError(
            f"{wanted!r} is not a tracked table of database {call.connection.alias!r}, nor the model of one; "
            "manage.py audittrail status lists them."
        )
    for recorded in found:
        call.write(
            f"-- Table {recorded.schema}.{recorded.table}, history in audittrail.{recorded.history}"
        )
        for statement in generated.statements(call.connection, recorded.id):
            call.write(f"\n{statement}")
