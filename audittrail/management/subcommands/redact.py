"""`manage.py audittrail redact`: replace values, such as a person's data, wherever history holds them."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any, Final

from django.apps import apps
from django.core.management.base import CommandError

from audittrail import history
from audittrail.capture import closing
from audittrail.management.arguments import add_confirmation, parts_of_key
from audittrail.management.call import Call
from audittrail.management.filters import filtered, nothing_matched, of_user
from audittrail.models import Revision
from audittrail.revisions.redacting import Redaction, redact
from audittrail.revisions.wording import counted, said

HELP: Final = "Replaces what history holds of some fields, in every version of some rows."


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "target",
        help="the label of a model, such as shop.Customer; the name of a table; audittrail.Revision for revisions",
    )
    parser.add_argument(
        "--field",
        action="append",
        required=True,
        dest="fields",
        metavar="NAME[=VALUE]",
        help="a field, and what takes its place (default: NULL); __all__ for all but the key; may be repeated",
    )
    rows = parser.add_mutually_exclusive_group(required=True)
    rows.add_argument(
        "--pk",
        action="append",
        dest="pks",
        help="the primary key of a row (values of a composite one separated by commas); may be repeated",
    )
    rows.add_argument(
        "--filter",
        action="append",
        dest="filters",
        metavar="NAME=VALUE",
        help="the rows of which a version has this value, such as email=ada@example.org; may be repeated",
    )
    rows.add_argument("--user", help="the primary key of the user whose revisions are meant")
    rows.add_argument("--all", action="store_true", help="every row")
    parser.add_argument("--reason", required=True, help="why; the revision that records it says so")
    parser.add_argument("--live", action="store_true", help="overwrite the live rows too")
    parser.add_argument("--dry-run", action="store_true", help="only show what would be redacted")
    parser.add_argument(
        "--vacuum",
        action="store_true",
        help="vacuum and analyze the history tables afterwards, which removes the old values from the disk",
    )
    add_confirmation(parser)


def run(call: Call) -> None:
    """Show what would be redacted, ask, and redact it."""
    call.require_owner()
    options = call.options
    target, pks = _target(call)
    fields = _fields(options["fields"])

    def carry_out(*, dry_run: bool) -> Redaction:
        return redact(
            target,
            fields,
            pks=pks,
            reason=options["reason"],
            live=options["live"],
            dry_run=dry_run,
            using=call.connection.alias,
        )

    if options["dry_run"] or options["interactive"]:
        planned = _require_match(call, carry_out(dry_run=True))
        _show(call, planned)
        if options["dry_run"]:
            return
        if planned.live and not options["live"]:
            raise CommandError(
                "Live rows still hold something else than the replacement. Change them first, or give --live to overwrite them."
            )
        if not planned.versions + planned.live:
            return
        call.confirm("Nothing was redacted.")
    done = _require_match(call, carry_out(dry_run=False))
    for table in done.tables:
        live = f", and {counted(table.live, 'live row')} overwritten" if table.live else ""
        what = f"{counted(table.versions, 'version')} of {counted(table.rows, 'row')}"
        call.write(f"{table.table}: {what} redacted{live}.")
    if options["vacuum"]:
        changed = frozenset(table.table for table in done.tables if table.versions)
        if changed:
            closing.vacuum(call.connection.alias, tables=changed)


def _require_match(call: Call, redaction: Redaction) -> Redaction:
    if not redaction.matched:
        given = ("filters", "pks", "user")
        chosen = next((repr(call.options[name]) for name in given if call.options[name]), "--all")
        raise nothing_matched(
            f"History holds no row of {call.options['target']} that matches {chosen}, so nothing was redacted. Look for misspelt names, "
            "values and keys."
        )
    return redaction


def _target(call: Call) -> tuple[Any, list[Any] | None]:
    """Return whose history is meant, and the keys of the rows."""
    options = call.options
    name = options["target"]
    try:
        model: Any = apps.get_model(name)
    except (LookupError, ValueError):
        model = None
    if options["user"] is not None:
        if model is not Revision:
            raise CommandError(
                f"--user means revisions of a user, and goes with audittrail.Revision, not with {name!r}."
            )
        return of_user(Revision.objects, options["user"]), None
    if options["filters"]:
        if model is None:
            raise CommandError(
                f"{name!r} is not a model of this project, which --filter needs; name rows of a table with --pk, or give --all."
            )
        rows = Revision.objects.all() if model is Revision else history.of(model).versions
        return filtered(rows, options["filters"]), None
    if options["all"]:
        return name, None
    width = 1 if model is None else len(model._meta.pk_fields)
    if width == 1 and model is not None:
        return name, [(pk,) for pk in options["pks"]]
    try:
        return name, [tuple(parts_of_key(pk)) for pk in options["pks"]]
    except ValueError as error:
        raise CommandError(f"--pk can't be understood: {said(error)}") from error


def _fields(given: list[str]) -> Any:
    if given == ["__all__"]:
        return "__all__"
    pairs = [text.partition("=") for text in given]
    return {name: value if sign else None for name, sign, value in pairs}


def _show(call: Call, planned: Redaction) -> None:
    for table in planned.tables:
        call.write(
            f"{table.table}: {', '.join(table.columns)} in {counted(table.versions, 'version')} of {counted(table.rows, 'row')}"
        )
        for sample in table.samples:
            key = ", ".join(map(str, sample.key))
            values = ", ".join(f"{name}={value!r}" for name, value in sample.values.items())
            call.write(f"  {sample.operation} {key} in revision {sample.revision}: {values}")
        if len(table.samples) < table.versions and table.samples:
            call.write("  ...")
        if table.live:
            call.write(
                f"  The live table still holds something else than the replacement in {counted(table.live, 'row')}.",
                error=True,
            )
    if not planned.versions + planned.live:
        call.write("History holds none of it: there is nothing to redact.")
